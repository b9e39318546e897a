"""Finds the templates of lines with drain3, in its default settings; run by the interpreter that
has it.
"""

import json
import logging
import sys
from importlib.metadata import version

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig


def groups(lines, masks):
    """The cluster of each line, found one line after the other."""
    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(mask, "*") for mask in masks]
    miner = TemplateMiner(None, config)
    return [miner.add_log_message(line)["cluster_id"] for line in lines]


def main():
    """Answers the request in the first argument."""
    logging.disable(logging.CRITICAL)
    asked = json.loads(sys.argv[1])
    with open(asked["lines"], encoding="utf-8") as file:
        systems = json.load(file)
    found = {
        name: [groups(lines, masks) for masks in asked["masks"][name]]
        for name, lines in systems.items()
    }
    print(json.dumps({"groups": found, "versions": f"drain3 {version('drain3')}"}))


if __name__ == "__main__":
    main()
