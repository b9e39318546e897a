"""Is what was asked for what comes: by class, by a prompt, by the rest of a picture."""

from benchmarks import conditional_classes, prompts, quadrants

PARTS = {**conditional_classes.PARTS, **prompts.PARTS, **quadrants.PARTS}
