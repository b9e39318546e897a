import math

import torch

from zscape.networks import encoder
from zscape.networks.cells import Cells

COLUMNS = (("gaussian", 1), ("categorical", 3), ("poisson", 1), ("bernoulli", 1))
NAN = math.nan


def test_cells_become_numbers_logarithms_classes_and_missing_bits():
    cells = Cells(COLUMNS)
    features = cells(torch.tensor([[-1.5, 2.0, 7.0, 1.0], [NAN, NAN, NAN, NAN]]))
    known = [-1.5, 1.0, math.log(8.0), 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    missing = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    torch.testing.assert_close(features, torch.tensor([known, missing]))
    assert cells.features == features.shape[-1] == 10


def test_cells_take_any_leading_dimensions_and_any_mixture():
    for columns in (COLUMNS, COLUMNS[:1], COLUMNS[1:2], COLUMNS[2:3]):
        cells = Cells(columns)
        rows = torch.ones(2, 3, len(columns))
        assert cells(rows).shape == (2, 3, cells.features)
        assert cells(rows[0, 0]).shape == (cells.features,)


def test_missing_cells_leak_no_nan_into_features_or_gradients():
    torch.manual_seed(0)
    network = encoder("mlp:8", (4,), columns=COLUMNS)
    x = torch.tensor([[NAN, 1.0, NAN, 0.0], [0.5, NAN, 3.0, NAN]], requires_grad=True)
    h = network(x)
    assert h.isfinite().all()
    h.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    assert x.grad.isfinite().all()
    assert (x.grad[x.isnan()] == 0).all()


def test_missing_differs_from_zero():
    torch.manual_seed(0)
    network = encoder("mlp:8", (4,), columns=COLUMNS)
    zeros, missing = torch.zeros(1, 4), torch.tensor([[NAN, 0.0, 0.0, 0.0]])
    assert not torch.equal(network(zeros), network(missing))


def test_cells_keep_nothing_in_the_stored_weights():
    assert list(Cells(COLUMNS).state_dict()) == []


def test_counts_enter_by_their_logarithm():
    torch.manual_seed(0)
    raw = encoder("mlp:8", (5,))
    counts = encoder("mlp:8", (5,), counts=True)
    counts.load_state_dict(raw.state_dict())
    x = torch.tensor([[0.0, 1.0, 10.0, 1000.0, 1e6]])
    torch.testing.assert_close(counts(x), raw(x.log1p()))
