"""Content of one picture in the style of another, against pictures drawn that way.

`figures` is the world of dressed figures: a pose is content, a garment style, and a mix is set
beside the figure that was drawn in that pose and garment. `digits` is MNIST in styles that code
draws (ink, paper, stroke, turn); the digit is content. Contents are never those of training,
styles are or are not. Judges are networks trained on drawings alone.

Training takes some minutes and is cut into pieces: each call trains for one and keeps it, until
the last one measures.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

import zscape as zs
from benchmarks.figures import Figure, NotRunError, Settings, machine
from benchmarks.likelihood import standard_error
from benchmarks.style_judges import trained_judge, unit
from benchmarks.style_worlds import SEEN, UNSEEN, Known, Sides, pairs, training
from zscape.model.codes import Codes
from zscape.space.space import Space
from zscape.study.data import Data, look
from zscape.study.study import Study
from zscape.worlds.figures import GARMENTS, POSES

STUDIES = Path("studies")  # where trainings are kept, from the folder that the call is made in
PIECE = 240.0  # CPU seconds of training in one call
SHARED: dict[str, Any] = {
    "recipe": "split_vae",
    "split": "content=16,style=8",
    "likelihood": "gaussian_optimal",
    "cycle": 0.0,
    "guess": 1.0,
    "shared_rate": 0.02,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "patience": 0,
    "validation": 0.02,
    "ema": 0.995,
}
OPTIONS = {
    "figures": SHARED | {"network": "conv:24", "epochs": 24, "beta": 0.1, "guess": 4.0},
    "digits": SHARED | {"network": "conv:16", "epochs": 8},
}
NAMES = {"figures": tuple(GARMENTS), "digits": ("ink", "paper", "stroke", "turn")}
PAIRS, TIMED, WARM = 1000, 300, 20


def figures(settings: Settings) -> Iterator[Figure]:
    """How near mixes of figures are to the true ones, and the floors."""
    yield from _distances("figures", settings)


def figures_judged(settings: Settings) -> Iterator[Figure]:
    """What judges see in mixes of figures, and in the floors."""
    yield from _judged("figures", settings)


def digits(settings: Settings) -> Iterator[Figure]:
    """How near mixes of digits are to the true ones, and the floors."""
    yield from _distances("digits", settings)


def digits_judged(settings: Settings) -> Iterator[Figure]:
    """What judges see in mixes of digits, and in the floors."""
    yield from _judged("digits", settings)


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


PARTS = {
    "figures_psnr": figures,
    "figures_judged": figures_judged,
    "digits_psnr": digits,
    "digits_judged": digits_judged,
    "speed": speed,
}


def _distances(name: str, settings: Settings) -> Iterator[Figure]:
    """PSNR of the mean squared error, of mixes, of true swaps encoded and decoded, of floors."""
    for suffix, prefix, made, sides, said in _cases(name, settings):
        error = (made - unit(sides.truth)).square().mean().clamp(min=1e-12)
        how = f"PSNR of the mean squared error over all pictures and channels; {said}"
        value = float(-10 * torch.log10(error))
        yield Figure(f"{prefix}{name}_psnr_db{suffix}", value, "dB", "estimate", how)


def _judged(name: str, settings: Settings) -> Iterator[Figure]:
    """Content kept and style moved, by the judge, of the same pictures."""
    judge = trained_judge(name, settings, STUDIES)
    of = "" if name == "figures" else f"{name}_"  # the asked names are those of the figures
    for suffix, prefix, made, sides, said in _cases(name, settings):
        about = f"{judge.said}; {said}"
        numbers = judge.kept(made, sides.contents.content).double()
        kept = numbers.mean(1)
        differs = torch.from_numpy(sides.contents.style != sides.styles.style)
        shown = judge.shown(made, sides.styles.style).double()
        moved = shown[differs]
        if not prefix:
            for part, parts in enumerate(NAMES[name]):
                share = shown[differs[:, part], part].mean().item()
                how = f"style_moved of the {parts} alone; {about}"
                yield Figure(f"{of}style_moved_{parts}{suffix}", share, "share", "estimate", how)
        for part, number in enumerate(POSES if name == "figures" and not prefix else ()):
            how = f"content_kept of the {number} alone; {about}"
            share = numbers[:, part].mean().item()
            yield Figure(f"content_kept_{number}{suffix}", share, "share", "estimate", how)
        for word, shares, what in (
            ("content_kept", kept, "parts of the content that the judge reads as the content's"),
            ("style_moved", moved, "parts in which two styles differ that it reads as the style's"),
        ):
            value, error = shares.mean().item(), standard_error(shares)
            how = f"share of the {what}, over all pictures; {about}"
            yield Figure(f"{prefix}{of}{word}{suffix}", value, "share", "estimate", how, error)


def _cases(name: str, settings: Settings) -> Iterator[tuple[str, str, Tensor, Sides, str]]:
    """Pictures to be measured: the ends of their figures' names, they, the pairs, how."""
    space, trained = _trained(name, settings)
    known = training(name, settings)
    for suffix in (UNSEEN, SEEN):
        sides = pairs(name, 60 if settings.quick else PAIRS, seen=suffix == SEEN)
        about = f"{sides.said}; {machine()}"
        yield suffix, "", _mixed(space, sides), sides, f"{trained}; {about}"
        again = space.decode_tensor(space.encode(sides.truth))
        what = f"the true swaps themselves, encoded and decoded; {trained}; {about}"
        yield suffix, "reconstructed_truth_", again, sides, what
        for floor, made, how in _floors(sides, known):
            yield suffix, f"floor_{floor}_", made, sides, f"no model: {how}; {about}"


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
    options = OPTIONS[name] | {"seed": settings.seed} | ({"epochs": 1} if settings.quick else {})
    folder = STUDIES / f"style-{name}-{settings.seed}{'-quick' * settings.quick}"
    spent = _piece(folder, lambda: _data(training(name, settings)), options)
    space = zs.open(folder)
    size = sum(p.numel() for p in space.model.decoder.parameters())
    shown = {k: v for k, v in options.items() if k not in ("recipe", "seed")}
    said = (
        f"split_vae {shown}, a decoder of {size:,} weights, told only which of "
        f"{len(space.codes):,} training pictures share one of {len(space.label_names)} styles; "
        f"{spent:.0f} CPU s, seed {settings.seed}"
    )
    return space, said


def _was_asked(study: Study, options: dict[str, Any]) -> bool:
    asked = study.asked["options"] | study.asked["training"] | {"recipe": study.asked["recipe"]}
    return all(asked[name] == value for name, value in options.items())


def _data(known: Known) -> Data:
    return look(known.pictures, labels=[str(group) for group in known.group])


def _piece(folder: Path, drawn: Callable[[], Data], options: dict[str, Any]) -> float:
    """Trains on, and gives the CPU seconds of all pieces once the last was made."""
    clock, start = folder.with_suffix(".seconds"), time.process_time()
    before = float(clock.read_text()) if clock.exists() else 0.0
    if before and not _was_asked(Study.open(folder), options):
        raise NotRunError(f"{folder} must be of these options and is of others; remove it")
    if clock.with_suffix(".done").exists():
        return before
    data = drawn()
    study = zs.resume(folder, data) if clock.exists() else zs.prepare(data, out=folder, **options)
    for progress in (records := zs.train(study)):
        if time.process_time() - start > PIECE:
            records.close()
            clock.write_text(f"{before + time.process_time() - start:.1f}")
            raise NotRunError(f"training is at epoch {progress.epoch}; the same call goes on")
    clock.write_text(f"{before + time.process_time() - start:.1f}")
    clock.with_suffix(".done").touch()
    return before + time.process_time() - start
