"""Data, training and the folder that keeps them: the only layer that touches a disk."""
