"""Content of one picture in the style of another, against pictures drawn that way.

`figures` is the world of dressed figures: a pose is content, a garment style, and a mix is set
beside the figure that was drawn in that pose and garment. `digits` is MNIST in styles that code
draws (ink, paper, stroke, turn); the digit is content. Contents are never those of training,
styles are or are not. Judges are networks trained on drawings alone.

Training takes some minutes and is cut into pieces: each call trains for one and keeps it, until
the last one measures.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

import zscape as zs
from benchmarks.figures import Figure, NotRunError, Settings, machine
from benchmarks.likelihood import standard_error
from benchmarks.style_judges import Judge, trained_judge, unit
from benchmarks.style_worlds import SEEN, UNSEEN, Known, Sides, pairs, training
from zscape.model.codes import Codes
from zscape.space.space import Space
from zscape.study.data import Data, look
from zscape.study.study import Study

STUDIES = Path("studies")  # where trainings are kept, from the folder that the call is made in
PIECE = 240.0  # CPU seconds of training in one call
SHARED: dict[str, Any] = {
    "recipe": "split_vae",
    "split": "content=16,style=8",
    "likelihood": "gaussian_optimal",
    "cycle": 0.0,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "patience": 0,
    "validation": 0.02,
    "ema": 0.995,
    "precision": "bfloat16",
}
OPTIONS = {
    "figures": SHARED | {"network": "conv:16", "epochs": 16},
    "digits": SHARED | {"network": "conv:16", "epochs": 8},
}
PAIRS, TIMED, WARM = 1000, 300, 20


def figures(settings: Settings) -> Iterator[Figure]:
    """Mixes of figures, and the floors beside them."""
    yield from _part("figures", settings)


def digits(settings: Settings) -> Iterator[Figure]:
    """Mixes of digits, and the floors beside them."""
    yield from _part("digits", settings)


def speed(settings: Settings) -> Iterator[Figure]:
    """How long one mix takes, and how many come out of a second."""
    space, _ = _trained("figures", settings)
    sides = pairs("figures", 8 if settings.quick else TIMED, seen=False)
    seconds = []
    for a, b in zip(sides.contents.pictures, sides.styles.pictures, strict=True):
        start = time.process_time()
        zs.mix(space, a[None], b[None])
        seconds.append(time.process_time() - start)
    said = (
        f"two 64x64 colour pictures in, one out, encoded and decoded; {len(seconds)} mixes one by "
        f"one, CPU time on one thread; {machine()}"
    )
    p95 = 1000 * float(np.quantile(seconds[WARM:] or seconds, 0.95))
    yield Figure("single_mix_p95_ms", p95, "ms", "measured", said)
    start = time.process_time()
    made = len(_mixed(space, sides))
    rate = made / (time.process_time() - start)
    said = (
        f"{made} pairs of 64x64 colour pictures mixed together, both encoded, CPU time on ONE "
        f"thread, which two cores can only better; {machine()}"
    )
    yield Figure("pictures_per_second", rate, "pictures/s", "measured", said)


PARTS = {"figures": figures, "digits": digits, "speed": speed}


def _part(name: str, settings: Settings) -> Iterator[Figure]:
    space, trained = _trained(name, settings)
    judge, known = trained_judge(name, settings, STUDIES), training(name, settings)
    for suffix in (UNSEEN, SEEN):
        sides = pairs(name, 60 if settings.quick else PAIRS, seen=suffix == SEEN)
        about = f"{sides.said}; {judge.said}; {machine()}"
        model = f"{trained}; {about}"
        yield from _scores("", name, suffix, _mixed(space, sides), sides, judge, model)
        ceiling = space.decode_tensor(space.encode(sides.truth))
        what = f"the true swaps themselves, encoded and decoded; {model}"
        yield from _scores("reconstructed_truth_", name, suffix, ceiling, sides, judge, what)
        for floor, made, how in _floors(sides, known):
            said = f"no model: {how}; {about}"
            yield from _scores(f"floor_{floor}_", name, suffix, made, sides, judge, said)


def _scores(
    prefix: str, world: str, suffix: str, x: Tensor, sides: Sides, judge: Judge, said: str
) -> Iterator[Figure]:
    """PSNR, content kept and style moved of mixes `[N, 3, H, W]`."""
    # Figures carry the asked names; those of digits say so.
    names = ("", "content_kept", "style_moved")
    of = "" if world == "figures" else "digits_"
    error = (x - unit(sides.truth)).square().mean()
    psnr = float(-10 * torch.log10(error.clamp(min=1e-12)))
    how = f"PSNR of the mean squared error over all pictures and channels; {said}"
    yield Figure(f"{prefix}{world}_psnr_db{suffix}", psnr, "dB", "estimate", how)
    kept = judge.kept(x, sides.contents.content).double().mean(1)
    shown = judge.shown(x, sides.styles.style).double()
    differs = torch.from_numpy(sides.contents.style != sides.styles.style)
    moved = shown[differs]
    how = (
        f"share of pictures and parts of the content that the judge reads as the content's; {said}"
    )
    yield Figure(
        f"{prefix}{of}{names[1]}{suffix}",
        kept.mean().item(),
        "share",
        "estimate",
        how,
        standard_error(kept),
    )
    how = (
        f"share of the parts in which two styles differ that the judge reads as the style's; {said}"
    )
    yield Figure(
        f"{prefix}{of}{names[2]}{suffix}",
        moved.mean().item(),
        "share",
        "estimate",
        how,
        standard_error(moved),
    )


def _floors(sides: Sides, known: Known) -> Iterator[tuple[str, Tensor, str]]:
    """What can be had without a model, and how."""
    a, b, truth = (unit(p) for p in (sides.contents.pictures, sides.styles.pictures, sides.truth))
    yield "copy_content", a, "the picture that lends the content, as it is"
    yield "copy_style", b, "the picture that lends the style, as it is"
    moments = [(x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)) for x in (a, b)]
    coloured = (a - moments[0][0]) / moments[0][1].clamp(min=1e-6) * moments[1][1] + moments[1][0]
    how = "the content's picture with mean and deviation of each channel of the style's"
    yield "colour_statistics", coloured.clamp(0, 1), how
    small = avg_pool2d(unit(known.pictures), 4).flatten(1)
    wanted = avg_pool2d(truth, 4).flatten(1)
    nearest = torch.cat([torch.cdist(part, small).argmin(1) for part in wanted.split(100)])
    how = "the training picture nearest to the TRUE swap at a quarter of the size: no retrieval"
    yield "nearest_to_truth", unit(known.pictures[nearest.numpy()]), f"{how} can do better"


def _mixed(space: Space, sides: Sides) -> Tensor:
    """The mix of each pair, `[N, *shape]`: as `zs.mix`, many at once."""
    content, style = (
        space.encode(known.pictures)[part]
        for known, part in ((sides.contents, "content"), (sides.styles, "style"))
    )
    return space.decode_tensor(Codes({"content": content, "style": style}))


def _trained(name: str, settings: Settings) -> tuple[Space, str]:
    """The space of a world and how it was trained; a further piece of training where it is not.

    Raises:
        NotRunError: the piece was not the last.
    """
    known = training(name, settings)
    data = look(known.pictures, labels=[str(group) for group in known.group])
    options = OPTIONS[name] | {"seed": settings.seed} | ({"epochs": 1} if settings.quick else {})
    folder = STUDIES / f"style-{name}-{settings.seed}{'-quick' * settings.quick}"
    spent = _piece(folder, data, options)
    space = zs.open(folder)
    size = sum(p.numel() for p in space.model.decoder.parameters())
    shown = {k: v for k, v in options.items() if k not in ("recipe", "seed")}
    said = (
        f"split_vae {shown}, a decoder of {size:,} weights, told only which of "
        f"{len(known.group):,} training pictures share one of {len(set(known.group))} styles; "
        f"{spent:.0f} CPU s, seed {settings.seed}"
    )
    return space, said


def _was_asked(study: Study, options: dict[str, Any]) -> bool:
    asked = study.asked["options"] | study.asked["training"] | {"recipe": study.asked["recipe"]}
    return all(asked[name] == value for name, value in options.items())


def _piece(folder: Path, data: Data, options: dict[str, Any]) -> float:
    """Trains on, and gives the CPU seconds of all pieces once the last was made."""
    clock, start = folder.with_suffix(".seconds"), time.process_time()
    before = float(clock.read_text()) if clock.exists() else 0.0
    if before and not _was_asked(Study.open(folder), options):
        raise NotRunError(f"{folder} must be of these options and is of others; remove it")
    if clock.with_suffix(".done").exists():
        return before
    study = zs.resume(folder, data) if clock.exists() else zs.prepare(data, out=folder, **options)
    for progress in (records := zs.train(study)):
        if time.process_time() - start > PIECE:
            records.close()
            clock.write_text(f"{before + time.process_time() - start:.1f}")
            raise NotRunError(f"training is at epoch {progress.epoch}; the same call goes on")
    clock.write_text(f"{before + time.process_time() - start:.1f}")
    clock.with_suffix(".done").touch()
    return before + time.process_time() - start
