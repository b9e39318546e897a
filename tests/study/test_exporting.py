"""Exported halves say what the space says, in the program that runs them."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from zscape.errors import SpecError
from zscape.space.halves import halves
from zscape.study.exporting import export
from zscape.study.plain import plain_files
from zscape.study.run import fit

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)
PICTURES = (RANDOM.random((40, 12, 12)) * 255).astype("uint8")
LABELS = np.arange(40) % 3
ROWS = pd.DataFrame({"a": RANDOM.normal(size=60), "n": RANDOM.poisson(3, 60)})
ROWS["kind"], ROWS["true"] = RANDOM.choice(["x", "y", "z"], 60), RANDOM.random(60) > 0.5
ROWS.loc[3, "a"] = np.nan


def spaced(recipe, data=PICTURES, **options):
    labels = LABELS if data is PICTURES else None
    return fit(data, labels=labels, recipe=recipe, epochs=1, seed=0, **options)


def loaded(files, folder, name):
    """The module of a plain file, which is written out first."""
    for file, content in files.items():
        (folder / file).write_bytes(content)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("vae", {"network": "conv"}),
        ("ladder_vae", {"network": "tiny", "likelihood": "discretized_logistic"}),
        ("vq_vae", {}),
        ("flow_vae", {"network": "mlp:16"}),
    ],
)
def test_plain_files_of_pictures_say_the_same_for_any_number(recipe, options, tmp_path):
    space = spaced(recipe, **options)
    x = space.modality.prepare(space.items[:5])
    for half, call in zip(halves(space), ("encode", "decode"), strict=True):
        files = plain_files(half, about="", shapes="")
        module = loaded(files, tmp_path, half.name)
        if call == "encode":
            codes = module.encode(x)
            wanted = space.encode(space.modality.decode(x)).flat
            torch.testing.assert_close(codes, wanted, atol=1e-5, rtol=1e-5)
            assert not any(name.startswith("decoder") for name in module.WEIGHTS)
        else:
            for rows in (1, 2, 5):
                wanted = space.decode_tensor(codes[:rows])
                made = module.decode(codes[:rows])
                torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-5)


def test_plain_files_of_sessions_say_the_same_for_any_number(tmp_path):
    sessions = [["a", "b", *["c"] * (n % 3), "d"] for n in range(40)]
    space = spaced("vae", sessions, latent=2, network="mlp:8")
    _, decoder = halves(space)
    module = loaded(plain_files(decoder, about="", shapes=""), tmp_path, "decoder")
    for rows in (1, 3):
        codes = space.codes.flat[:rows]
        torch.testing.assert_close(module.decode(codes), space.decode_tensor(codes))


def test_plain_files_of_rows_take_missing_cells(tmp_path):
    space = spaced("vae", ROWS, latent=3)
    x = space.modality.prepare(space.items[:5])
    assert x.isnan().any()
    encoder, decoder = halves(space)
    codes = loaded(plain_files(encoder, about="", shapes=""), tmp_path, "encoder").encode(x)
    torch.testing.assert_close(codes, space.codes.flat[:5], atol=1e-5, rtol=1e-5)
    made = loaded(plain_files(decoder, about="", shapes=""), tmp_path, "decoder").decode(codes)
    torch.testing.assert_close(made, space.decode_tensor(codes), atol=1e-5, rtol=1e-5)


def test_what_is_asked_is_held(tmp_path):
    space = spaced("conditional_vae")
    files = [
        plain_files(halves(space, where={"label": name})[1], about="", shapes="")
        for name in ("0", "2")
    ]
    decoders = [loaded(some, tmp_path, "decoder") for some in files]
    codes = space.codes.flat[:4]
    for decoder, name in zip(decoders, ("0", "2"), strict=True):
        wanted = space.decode_tensor(codes, where={"label": name})
        torch.testing.assert_close(decoder.decode(codes), wanted, atol=1e-5, rtol=1e-5)
    with pytest.raises(SpecError, match="told of conditions"):
        halves(spaced("ae"), where={"label": "0"})


def test_a_plain_file_runs_alone_and_notices_other_weights(tmp_path):
    space = spaced("vae", network="mlp:16", latent=3)
    done = export(space, tmp_path / "out", format="torch")
    assert [path.name for path in done.files][2:] == ["decoder.py", "decoder.safetensors"]
    assert all(largest <= 1e-5 for largest in done.differences.values())
    words = [sys.executable, "-I", str(tmp_path / "out" / "decoder.py")]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "largest difference from the study" in ran.stdout, ran.stderr
    weights = tmp_path / "out" / "decoder.safetensors"
    content = bytearray(weights.read_bytes())
    at = content.index(b'"decoder.') and len(content) // 2
    content[at : at + 64] = np.full(16, 0.5, np.float32).tobytes()
    weights.write_bytes(content)
    assert subprocess.run(words, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("data", [PICTURES, ROWS], ids=["pictures", "rows"])
def test_onnx_says_the_same_for_any_number_and_tells_its_shapes(data, tmp_path):
    onnx = pytest.importorskip("onnx", exc_type=ImportError)
    runtime = pytest.importorskip("onnxruntime", exc_type=ImportError)
    space = spaced("vae", data, latent=3)
    done = export(space, tmp_path / "it.onnx")
    names = [path.name for path in done.files]
    assert names == ["it-encoder.onnx", "it-decoder.onnx"]
    proto = onnx.load(done.files[0])
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert told["half"] == "encoder" and "`code` [N, 3]" in told["shapes"]
    assert json.loads(told["modality"])["num_examples"] == len(data)
    x = space.modality.prepare(space.items[:5])
    encoder, decoder = (runtime.InferenceSession(str(path)) for path in done.files)
    (codes,) = encoder.run(None, {"x": x.numpy()})
    np.testing.assert_allclose(codes, space.codes.flat[:5].numpy(), atol=1e-5)
    (made,) = decoder.run(None, {"code": codes})
    np.testing.assert_allclose(made, space.decode_tensor(codes).numpy(), atol=1e-5)


def test_a_format_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(SpecError, match="Unknown format 'onxx'"):
        export(spaced("ae", latent=2), tmp_path, format="onxx")
    with pytest.raises(SpecError, match="pixel after pixel"):
        export(spaced("pixel_vae", latent=2, width=8), tmp_path)
    assert not any(tmp_path.iterdir())
