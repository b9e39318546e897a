"""The verbs on a study: each opens it, calls one function of its space, and leaves a picture."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from zscape.cli.output import (
    Result,
    figure_line,
    leave,
    leave_page,
    record_of,
    say,
    tell,
)
from zscape.errors import SpecError, StorageError
from zscape.modalities.modality import Rows
from zscape.space.maps import map_codes
from zscape.space.paths import interpolate_codes, traverse
from zscape.space.pictures import captioned, grid, pairs
from zscape.space.scatter import scatter
from zscape.space.space import Space, codes_of, encode_stored
from zscape.space.tables import table_picture
from zscape.study.figures import figures, held_out, report_page
from zscape.study.folder import list_files
from zscape.study.items import item, stored_item, write_things
from zscape.study.spec import find_recipe, options
from zscape.study.run import train_on
from zscape.study.study import REPORT, Study

SHOWN = 16  # things that a verb shows where nothing else is asked

Out = Annotated[Path | None, Parameter(help="where the picture goes; none: into the study.")]
Json = Annotated[bool, Parameter(help="one JSON object on stdout, nothing else.", negative="")]
Own = Annotated[str, Parameter(help="package.module:function, for a study of a recipe not ours.")]
Seed = Annotated[int, Parameter(help="repeats the same draws.")]
Item = Annotated[str, Parameter(help="'#12', an index into the study's data, or a file.")]
Steps = Annotated[int, Parameter(help="how many things, both ends among them.")]
