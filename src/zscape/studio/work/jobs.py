"""The process of one job: it is told what to do, says how far it is, and ends."""

import csv
import io
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zscape.modalities.image import Image as Pictures
from zscape.modalities.modality import Rows
from zscape.model.model import Model
from zscape.space.animations import animation
from zscape.space.candidates import best
from zscape.space.maps import map_codes
from zscape.space.pictures import grid, pairs, picture, png
from zscape.space.refitting import refitting
from zscape.space.space import seeded
from zscape.studio.wire import frame
from zscape.studio.work.answering import read_frame
from zscape.studio.work.asked import require_ours
from zscape.studio.work.columns import known_columns, values_of
from zscape.studio.work.made import Made, finite, rows_record, tiles
from zscape.studio.work.shelf import Shelf
from zscape.studio.work.troubles import trouble
from zscape.study.data import look
from zscape.study.glimpse import glimpse
from zscape.study.measuring import keep, measuring_study
from zscape.study.refitting import keep_refitted
from zscape.study.run import data_again, foresee, prepare, resume, train
from zscape.study.study import Study
from zscape.study.training.progress import Progress
from zscape.study.training.split import split

OFTEN = 10.0  # s between two checkpoints, of each of which pictures are made
DRAWN, RECONSTRUCTED = 32, 16  # fixed codes and fixed items of a snapshot

Say = Callable[..., None]


def work(connection: socket.socket) -> None:
    """Does the one job that it is told of."""
    stream = connection.makefile("rb")

    def say(said: str, payload: bytes = b"", **record: Any) -> None:
        connection.sendall(frame({"say": said, **record}, payload))

    say("ready")
    told = read_frame(stream)
    if told is None:
        return
    record, _ = told
    try:
        made = JOBS[record["kind"]](say, record.get("study"), **record["arguments"])
        if made is None:
            say("done")
        else:
            say("done", made.content, media=made.media, name=made.name)
    except KeyboardInterrupt:
        say("stopped")
    except Exception as error:
        say("error", error=trouble(error))


def train_job(say: Say, study: dict[str, str] | None, **asked: Any) -> None:
    """A new study, or one whose training goes on."""
    if study is not None:
        ready = resume(study["path"], epochs=asked["epochs"] or 0)
    else:
        ready = _prepared(asked)
    epochs = ready.asked["training"]["epochs"]
    say("share", share=0.0, words="looking whether it fits into memory", epochs=epochs)
    say("share", share=0.0, words="its first steps", note=" ".join(foresee(ready)))
    watch = _Watch(say, ready)
    try:
        with closing(train(ready, checkpoint_seconds=OFTEN)) as records:
            for record in records:
                say("progress", record=_plain(record))
                words = f"epoch {record.epoch}, step {record.step:,}"
                if record.share >= 1:
                    words = "making its codes and its report"
                noted = {"note": record.note} if record.note else {}
                say("share", share=record.share, words=words, epoch=record.epoch, **noted)
                watch.look()
    except KeyboardInterrupt:  # its state is kept by now
        watch.look(last=True)
        raise
    watch.look(last=True)


def _prepared(asked: dict[str, Any]) -> Study:
    recipe, data = asked["recipe"], asked["data"]
    require_ours(recipe, data)
    again = "study" in data
    seen = data_again(Study.open(data["study"]["path"])) if again else look(data["name"])
    return prepare(seen, recipe=recipe, out=asked["folder"], **asked["options"])


class _Watch:
    """Makes pictures of fixed codes and items whenever there is a new checkpoint."""

    def __init__(self, say: Say, study: Study) -> None:
        self.say, self.study, self.seen, self.since = say, study, -1, time.monotonic()
        assert study.data is not None
        x, training = study.data.x, study.asked["training"]
        _, held = split(
            len(x), share=training["validation"], seed=training["seed"], labels=study.data.labels
        )
        places = held if len(held) else torch.arange(len(x))
        self.items = study.modality.prepare(x[places[:RECONSTRUCTED]])

    def look(self, *, last: bool = False) -> None:
        """Pictures of the last checkpoint, where it is a new one."""
        if not last and time.monotonic() - self.since < OFTEN:
            return
        self.since = time.monotonic()
        found = glimpse(self.study)
        if found is None or found.step == self.seen:
            return
        self.seen = found.step
        samples, made, rows = self._made(found.model)
        about = {"step": found.step, "epoch": found.epoch, "rows": rows}
        self.say("snapshot", samples + made, first=len(samples), **about)

    @torch.inference_mode()
    def _made(self, model: Model) -> tuple[bytes, bytes, dict[str, Any] | None]:
        """Two pictures, or the same as rows."""
        show = self.study.modality.show
        with seeded(0):
            drawn = show(model.generate(DRAWN).likelihood.mean)
        codes = {latent.name: latent.z for latent in model.latents(self.items)}
        made = show(model.generate(len(self.items), given=codes).likelihood.mean)
        seen = show(self.items)
        if isinstance(drawn, Rows) and isinstance(seen, Rows) and isinstance(made, Rows):
            named = {"samples": drawn, "originals": seen, "reconstructions": made}
            cells = {name: rows_record(rows)["cells"] for name, rows in named.items()}
            return b"", b"", {"columns": list(seen.columns), **cells}
        if isinstance(self.study.modality, Pictures):
            both = pairs(seen.tiles, made.tiles, columns=8)  # type: ignore[union-attr]
            return png(grid(drawn.tiles, columns=8)), png(both), None  # type: ignore[union-attr]
        return png(picture(drawn)), png(picture(made)), None


def project_job(say: Say, study: dict[str, str], **asked: Any) -> Made:
    """The map by UMAP."""
    say("share", share=0.0, words="laying out the map; minutes for many items")
    points = map_codes(Shelf().open(**study).space, method="umap").points
    return Made(points.astype("<f4").tobytes(), "application/octet-stream", "map")


def refit_job(say: Say, study: dict[str, str], folder: str, prior: str) -> None:
    """A better prior, as a new study."""
    opened = Shelf().open(**study)

    def told() -> Iterator[Any]:
        for attempt in refitting(opened.space, prior):
            say("share", share=float(attempt.share), words=attempt.words)
            yield attempt

    done = best(told())
    say("share", share=1.0, words="drawing samples before and after")
    keep_refitted(opened.study, opened.space, done, Path(folder))


def measure_job(say: Say, study: dict[str, str]) -> None:
    """Every measure of a study, kept in its folder."""
    opened, report = Shelf().open(**study), None
    for number, report in enumerate(measuring_study(opened.study)):
        say("share", share=min(number / 8, 1.0), words=f"{len(report.sections)} sections")
    assert report is not None
    keep(opened.study, report)


def export_job(say: Say, study: dict[str, str], **asked: Any) -> Made:
    """A path as a moving picture, or items as CSV."""
    opened = Shelf().open(**study)
    if "codes" not in asked:
        return Made(_csv(opened, asked["items"]), "text/csv; charset=utf-8", "items.csv")
    space = opened.space
    frames = tiles(space, space.decode_tensor(opened.codes(asked["codes"])))
    kind = asked["format"]
    if kind == "png":
        return Made(_strip(frames), "image/png", "path.png")
    content = animation(frames, f".{kind}", fps=asked["fps"])
    return Made(content, "video/mp4" if kind == "mp4" else f"image/{kind}", f"path.{kind}")


def _strip(frames: np.ndarray) -> bytes:
    return png(grid(frames, columns=min(len(frames), 16)))


def _csv(opened: Any, items: list[int] | None) -> bytes:
    space, text = opened.space, io.StringIO()
    columns, flat = known_columns(space), space.codes.flat.numpy()
    values = [values_of(space, column) for column in columns]
    rows = range(len(flat)) if items is None else [opened.item(index) for index in items]
    writer = csv.writer(text)
    units = [f"z{unit}" for unit in range(opened.latent)]
    own = ["name"] if space.names else []
    writer.writerow(["item", *own, *(column.name for column in columns), *units])
    for row in rows:
        cells = [_cell(v[row], column.classes) for v, column in zip(values, columns, strict=True)]
        name = [space.names[row]] if space.names else []
        writer.writerow([row, *name, *cells, *(f"{number:.6g}" for number in flat[row])])
    return text.getvalue().encode()


def _cell(value: Any, classes: tuple[str, ...] | None) -> str:
    if classes is not None:
        return classes[value] if 0 <= value < len(classes) else ""
    return "" if np.isnan(value) else f"{value:.6g}"


def _plain(record: Progress) -> dict[str, Any]:
    told: dict[str, Any] = finite(
        {
            "step": record.step,
            "epoch": record.epoch,
            "share": record.share,
            "loss": record.loss,
            "parts": dict(record.parts),
            "seconds": record.seconds,
            "note": record.note,
        }
    )
    return told


JOBS: Mapping[str, Callable[..., Made | None]] = {
    "train": train_job,
    "project": project_job,
    "refit": refit_job,
    "measure": measure_job,
    "export": export_job,
}
