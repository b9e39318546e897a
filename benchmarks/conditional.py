"""Samples of what is asked for: by class in `conditional_classes`."""

from benchmarks import conditional_classes

PARTS = {**conditional_classes.PARTS}
