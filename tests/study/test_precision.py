import pytest
import torch
from torch import nn

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
