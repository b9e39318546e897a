"""A space written for programs that know no zscape: ONNX files, or plain PyTorch."""

import json
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zscape import __version__
from zscape.errors import SpecError, unknown
from zscape.modalities import Modality
from zscape.modalities.array import Array
from zscape.modalities.extras import optional
from zscape.modalities.image import Image
from zscape.modalities.table import Table
from zscape.space.halves import Half, halves
from zscape.space.space import Space, Where
from zscape.study.plain import ENOUGH, plain_files
from zscape.study.storage.folder import write_file
from zscape.study.study import modality_record

FORMATS = ("onnx", "torch")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how exactly it says what the study says.

    Attributes:
        files: their paths.
        differences: the largest difference of each half's output from what the space says of the
            same real examples, measured in the program that will run it.
        spreads: standard deviation of each half's output, which its difference is set beside.
        examples: how many they were compared on.
    """

    files: tuple[Path, ...]
    differences: Mapping[str, float]
    spreads: Mapping[str, float]
    examples: int


def export(space: Space, out: str | Path, *, format: str = "onnx", where: Where = None) -> Exported:
    """Writes the encoder and the decoder of a space for programs that know no zscape.

    "onnx": `encoder.onnx` and `decoder.onnx`, for any number of rows, with what goes in and out
    in their metadata. "torch": `encoder.py` and `decoder.py`, which need torch alone, and their
    weights. Each is run on real examples, where it will be run, and refused if it says another
    thing than the space. The encoder gives the centres of the posteriors, the decoder the mean.

    Args:
        space: a space.
        out: a folder; for "onnx" also the beginning of both names, as `faces.onnx`.
        format: "onnx" or "torch".
        where: what is known of all things, as of `sample`; both halves then hold it.

    Raises:
        SpecError: an unknown format, or a model that cannot be exported.
        DataError: a package is missing.
        StorageError: the disk is full or refuses.
    """
    if format not in FORMATS:
        raise unknown("format", format, list(FORMATS))
    folder, stem = Path(out), ""
    if folder.suffix == ".onnx":
        folder, stem = folder.parent, f"{folder.stem}-"
    both = halves(space, where=where)
    if format == "onnx":
        files = {f"{stem}{half.name}.onnx": _onnx(half, space) for half in both}
        found = [_run_onnx(*pair) for pair in zip(files.values(), both, strict=True)]
    else:
        files = {}
        for half in both:
            files |= plain_files(half, about=_about(half), shapes=_shapes(half, space))
        found = _run_plain(files, both)
    differences = {}
    for half, output in zip(both, found, strict=True):
        differences[half.name] = _difference(output, half)
    for name, content in files.items():
        write_file(folder / name, content)
    spreads = {half.name: half.spread for half in both}
    written = tuple(folder / name for name in files)
    return Exported(written, differences, spreads, len(both[0].given))


def _onnx(half: Half, space: Space) -> bytes:
    """The half as an ONNX file, `[batch, ...]` to `[batch, ...]`."""
    for package in ("onnx", "onnxscript"):
        optional(package, "onnx")
    given, made = _names(half)
    log = logging.getLogger("torch.onnx")
    level = log.level
    try:
        log.setLevel(logging.ERROR)  # else it tells of every package that it could use and lacks
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                half.program,
                dynamo=True,
                input_names=[given],
                output_names=[made],
                verbose=False,
            )
    except Exception as error:
        raise SpecError(
            f"A model that is exported to ONNX must be made of operations that ONNX has, and the "
            f"{half.name} of this one is not ({type(error).__name__}). Take --format torch."
        ) from error
    finally:
        log.setLevel(level)
    assert program is not None
    proto = program.model_proto
    _name_rows(proto.graph)
    for key, value in _metadata(half, space).items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = proto.SerializeToString()
    return content


def _name_rows(graph: Any) -> None:
    """Calls the number of rows `batch` wherever it stands."""
    symbol = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == symbol:
                dim.dim_param = "batch"


def _run_onnx(content: bytes, half: Half) -> np.ndarray:
    runtime = optional("onnxruntime", "onnx")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given, _ = _names(half)
    found: np.ndarray = session.run(None, {given: half.given.numpy()})[0]
    return found


def _run_plain(files: Mapping[str, bytes], both: Sequence[Half]) -> list[np.ndarray]:
    """What the files make of the examples, in a process of its own that knows no zscape."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        for half in both:
            np.save(folder / f"{half.name}-given.npy", half.given.numpy())
        words = [sys.executable, "-c", _CHILD, str(folder), *(half.name for half in both)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            raise SpecError(
                f"An exported file must run where torch is, and this one does not ({last[:200]}). "
                "Export to onnx, or a study of another recipe."
            )
        return [np.load(folder / f"{half.name}-made.npy", allow_pickle=False) for half in both]


_CHILD = """
import sys
folder, *names = sys.argv[1:]
sys.path[:0] = [folder]
import importlib, numpy, torch
for name in names:
    call = getattr(importlib.import_module(name), "encode" if name == "encoder" else "decode")
    given = torch.from_numpy(numpy.load(f"{folder}/{name}-given.npy"))
    numpy.save(f"{folder}/{name}-made.npy", call(given).numpy())
assert "zscape" not in sys.modules
"""


def _difference(found: np.ndarray, half: Half) -> float:
    """The largest difference from what the space says.

    Raises:
        SpecError: it is more than a ten thousandth of the spread.
    """
    largest = float(np.nan_to_num(np.abs(found - half.wanted.numpy())).max())
    if largest > ENOUGH * half.spread:
        raise SpecError(
            f"An exported {half.name} must say what the study says, and differs by {largest:.2g} "
            f"where values spread by {half.spread:.2g}. Take the other format, or report it."
        )
    return largest


def _names(half: Half) -> tuple[str, str]:
    return ("x", "code") if half.name == "encoder" else ("code", "x")


def _about(half: Half) -> str:
    way = "things to codes" if half.name == "encoder" else "codes to things"
    return f"The {half.name} of a zscape study, in plain PyTorch: {way}."


def _shapes(half: Half, space: Space) -> str:
    """What goes in and comes out, with units, in a line."""
    shape = ", ".join(map(str, ("N", *space.modality.shape)))
    things, code = f"`x` [{shape}], {_unit(space.modality)}", f"`code` [N, {_latent(space)}]"
    if half.name == "encoder":
        return f"{things}, to {code}, the centres of the posteriors."
    return f"{code} to {things}, the likelihood's mean."


def _metadata(half: Half, space: Space) -> dict[str, str]:
    levels = {name: list(tensor.shape[1:]) for name, tensor in space.codes.tensors.items()}
    return {
        "zscape": __version__,
        "half": half.name,
        "shapes": _shapes(half, space),
        "levels": json.dumps(levels),
        "modality": json.dumps(modality_record(space.modality), default=str),
    }


def _latent(space: Space) -> int:
    return space.codes.flat.shape[1]


def _unit(modality: Modality) -> str:
    """What the numbers are that a model sees."""
    if isinstance(modality, Image):
        return "channels, height and width, 0 black to 1 white"
    if isinstance(modality, Table):
        return (
            "rows of the modelled columns: numbers in standard deviations from the mean, counts, "
            "truths 0 or 1, classes by number, nan where a cell is missing"
        )
    if isinstance(modality, Array) and modality.holds == "real":
        return "numbers in standard deviations from the mean of their dimension"
    return "numbers as they are"
