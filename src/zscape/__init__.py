"""zscape, a workbench for latent spaces: the names a user types.

The maths alphabet, the same in every file: `x` data, `z` code, `p` prior, `q` posterior,
`h` hidden. Dimensions: `S` draws, `B` batch, `N` examples, `D` code size, `K` components,
`C H W` picture. The house unit is the nat, per example, summed over event dimensions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zscape.estimator import LatentTransformer
    from zscape.measures.doctor import diagnose
    from zscape.measures.measurement import measure
    from zscape.measures.prediction import fit_predictor, predict
    from zscape.space.clusters import clusters
    from zscape.space.compression import compress, decompress, salvage
    from zscape.space.conditions import across
    from zscape.space.directions import find_direction
    from zscape.space.duplicates import duplicates
    from zscape.space.edits import edit
    from zscape.space.explanations import explain
    from zscape.space.filling import fill, fill_rows
    from zscape.space.label_errors import label_errors
    from zscape.space.levels import redraw
    from zscape.space.maps import map_codes
    from zscape.space.mixing import mix, mix_grid
    from zscape.space.neighbours import neighbours
    from zscape.space.paths import interpolate, traverse, walk
    from zscape.space.pruning import prune
    from zscape.space.refitting import refit_prior
    from zscape.space.scores import Scores, score
    from zscape.space.space import Space, reconstruct
    from zscape.study.comparison import compare
    from zscape.study.data import look
    from zscape.study.encoding import encode_shards
    from zscape.study.exporting import export
    from zscape.study.following import follow
    from zscape.study.run import fit, open, prepare, resume, train
    from zscape.study.study import Study
    from zscape.study.sweep import sweep

__version__ = "0.1.0"

# Names are found at first use, so that `zscape --help` starts without torch.
_HOMES = {
    "LatentTransformer": "zscape.estimator",
    "Space": "zscape.space.space",
    "Study": "zscape.study.study",
    "across": "zscape.space.conditions",
    "clusters": "zscape.space.clusters",
    "Scores": "zscape.space.scores",
    "compare": "zscape.study.comparison",
    "compress": "zscape.space.compression",
    "decompress": "zscape.space.compression",
    "diagnose": "zscape.measures.doctor",
    "duplicates": "zscape.space.duplicates",
    "edit": "zscape.space.edits",
    "encode_shards": "zscape.study.encoding",
    "export": "zscape.study.exporting",
    "explain": "zscape.space.explanations",
    "fill": "zscape.space.filling",
    "fill_rows": "zscape.space.filling",
    "find_direction": "zscape.space.directions",
    "fit": "zscape.study.run",
    "fit_predictor": "zscape.measures.prediction",
    "follow": "zscape.study.following",
    "interpolate": "zscape.space.paths",
    "label_errors": "zscape.space.label_errors",
    "look": "zscape.study.data",
    "map_codes": "zscape.space.maps",
    "measure": "zscape.measures.measurement",
    "neighbours": "zscape.space.neighbours",
    "mix": "zscape.space.mixing",
    "mix_grid": "zscape.space.mixing",
    "open": "zscape.study.run",
    "predict": "zscape.measures.prediction",
    "prepare": "zscape.study.run",
    "prune": "zscape.space.pruning",
    "reconstruct": "zscape.space.space",
    "refit_prior": "zscape.space.refitting",
    "redraw": "zscape.space.levels",
    "resume": "zscape.study.run",
    "score": "zscape.space.scores",
    "salvage": "zscape.space.compression",
    "sweep": "zscape.study.sweep",
    "train": "zscape.study.run",
    "traverse": "zscape.space.paths",
    "walk": "zscape.space.paths",
}

__all__ = [
    "LatentTransformer",
    "Scores",
    "Space",
    "Study",
    "across",
    "clusters",
    "compare",
    "compress",
    "decompress",
    "diagnose",
    "duplicates",
    "edit",
    "encode_shards",
    "explain",
    "export",
    "fill",
    "fill_rows",
    "find_direction",
    "fit",
    "fit_predictor",
    "follow",
    "interpolate",
    "label_errors",
    "look",
    "map_codes",
    "measure",
    "mix",
    "mix_grid",
    "neighbours",
    "open",
    "predict",
    "prepare",
    "prune",
    "reconstruct",
    "redraw",
    "refit_prior",
    "resume",
    "salvage",
    "score",
    "sweep",
    "train",
    "traverse",
    "walk",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zscape' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
