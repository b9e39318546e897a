"""Usefulness of codes: cases whose answer is known, and pictures against slow literal versions."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from tests.contracts.space import array_space, digits_space, table_space

from zscape.measures.fidelity import psnr, ssim
from zscape.measures.usefulness import calibration, usefulness
from zscape.model.codes import Codes

ROWS = ["codes", "principal components", "data itself", "guess"]
KNN, PROBE, NMI = "k-NN accuracy (k = 5)", "linear probe accuracy", "cluster NMI"


def coded(codes, labels, **changes):
    """A space whose codes are set by hand; its items are those of `array_space`."""
    space = array_space()
    codes = Codes({"z": torch.as_tensor(codes, dtype=torch.float32)})
    kept = torch.arange(len(space.items))
    return dataclasses.replace(space, codes=codes, kept=kept, labels=labels, **changes)


def classes(n=60, k=3):
    return np.arange(n) % k


def test_codes_that_are_the_class():
    labels = classes()
    codes = np.eye(3)[labels] + 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    rows = {row.name: row for row in usefulness(coded(codes, labels))}
    assert list(rows) == ROWS
    for name in (KNN, PROBE, NMI):
        assert rows["codes"][name].value == pytest.approx(1)
        assert rows["data itself"][name].value < 0.8
    assert rows["guess"][KNN].value == pytest.approx(1 / 3, abs=0.04)
    assert rows["guess"][NMI].value == 0


def test_a_plane_is_not_asked_for_what_only_neighbours_know():
    # Two rings: neighbours tell them apart, no plane does.
    labels = classes(60, 2)
    angle = np.random.default_rng(0).uniform(0, 2 * math.pi, 60)
    codes = (1 + 4 * labels)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    row = usefulness(coded(codes, labels))[0]
    assert row[KNN].value > 0.9
    assert row[PROBE].value < 0.8


def test_only_held_out_items_judge():
    labels = classes(60, 2)
    codes = labels[:, None] + 0.01 * np.random.default_rng(0).normal(size=(60, 1))
    held_out = torch.arange(60) >= 40
    wrong = np.where(held_out.numpy(), 1 - labels, labels)
    for given, value in ((labels, 1), (wrong, 0)):
        row = usefulness(coded(codes, given, held_out=held_out))[0]
        assert row[KNN].value == value and row[PROBE].value == value
        # Clusters have no names, so swapped ones are as good.
        assert row[NMI].value == pytest.approx(1)


def test_standard_errors_are_those_of_shares():
    labels = np.random.default_rng(1).permutation(classes(60, 2))
    figure = usefulness(coded(np.random.default_rng(0).normal(size=(60, 2)), labels))[0][KNN]
    share, number = figure.value, 20
    assert figure.error == pytest.approx((share * (1 - share) / (number - 1)) ** 0.5)


def test_labels_of_any_type_and_unknown_ones():
    labels = classes()
    codes = np.eye(3)[labels]
    names = np.array(["a", "b", "c"])[labels]
    by_name = usefulness(coded(codes, None), names)[0]
    assert by_name[KNN].value == 1
    some = labels.astype(float)
    some[::4] = np.nan
    assert usefulness(coded(codes, None), some)[0][KNN].value == 1
    some = np.where(np.arange(60) % 4 == 0, -1, labels)
    assert usefulness(coded(codes, some))[0][KNN].value == 1


@pytest.mark.parametrize(
    "labels",
    [None, np.zeros(60, dtype=int), np.where(np.arange(60) < 9, np.arange(60) % 2, -1)],
    ids=["no labels", "one class", "nine labelled"],
)
def test_undefined_without_classes(labels):
    codes = np.random.default_rng(0).normal(size=(60, 2))
    for row in usefulness(coded(codes, labels)):
        assert {figure.kind for figure in row.figures} == {"undefined"}


def test_few_balanced_examples_work():
    labels = np.where(np.arange(60) < 12, np.arange(60) % 2, -1)
    codes = np.where(labels > 0, 1.0, 0.0)[:, None]
    assert usefulness(coded(codes, labels))[0][KNN].value == 1


def test_a_collapsed_code_is_a_guess():
    labels = np.array([0, 0, 1] * 20)
    codes, *_, guess = usefulness(coded(np.full((60, 2), 0.7), labels))
    for name in (KNN, PROBE, NMI):
        assert codes[name].value == guess[name].value
    assert guess[KNN].value == pytest.approx(2 / 3, abs=0.04)


def test_attributes_are_read_off_by_a_line():
    codes = np.random.default_rng(0).normal(size=(60, 3))
    missing = 2 * codes[:, 0] - codes[:, 1] + 7
    missing[::7] = np.nan
    attributes = {
        "linear": 2 * codes[:, 0] - codes[:, 1] + 7,
        "missing": missing,
        "noise": np.random.default_rng(1).normal(size=60),
        "constant": np.ones(60),
    }
    rows = {row.name: row for row in usefulness(coded(codes, None, attributes=attributes))}
    assert rows["codes"]["R2 of linear"].value == pytest.approx(1, abs=0.01)
    assert rows["codes"]["R2 of missing"].value == pytest.approx(1, abs=0.01)
    assert rows["codes"]["R2 of noise"].value < 0.3
    assert rows["codes"]["R2 of constant"].kind == "undefined"
    assert rows["data itself"]["R2 of linear"].value < 0.5
    assert rows["guess"]["R2 of linear"].value == pytest.approx(0, abs=1e-6)
    assert all(row["R2 of linear"].error is not None for row in rows.values())


@pytest.mark.parametrize("trained", [digits_space, table_space, array_space])
def test_usefulness_of_trained_spaces(trained):
    space = trained()
    before = torch.get_rng_state()
    rows = usefulness(space)
    assert torch.equal(torch.get_rng_state(), before)
    assert rows == usefulness(space)
    assert [row.name for row in rows] == ROWS
    names = [[figure.name for figure in row.figures] for row in rows]
    assert all(row == names[0] for row in names)
    known = [figure for figure in rows[0].figures if figure.value is not None]
    assert bool(known) == (space.labels is not None)
    if trained is digits_space:
        assert names[0][-2:] == ["PSNR", "SSIM (7x7 window)"]
        assert rows[2][KNN].value > 0.85
        assert rows[1]["PSNR"].value > rows[3]["PSNR"].value


def test_psnr_of_a_known_error():
    x = torch.full((4, 1, 5, 5), 0.5)
    assert psnr(x, x + 0.1).value == pytest.approx(20, abs=1e-4)
    assert psnr(x, x).value == pytest.approx(100)
    both = psnr(x, x + torch.tensor([0.1, 0.1, 0.01, 0.01]).view(4, 1, 1, 1))
    assert both.value == pytest.approx(30, abs=1e-3)
    assert both.error == pytest.approx(10 / 3**0.5, rel=1e-4)


def literal_ssim(x, y, size):
    """Window by window and pixel by pixel, from the paper's equations 13 to 16."""
    half = size // 2
    offsets = range(-half, half + 1)
    weights = {(a, b): math.exp(-(a * a + b * b) / (2 * 1.5**2)) for a in offsets for b in offsets}
    total = sum(weights.values())
    height, width = x.shape
    found = []
    for row in range(half, height - half):
        for column in range(half, width - half):
            window = [
                (w / total, x[row + a, column + b], y[row + a, column + b])
                for (a, b), w in weights.items()
            ]
            mean_x = sum(w * p for w, p, _ in window)
            mean_y = sum(w * q for w, _, q in window)
            var_x = sum(w * (p - mean_x) ** 2 for w, p, _ in window)
            var_y = sum(w * (q - mean_y) ** 2 for w, _, q in window)
            both = sum(w * (p - mean_x) * (q - mean_y) for w, p, q in window)
            light = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
            found.append(light * (2 * both + 9e-4) / (var_x + var_y + 9e-4))
    return np.mean(found)


@pytest.mark.parametrize(("height", "width", "size"), [(14, 13, 11), (8, 8, 7), (11, 6, 5)])
def test_ssim_against_a_literal_version(height, width, size):
    x = torch.rand(2, 2, height, width).double()
    y = (x + 0.2 * torch.randn_like(x)).clamp(0, 1)
    expected = np.mean(
        [
            literal_ssim(a.numpy(), b.numpy(), size)
            for a, b in zip(x.flatten(0, 1), y.flatten(0, 1), strict=True)
        ]
    )
    figure = ssim(x, y)
    assert figure.value == pytest.approx(expected, abs=1e-9)
    assert figure.name == ("SSIM" if size == 11 else f"SSIM ({size}x{size} window)")
    assert ssim(x, x).value == pytest.approx(1)


def test_similarity_of_nothing_is_undefined():
    none = torch.zeros(0, 1, 12, 12)
    assert psnr(none, none).kind == "undefined" and ssim(none, none).kind == "undefined"


def test_p_values_by_hand():
    fitted = torch.tensor([1.0, 2.0, 3.0, 4.0])
    # p = 1/5, 2/5 (a tie counts), 5/5.
    held_out = torch.tensor([9.0, 4.0, 0.0])
    shares = calibration(fitted, held_out, levels=(0.1, 0.2, 0.5))
    assert [figure.value for figure in shares[:3]] == pytest.approx([0, 1 / 3, 2 / 3])
    off = (abs(0.2 - 1 / 6) + abs(0.4 - 0.5) + abs(1 - 5 / 6)) / 3
    assert shares[3].value == pytest.approx(off)
    # The distribution function is 2/3 from 0.4 on, up to 1.
    assert shares[4].value == pytest.approx(1 / 3)


def test_calibrated_scores_and_others():
    good = calibration(torch.randn(2000), torch.randn(1000))
    for figure, level in zip(good, (0.01, 0.05, 0.1), strict=False):
        assert abs(figure.value - level) < 4 * figure.error + 0.01
    bad = calibration(torch.randn(2000), 1.5 * torch.randn(1000) + 0.5)
    assert bad[1].value > 0.15
    assert good[4].value < 0.06 < bad[4].value
    assert good[3].value < bad[3].value - 5 * bad[3].error
    assert all(figure.error is not None for figure in (*good, *bad))
