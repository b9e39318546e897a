"""The folder of a study: written whole or not at all, locked, and checked when it is read."""
