"""`python -m zscape`: the command line."""

import sys

from zscape.cli import main

if __name__ == "__main__":
    sys.exit(main())
