"""What can be asked of the studio: docs/studio-api.md, a module for each of its chapters."""
