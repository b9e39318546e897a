import pytest
import torch
from torch import nn

from zscape.study.run import foresee, prepare
from zscape.study.training.beginning import WIDE, resolve_precision

SMALL = nn.Sequential(nn.Linear(20, 64), nn.ReLU())
LARGE = nn.Sequential(nn.Linear(WIDE // 128, 128))
PICTURES = nn.Sequential(nn.Conv2d(1, 4, 3))


@pytest.mark.parametrize(
    ("model", "device", "has_it", "chosen"),
    [
        (SMALL, "cpu", True, "float32"),
        (LARGE, "cpu", True, "bfloat16"),
        (PICTURES, "cpu", True, "bfloat16"),
        (LARGE, "cpu", False, "float32"),
        (PICTURES, "cpu", False, "float32"),
        (PICTURES, "cuda", False, "bfloat16"),
    ],
)
def test_auto_is_what_the_processor_has_and_the_network_gains_from(
    model, device, has_it, chosen, monkeypatch
):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_it)
    assert resolve_precision("auto", model, device) == chosen
    assert resolve_precision("float32", model, device) == "float32"
    assert resolve_precision("bfloat16", model, device) == "bfloat16"


@pytest.mark.parametrize(
    ("precision", "has_it"), [("bfloat16", False), ("float32", False), ("bfloat16", True)]
)
def test_a_precision_that_is_imitated_is_warned_of(precision, has_it, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_it)
    study = prepare(torch.rand(40, 5), out=tmp_path / "s", epochs=1, precision=precision)
    warned = any("imitates" in note for note in foresee(study))
    assert warned == (precision == "bfloat16" and not has_it)
