"""Levels, walks and their records; it knows no data, no objective and no disk."""
