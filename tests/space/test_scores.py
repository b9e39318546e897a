"""Scores: closed forms of a linear-Gaussian space, alarms, blame, and every kind of study.

In x = W z + s e with orthogonal columns of W the posterior is diagonal and known, and so is log p.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.contracts.space import array_space, digits_space, ladder_space, table_space
from torch import nn

from zscape.errors import DataError, ShapeError, SpecError
from zscape.modalities.array import Array
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard
from zscape.space.beside import MEANINGS
from zscape.space.explanations import explain, reason_of
from zscape.space.likeness import likeness, mean_distances, soft
from zscape.space.scores import score, scoring
from zscape.space.space import Space, encode_stored

SIZE, LATENT, SIGMA = 6, 2, 0.5
WEIGHT = torch.tensor(
    [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.5, 1.5, -1.5]]
)  # orthogonal rows: what columns say of each other


def drawn(n, seed):
    g = torch.Generator().manual_seed(seed)
    z, noise = torch.randn(n, LATENT, generator=g), torch.randn(n, SIZE, generator=g)
    return (z @ WEIGHT + SIGMA * noise).numpy()


@pytest.fixture(scope="module")
def space():
    """A space whose model is the truth."""
    q = Gaussian(SIZE, LATENT)
    decoder = Decoder(nn.Linear(LATENT, SIZE), GaussianLikelihood((SIZE,), scale=SIGMA))
    model = Model(nn.Identity(), [Flat("z", prior=Standard(LATENT), posterior=q)], decoder)
    precision = WEIGHT.square().sum(1) + SIGMA**2
    variance = SIGMA**2 / precision
    with torch.no_grad():
        decoder.network.weight.copy_(WEIGHT.T)
        decoder.network.bias.zero_()
        for layer in q.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.copy_(torch.cat([WEIGHT / precision[:, None], torch.zeros(2, SIZE)]))
                layer.bias.copy_(torch.cat([torch.zeros(2), variance.log()]))
    ones = (1.0,) * SIZE
    modality = Array((SIZE,), "real", "float32", (0.0,) * SIZE, ones, num_examples=2000)
    items = modality.encode(drawn(2000, 0))
    return Space(
        model=model.eval(),
        modality=modality,
        codes=encode_stored(model, modality, items),
        items=items,
        kept=torch.arange(2000),
        held_out=torch.arange(2000) % 2 == 0,
    )


def test_the_likelihood_is_the_known_one(space):
    x = drawn(40, 1)
    covariance = WEIGHT.T @ WEIGHT + SIGMA**2 * torch.eye(SIZE)
    truth = torch.distributions.MultivariateNormal(torch.zeros(SIZE), covariance)
    wanted = -truth.log_prob(torch.from_numpy(x)).double()
    found = score(space, x, parts=["likelihood"], draws=4)
    torch.testing.assert_close(found["likelihood"].values, wanted, atol=0.02, rtol=0.002)


def test_reconstruction_and_rate_are_the_known_ones(space):
    x = torch.from_numpy(drawn(10, 2))
    precision = WEIGHT.square().sum(1) + SIGMA**2
    mean, variance = x @ WEIGHT.T / precision, SIGMA**2 / precision
    nats = 0.5 * (mean.square() + variance - 1 - variance.log()).sum(1)
    left = (x - mean @ WEIGHT).square().sum(1) / SIGMA**2 / 2
    left = left + SIZE * np.log(SIGMA * np.sqrt(2 * np.pi))
    found = score(space, x.numpy(), parts=["reconstruction", "rate"])
    torch.testing.assert_close(found["rate"].values, nats.double(), atol=0.02, rtol=0)
    torch.testing.assert_close(found["reconstruction"].values, left.double(), atol=1e-3, rtol=1e-3)
    assert found["rate"].kind == "exact" and found["rate"].unit == "nats"


def test_the_density_is_that_of_the_codes(space):
    x = drawn(200, 3)
    found = score(space, x, parts=["density"])["density"].values
    codes = space.encode(x).flat
    spread = space.codes.flat.std(0)
    wanted = -torch.distributions.Normal(0.0, spread).log_prob(codes).sum(1).double()
    assert (found - wanted).abs().mean() < 0.15


def test_alarms_on_normals_are_as_many_as_asked_for(space):
    normals = drawn(2000, 4)
    for threshold in (0.01, 0.05, 0.2):
        found = score(space, normals, threshold=threshold)
        assert found.flagged.double().mean().item() == pytest.approx(threshold, rel=0.4)
        assert found.false_alarms / found.normals == pytest.approx(threshold, rel=0.4)
    for part in found.parts.values():
        assert (part.p <= 0.1).double().mean().item() == pytest.approx(0.1, abs=0.03), part.name


def test_spaces_with_other_folds_make_every_normal_count(space):
    folds = [replace(space, held_out=torch.arange(2000) % 4 == k) for k in range(4)]
    found = score(folds, drawn(2000, 8), threshold=0.05, parts=["code_neighbours", "rate"])
    assert found.normals == 2000 and score(folds[0], drawn(5, 8)).normals == 500
    assert found.flagged.double().mean().item() == pytest.approx(0.05, rel=0.4)
    with pytest.raises(SpecError, match="must be trained on the same data"):
        score([space, replace(space, items=space.items + 1)], drawn(5, 8))
    with pytest.raises(SpecError, match="at least one space, got none"):
        score([], drawn(5, 8))


def test_what_breaks_the_dependence_is_flagged_and_named(space):
    x = drawn(20, 5)
    x[:, 4] = -x[:, 3] - 3 * np.sign(x[:, 3])
    assert score(space, x).flagged.double().mean() > 0.9
    x = np.zeros((1, SIZE), dtype=np.float32)
    x[0, :3] = 1.2, -1.6, 1.2  # two agree, the one in the middle does not
    found = explain(space, x)
    assert found.blames[0].name == "column 1" and found.blames[0].nats > 5
    assert found.blames[0].came == "-1.6" and float(found.blames[0].expected) > 0.7
    assert str(found).startswith("column 1 is -1.6 where ")
    # With that cell mended nothing else is strange.
    assert all(blame.nats < 1 for blame in found.blames[1:])


def test_a_thing_scores_the_same_in_any_company(space):
    x = drawn(300, 6)
    together, alone = score(space, x), score(space, x[7:8])
    for name, part in together.parts.items():
        if name != "likelihood":  # which is drawn
            assert part.values[7] == pytest.approx(alone[name].values[0].item(), rel=1e-4), name


def test_own_items_are_no_neighbours_of_themselves(space):
    own, others = score(space), score(space, space.modality.decode(space.items))
    assert (own["neighbours"].values > others["neighbours"].values).all()
    assert own.flagged.double().mean().item() == pytest.approx(0.01, abs=0.01)
    assert any("trained the model" in note for note in own.notes)


def test_codes_that_are_points_have_no_rate_and_say_so():
    found = score(digits_space("ae"))
    assert "rate" not in found.parts and "likelihood" not in found.parts
    assert any("undefined" in note for note in found.notes)
    with pytest.raises(SpecError, match="A rate must be of a model whose code is drawn"):
        score(digits_space("ae"), parts=["rate"])


@pytest.mark.parametrize("make", [digits_space, ladder_space, table_space, array_space])
def test_every_kind_of_study_scores_and_explains(make):
    some = make()
    found = score(some, some.modality.decode(some.modality.prepare(some.items[:20])))
    assert all(part.values.isfinite().all() for part in found.parts.values())
    assert (found.p > 0).all() and (found.p <= 1).all() and len(found) == 20
    assert any("seen in training" in note for note in found.notes)
    why = explain(some, 0)
    assert (why.heat is None) == (len(some.modality.shape) == 1)
    assert why.heat is None or why.heat.shape == some.modality.shape[-2:]


def test_a_patch_on_a_picture_is_where_the_heat_is():
    some = digits_space()
    picture = some.modality.decode(some.modality.prepare(some.items[:1]))
    picture[0, :3, :3] = 255 - picture[0, :3, :3]
    why = explain(some, picture)
    assert why.blames[0].name == "the upper left"
    assert why.heat.argmax() % why.heat.shape[1] < 4 and why.heat.argmax() // why.heat.shape[1] < 4


def test_an_unseen_mixture_of_cells_is_named_in_the_persons_words():
    rng = np.random.default_rng(0)
    some = table_space()
    row = pd.DataFrame(
        {
            "size": [2.0],
            "<img src=x onerror=alert(1)>": [4.0],
            "kind": ["<script>alert(2)</script>"],
            "visits": [int(40 + rng.integers(5))],
        }
    )
    why = explain(some, row)
    assert why.blames[0].name == "visits" and why.blames[0].came == str(row["visits"][0])
    assert int(why.blames[0].expected) < 10


def test_a_category_that_training_never_saw_is_the_reason():
    some = table_space()
    rows = some.modality.decode(some.modality.prepare(some.items[:20]))
    plain, kinds = score(some, rows), rows["kind"].astype(object)
    kinds.iloc[7] = "Atlantis"
    found = score(some, rows.assign(kind=kinds))
    assert found.flagged[7] and found.p.argmin() == 7 and found.p[7] > 0
    assert dict(found.unseen) == {7: [("kind", "Atlantis")]}
    others = torch.arange(20) != 7
    torch.testing.assert_close(found.surprise[others], plain.surprise[others])
    why = explain(some, rows.assign(kind=kinds).iloc[7:8])
    assert str(why).startswith("kind: 'Atlantis' was never seen in training")
    with pytest.raises(DataError, match="of a category that training did not see"):
        some.encode(rows.assign(kind=kinds))


def test_it_repeats_leaves_randomness_alone_and_tells_how_far_it_is(space):
    before = torch.get_rng_state()
    first = score(space, drawn(5, 7))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.surprise, score(space, drawn(5, 7)).surprise)
    steps = list(scoring(space, drawn(5, 7)))
    assert [s.share for s in steps] == sorted(s.share for s in steps) and steps[-1].share == 1
    assert repr(first).startswith("Scores(") and first["rate"].p.shape == (5,)


def test_a_move_by_a_pixel_is_near_and_fainter_ink_nearer():
    some = digits_space()
    alike, x = likeness(some), some.modality.prepare(some.items[:40])
    bank = alike.points(x)

    def far(queries):
        own = torch.arange(len(x))
        return next(mean_distances(bank, queries)), next(mean_distances(bank, queries, own=own))

    still, _ = far([alike.points(0.4 * x)])
    torch.testing.assert_close(still, far([bank])[0], atol=1e-3, rtol=0)
    moved, plain = x.roll(1, 3), alike.points(x.roll(1, 3))
    assert (far(alike.moved(moved))[0] <= far([plain])[0] + 1e-6).all()
    assert far(alike.moved(moved))[0].mean() < 0.6 * far([plain])[0].mean()
    assert (far([bank])[1] > far([bank])[0]).all()  # itself left out


def test_points_keep_the_distances_of_blurred_pictures_of_unit_length():
    some = digits_space()
    x = some.modality.prepare(some.items)
    near = torch.cdist(likeness(some).points(x), likeness(some).points(x))
    torch.testing.assert_close(near, torch.cdist(soft(x), soft(x)), atol=2e-2, rtol=0)


def test_mistakes_are_told_in_a_sentence(space):
    with pytest.raises(SpecError, match="Did you mean 'rate'"):
        score(space, drawn(5, 0), parts=["rat"])
    with pytest.raises(DataError, match="at least one, got none"):
        score(space, drawn(5, 0)[:0])
    with pytest.raises(ShapeError, match="trained on 6 numbers"):
        score(space, drawn(5, 0)[:, :4])
    with pytest.raises(SpecError, match="draws must be at least 1"):
        score(space, drawn(5, 0), draws=0)
    with pytest.raises(ShapeError, match="One thing is needed"):
        explain(space, drawn(2, 0))
    few = replace(space, items=space.items[:4], kept=torch.arange(4), held_out=None)
    with pytest.raises(DataError, match="at least 5 normal things, got 4"):
        score(few, drawn(5, 0))


def test_a_reason_says_first_which_score_leads_and_how_sure_it_is(space):
    x = drawn(20, 5)
    x[:, 4] = -x[:, 3] - 3 * np.sign(x[:, 3])
    found = score(space, x)
    led = found.lead(2)
    assert led.name == found.leading[2] and led.surprise[2] == max(
        part.surprise[2] for part in found.parts.values() if part.combined
    )
    assert led.normals == 1000 and found["neighbours"].normals == 2000  # held out, and all
    told = reason_of(led.name, led.p_words(2), explain(space, x[2:3]))
    assert told.startswith(f"{MEANINGS[led.name][1]} (by itself p ")
    assert "); costly to the model: column" in told  # which that score does not measure
    of_costs = reason_of("reconstruction", "0.02", explain(space, x[2:3]))
    assert "(by itself p 0.02): column" in of_costs
