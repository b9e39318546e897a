"""What takes seconds: the doctor, strange items, comparisons. A process of its own does it."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import unknown
from zscape.model.bound import distortion, has_rate, sum_rates
from zscape.space.space import CHUNK
from zscape.studio.work.columns import Column
from zscape.studio.work.made import Made, told
from zscape.studio.work.shelf import Opened
from zscape.study.comparison import compare
from zscape.study.doctoring import diagnose_study

BINS = 60


def health(opened: Opened) -> Made:
    """What the doctor says, and what `measure` said last."""
    measured = opened.study.measures()
    found = diagnose_study(opened.study).to_json()
    return told({**found, "measured": None if measured is None else measured.to_json()})


def compared(opened: Opened, other: Opened) -> Made:
    """Two studies side by side."""
    made = compare([opened.study, other.study]).to_json()
    data = [one.study.asked["data"].get("sha256") for one in (opened, other)]
    return told({**made, "same_items": data[0] == data[1] and data[0] is not None})
