import importlib.util
from pathlib import Path

import pytest
import torch

_SPEC = importlib.util.spec_from_file_location("network", Path(__file__).with_name("network.py"))
contract = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(contract)

ROWS = [(1,), (7,), (300,)]
PICTURES = [(1, 28, 28), (3, 33, 47), (1, 5, 7), (2, 1, 1), (1, 1, 40), (3, 64, 64)]
MEMBERS = [
    *(("mlp", shape) for shape in (*ROWS, *PICTURES)),
    *(("mlp:40", shape) for shape in (*ROWS, (3, 33, 47))),
    *(("mlp:20,10", shape) for shape in (*ROWS, (3, 33, 47))),
    *(("skip:20,10", shape) for shape in (*ROWS, (3, 33, 47))),
    *(("conv", shape) for shape in PICTURES),
    *(("conv:8", shape) for shape in ((1, 28, 28), (3, 109, 89))),
    *(("conv:8,8,16", shape) for shape in PICTURES),
    *(("residual:8", shape) for shape in (*PICTURES, (3, 109, 89))),
    *(("residual:8,16", shape) for shape in PICTURES),
    *(("coordinate:8,16", shape) for shape in PICTURES),
    ("coordinate", (1, 28, 28)),
]


@pytest.mark.parametrize(("word", "shape"), MEMBERS)
def test_network_keeps_its_contract(word, shape):
    torch.manual_seed(0)
    for check in contract.checks_for(word, shape):
        check()
