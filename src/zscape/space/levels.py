"""The levels of a space, from coarse to fine: which there are, and redrawing some of them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zscape.errors import SpecError, unknown
from zscape.space.space import CHUNK, Space, codes_of, seeded


def level_names(space: Space) -> list[str]:
    """The names of the levels, the coarsest first."""
    return list(space.codes.tensors)


def level_named(space: Space, level: int | str) -> str:
    """The name of a level that is given by its name, or by its number, 1 the coarsest.

    Raises:
        SpecError: there is no such level.
    """
    names = level_names(space)
    if isinstance(level, str) and not level.isdecimal():
        if level not in names:
            raise unknown("level", level, names)
        return level
    if not 1 <= int(level) <= len(names):
        raise SpecError(
            f"A level must be between 1, the coarsest, and {len(names)}, got {level}. "
            f"They are {', '.join(names)}."
        )
    return names[int(level) - 1]


def units_of(space: Space, level: str) -> range:
    """Where the units of a level stand in the flat code."""
    start = 0
    for name, tensor in space.codes.tensors.items():
        stop = start + tensor[0].numel()
        if name == level:
            return range(start, stop)
        start = stop
    raise unknown("level", level, level_names(space))


def redraw(
    space: Space,
    item: Any,
    *,
    below: int | None = None,
    levels: Sequence[int | str] = (),
    n: int = 8,
    seed: int | None = None,
) -> Any:
    """Things like one, of which some levels are drawn anew from their priors, the others kept.

    `below=k` keeps the k coarsest levels and redraws the finer ones, so that what was coarse about
    the thing stays; its complement redraws the named levels alone. A kept level keeps the item's
    code as it is, also below a level that changed.

    Args:
        space: a space.
        item: an index into the space's data, a code, or a thing.
        below: how many coarse levels are kept; 1 unless `levels` are named, 0 redraws all.
        levels: the levels that are redrawn, by name or number (1 the coarsest).
        n: how many things.
        seed: repeats the same things.

    Raises:
        SpecError: no such level, both `below` and `levels`, or n below 1.
        ShapeError: `item` is not one thing.
        DataError: there is no item of that index.

    Source: Sonderby et al. 2016, section 3 (what each layer generates), arXiv:1602.02282; Child
    2021, figure 4 (the coarse kept, the fine sampled), arXiv:2011.10650.
    """
    names = redrawn_levels(space, below=below, levels=levels)
    if n < 1:
        raise SpecError(f"n must be at least 1, got {n}. 8 is a usual number.")
    code = codes_of(space, item)
    kept = {
        name: tensor.repeat(n, *[1] * (tensor.ndim - 1)) for name, tensor in code.tensors.items()
    }
    return space.modality.decode(redraw_tensor(space, kept, names, seed=seed))


def redrawn_levels(
    space: Space, *, below: int | None = None, levels: Sequence[int | str] = ()
) -> list[str]:
    """The names of the levels that `redraw` draws anew.

    Raises:
        SpecError: no such level, or both are given.
    """
    names = level_names(space)
    if levels:
        if below is not None:
            raise SpecError(
                f"Either below or levels must say what is redrawn, got both ({below} and "
                f"{', '.join(map(str, levels))}). Leave one of them out."
            )
        return [level_named(space, level) for level in levels]
    kept = 1 if below is None else below
    if not 0 <= kept < len(names):
        raise SpecError(
            f"below must be from 0 to {len(names) - 1}, as this study has {len(names)} "
            f"level{'s' * (len(names) > 1)} and one at least is redrawn, got {kept}. "
            "0 redraws everything."
        )
    return names[kept:]


@torch.inference_mode()
def redraw_tensor(
    space: Space, codes: dict[str, Tensor], redrawn: Sequence[str], *, seed: int | None = None
) -> Tensor:
    """What codes stand for once some levels are redrawn, as a model sees it, `[N, *shape]`.

    Args:
        space: a space.
        codes: of N things by the name of the level.
        redrawn: the names of the levels that are drawn from their priors.
        seed: repeats the same draws.
    """
    kept = {name: tensor for name, tensor in codes.items() if name not in redrawn}
    count, parts = len(next(iter(codes.values()))), []
    with seeded(seed):
        for start in range(0, count, CHUNK):
            given = {name: tensor[start : start + CHUNK] for name, tensor in kept.items()}
            parts.append(space.model.generate(min(CHUNK, count - start), given=given))
    return torch.cat([trace.likelihood.mean for trace in parts])
