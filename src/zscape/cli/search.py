"""`zscape neighbours`, `clusters`, `duplicates` and `label-errors`: what lies near what."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from zscape.cli.output import Result, leave, say
from zscape.cli.verbs import FINEST, Folder, Item, Json, Out, Own, Seed, named, opened, result_of
from zscape.errors import SpecError
from zscape.modalities.found import counted, printable
from zscape.modalities.modality import Rows
from zscape.space.clusters import Cluster, Clusters
from zscape.space.clusters import clusters as clusters_of
from zscape.space.duplicates import duplicates as duplicates_of
from zscape.space.label_errors import label_errors as label_errors_of
from zscape.space.neighbours import neighbours as neighbours_of
from zscape.space.pictures import PAPER, captioned, grid, worded
from zscape.space.scatter import class_name
from zscape.space.space import Space, examples
from zscape.study.items import item

LISTED = 24  # clusters, pairs and suspects that a picture shows
MEMBERS = 10  # of a cluster
STABLE = 0.6  # below which clusters are no kinds
TOLD = 8  # lines that a verb prints of its finds


@dataclass(frozen=True, slots=True)
class _Finds:
    """Examples that a verb lists: where they are, words for each, and lines to print."""

    name: str
    places: Sequence[int]
    words: Sequence[str]
    lines: Sequence[str]
    record: dict[str, Any]


def neighbours(
    study: Folder,
    /,
    *items: Item,
    number: Annotated[int, Parameter(name=["-k", "--number"], help="how many of each.")] = 10,
    level: Annotated[str, Parameter(help="by the codes of this level alone; none: by all.")] = "",
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Show the examples whose codes lie nearest to those of things, with their distances."""
    if not items:
        raise SpecError("At least one item must be given, got none. Write it in quotes: '#12'.")
    space = opened(study, recipe).space()
    things = [item(space, name) for name in items]
    found = neighbours_of(space, things, number, level=level or None)
    x, words, lines, told = [], [], [], []
    for n, (name, thing) in enumerate(zip(items, things, strict=True)):
        places, distances = found.places[n].tolist(), found.distances[n].tolist()
        x += [_as_seen(space, thing), examples(space, torch.tensor(places))]
        names = [_named(space, at) for at in places]
        near = [*zip(names, [f"{far:.3g}" for far in distances], strict=True)]
        asked = _named(space, thing) if isinstance(thing, int) else printable(name)
        words += [asked, *map("\n".join, near)]
        lines.append(f"{asked}: {', '.join(map(' at '.join, near))}")
        told.append({"item": name, "places": places, "distances": distances})
    record: dict[str, Any] = {"verb": "neighbours", "level": level or None, "items": told}
    name = named("neighbours", *items)
    result = _worded(space, name, torch.cat(x), words, number + 1, record)
    leave(replace(result, lines=tuple(lines)), study, out=out, json=json)


def clusters(
    study: Folder,
    /,
    *,
    number: Annotated[
        int | None, Parameter(help="of clusters; none: as many as the evidence says.")
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Find the clusters of the codes, how many there are, and what speaks for it."""
    space = opened(study, recipe).space()
    found = clusters_of(space, number, seed=seed)
    heads = [_head(space, one) for one in found.clusters]
    lines = _evidence(found, asked=number is not None)
    for head, one in zip(heads[:LISTED], found.clusters, strict=False):
        left = "" if one.valley is None else f"; a valley to {one.valley:.0%} around it"
        lines.append(f"{head}; medoid {_named(space, one.members[0])}{left}")
    told = [
        {"members": one.members.tolist(), "label": one.label, "share": one.share}
        | {"valley": one.valley}
        for one in found.clusters
    ]
    record: dict[str, Any] = {"verb": "clusters", "gaussians": found.gaussians}
    record |= {"evidence": found.evidence, "stability": found.stability}
    record |= {"agreement": found.agreement, "clusters": told}
    result = _rows_of_members(space, found, heads, record)
    leave(replace(result, lines=tuple(lines)), study, out=out, json=json)


def duplicates(
    study: Folder,
    /,
    *,
    within: Annotated[
        float, Parameter(help="what counts as near: a share of the usual distance at a place.")
    ] = 0.3,
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """List the examples that stand in the data more than once, exactly or nearly."""
    space = opened(study, recipe).space()
    found = duplicates_of(space, within=within)
    pairs = [(group[:2], f"{len(group)} equal") for group in found.exact]
    pairs += [((p.first, p.second), f"{p.codes:.2f} of the usual distance") for p in found.near]
    again = sum(len(group) - 1 for group in found.exact)
    lines = [
        f"{counted(len(found.exact), 'group')} of equal things, of which {again:,} can be left "
        f"out; {counted(len(found.near), 'pair')} nearly the same",
        f"{found.compared:,} of {len(space.codes):,} were kept and compared as things",
    ]
    both = " and ".join
    lines += [f"{both(_named(space, at) for at in two)}: {word}" for two, word in pairs[:TOLD]]
    lines += _more(len(pairs))
    listed = [(at, word) for two, word in pairs[:LISTED] for at in two]
    finds = _Finds(
        name="duplicates",
        places=[at for at, _ in listed],
        words=["\n".join((_named(space, at), *word.split(" the "))) for at, word in listed],
        lines=lines,
        record={"verb": "duplicates", **asdict(found)},
    )
    _leave(space, finds, study, columns=8, out=out, json=json)


def label_errors(
    study: Folder,
    /,
    *,
    attribute: Annotated[
        str, Parameter(help="whose values are the labels; none: the labels of the data.")
    ] = "",
    out: Out = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """List the labels that the codes contradict, what they say instead, and how surely."""
    space = opened(study, recipe).space()
    found = label_errors_of(space, attribute)
    way = {"neighbours": "from their neighbours", "linear": "linearly"}[found.predictor]
    lines = [
        f"{len(found.suspects):,} of {found.examined:,} labels are contradicted by the codes, "
        f"which tell {found.accuracy:.1%} of all labels {way} (estimate)",
        f"about {found.share:.1%} of all are wrong if the codes mix no classes, fewer if they do "
        "(estimate): look at them",
    ]
    for one in found.suspects[:TOLD]:
        lines.append(
            f"#{one.index}: labelled {one.label}, its code says {one.suggested}; chances "
            f"{one.probability:.2f} and {one.probability_suggested:.2f}, of 10 neighbours "
            f"{one.neighbours} and {one.neighbours_suggested}"
        )
    lines += _more(len(found.suspects))
    shown = found.suspects[:LISTED]
    finds = _Finds(
        name=named("label-errors", attribute),
        places=[one.index for one in shown],
        words=[f"#{one.index}\nlabel {one.label}\ncode {one.suggested}" for one in shown],
        lines=lines,
        record={"verb": "label-errors", "attribute": attribute, **asdict(found)},
    )
    _leave(space, finds, study, columns=8, out=out, json=json)


def _more(number: int) -> list[str]:
    """The line that says how many finds were not printed."""
    return [f"and {number - TOLD:,} more (--json lists all)"] if number > TOLD else []


def _leave(
    space: Space, finds: _Finds, study: Path, *, columns: int, out: Path | None, json: bool
) -> None:
    """A picture of what was found, or the sentence that nothing was."""
    if finds.places:
        x = examples(space, torch.tensor(finds.places))
        result = _worded(space, finds.name, x, finds.words, columns, finds.record)
        leave(replace(result, lines=tuple(finds.lines)), study, out=out, json=json)
    elif json:
        say({**finds.record, "study": str(study), "picture": None})
    else:
        print("\n".join(finds.lines))


def _worded(
    space: Space,
    name: str,
    x: Tensor,
    words: Sequence[str],
    columns: int,
    record: dict[str, Any],
) -> Result:
    """Things with words below each, or rows with the words before them."""
    shown = space.modality.show(x)
    if isinstance(shown, Rows):
        heads = [word.replace("\n", "  ") for word in words]
        return result_of(space, name, x, record, heads=("", heads))
    tiles = shown.tiles

    def draw(width: int) -> np.ndarray:
        if width < FINEST:  # the terminal has no pixels for letters; lines below say the same
            return grid(tiles, columns=columns, width=width)
        return worded(tiles, words, columns=columns, width=width)

    return Result(name, draw, record)


def _rows_of_members(
    space: Space, found: Clusters, heads: Sequence[str], record: dict[str, Any]
) -> Result:
    """Each cluster as a row: its medoid, then members from near it to far from it."""
    shown = found.clusters[:LISTED]
    if len(space.modality.shape) != 3:
        medoids = examples(space, torch.tensor([one.members[0] for one in shown]))
        return result_of(space, "clusters", medoids, record, heads=("medoid of", [*heads[:LISTED]]))
    rows = []
    for one in shown:
        spread = np.linspace(0, len(one.members) - 1, min(MEMBERS, len(one.members))).round()
        things = space.modality.show(
            examples(space, torch.from_numpy(one.members[spread.astype(int)]))
        )
        assert not isinstance(things, Rows)
        blank = np.full((MEMBERS - len(spread), *things.tiles.shape[1:]), PAPER, np.uint8)
        rows += [things.tiles, blank]
    tiles = np.concatenate(rows)

    def draw(width: int) -> np.ndarray:
        if width < FINEST:
            return grid(tiles, columns=MEMBERS, width=width)
        return captioned(tiles, heads[:LISTED], columns=MEMBERS, width=width)

    return Result("clusters", draw, record)


def _evidence(found: Clusters, *, asked: bool) -> list[str]:
    count = counted(len(found.clusters), "cluster")
    of = counted(found.gaussians, "Gaussian")
    why = "as asked" if asked else f"BIC is least with {of}; those without a valley between are one"
    known = "" if found.agreement is None else f"; agreement with the labels {found.agreement:.2f}"
    lines = [
        f"{count}: {why}",
        f"stability {found.stability:.2f}{known} (adjusted Rand index: 1 the same, 0 chance)",
    ]
    if found.stability < STABLE:
        lines.append("halves of the data are grouped differently: these are a view, no kinds")
    return lines


def _head(space: Space, one: Cluster) -> str:
    """How large a cluster is, and of which label most of it is."""
    if one.share is None:
        return f"{len(one.members):,}"
    return f"{len(one.members):,}, {one.share:.0%} {class_name(one.label, space.label_names)}"


def _named(space: Space, place: int) -> str:
    """An example by its index, with its name and label where they are known."""
    name = f" {printable(space.names[place])}" if space.names else ""
    if space.labels is None or space.labels[place] < 0:
        return f"#{place}{name}"
    return f"#{place}{name} {class_name(int(space.labels[place]), space.label_names)}"


def _as_seen(space: Space, thing: Any) -> Tensor:
    """The thing itself as a model sees it, `[1, *shape]`."""
    if isinstance(thing, int):
        return examples(space, torch.tensor([thing]))
    return space.modality.prepare(space.modality.encode(thing)[:1])
