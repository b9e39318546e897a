import math

import pytest
import torch
from torch import nn

from zscape.errors import DivergedError, SpecError
from zscape.measures.likelihood import active_units
from zscape.model.batch import joined
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.objective.objective import Objective, Reconstruction, Sum, Turn
from zscape.objective.rate import Rate
from zscape.objective.steering import Geco, Steered, tell_beta
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.posteriors import Gaussian, Point
from zscape.probability.priors import Standard
from zscape.study.training.averaging import CLOSELY, EVERY, Average
from zscape.study.training.batches import Batches, InOrder
from zscape.study.training.fitting import fit
from zscape.study.training.running import LOG_EVERY
from zscape.study.training.validating import measure


def model(posterior=Gaussian):
    torch.manual_seed(3)
    level = Flat("z", prior=Standard(2), posterior=posterior(8, 2))
    encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    return Model(encoder, [level], Decoder(nn.Linear(2, 4), GaussianLikelihood((4,))))


def data(n=320):
    return torch.randn(n, 2) @ torch.randn(2, 4)


VAE = Sum(Reconstruction(), Rate())


def weights(trained):
    return torch.cat([p.detach().flatten() for p in trained.parameters()])


def run(trained, x, **options):
    options = {"epochs": 3, **options}
    return list(fit(trained, VAE, Batches(x, size=32, prepare=lambda b: b), **options))


def test_the_same_seed_gives_the_same_weights():
    x, runs = data(), []
    for _ in range(2):
        trained = model()
        torch.manual_seed(5)
        run(trained, x)
        runs.append(weights(trained))
    assert torch.equal(*runs)


def test_records_say_what_happened():
    x = data()
    records = run(model(), x, epochs=12, validation=InOrder(x, prepare=lambda b: b))
    logged = [record for record in records if record.step % LOG_EVERY == 0]
    assert logged
    assert [r.epoch for r in records if "validation_elbo" in r.parts] == list(range(1, 13))
    last = records[-1]
    assert last.step == 120
    assert last.share == 1.0
    assert last.parts["elbo"] == pytest.approx(-last.parts["distortion"] - last.parts["rate"])
    assert 0 <= last.parts["active"] <= 2
    each = [last.parts[f"validation_rate_unit_{unit}"] for unit in range(2)]
    assert sum(each) == pytest.approx(last.parts["validation_rate"], abs=1e-4)
    assert all(math.isfinite(record.loss) for record in records)


def test_a_unit_that_costs_and_tells_nothing_is_not_active():
    trained, x = model(), data(64)
    for seen, count in ((0.0, 0), (1.0, 2)):
        with torch.no_grad():
            trained.encoder[0].weight.fill_(seen)
            trained.levels[0].posterior.linear.bias.fill_(0.5)
        figures = measure(trained, VAE, InOrder(x, prepare=lambda b: b), step=1)
        assert figures["validation_rate_unit_0"] > 0.01
        assert figures["active"] == count == active_units(trained, x)[0].value


def test_stopping_early_keeps_the_best_weights():
    x = data()
    held = InOrder(torch.randn(64, 4) * 3, prepare=lambda b: b)  # training makes these worse
    trained = model()
    records = run(trained, x, epochs=200, validation=held, patience=3, learning_rate=0.02)
    elbos = [r.parts["validation_elbo"] for r in records if "validation_elbo" in r.parts]
    best = max(range(len(elbos)), key=elbos.__getitem__)
    assert len(elbos) == best + 1 + 3
    from zscape.study.training.validating import measure

    assert measure(trained, VAE, held, step=0)["validation_elbo"] == pytest.approx(max(elbos))


def test_break_leaves_a_usable_model():
    trained = model()
    for record in fit(trained, VAE, [data(32)] * 200, epochs=5):
        if record.step >= LOG_EVERY:
            break
    assert not trained.training
    assert weights(trained).isfinite().all()


def test_without_averaging_the_plain_weights_stay():
    x = data()
    plain, averaged = model(), model()
    for trained, ema in ((plain, 0.0), (averaged, 0.9)):
        torch.manual_seed(5)
        run(trained, x, ema=ema)
    assert not torch.equal(weights(plain), weights(averaged))


def test_the_average_is_the_exponential_one():
    layer = nn.Linear(1, 1, bias=False)
    average = Average(layer, decay=0.5)
    start = layer.weight.item()
    with torch.no_grad():
        layer.weight.fill_(1.0)
    average.follow(CLOSELY)
    once = 0.5 * start + 0.5
    average.follow(CLOSELY + 1)  # between two updates
    with average.weights():
        assert layer.weight.item() == pytest.approx(once)
    average.follow(CLOSELY + EVERY)
    decay = 0.5**EVERY
    with average.weights():
        assert layer.weight.item() == pytest.approx(decay * once + (1 - decay))
    assert layer.weight.item() == 1.0


def test_a_point_code_is_trained_on_its_own_objective():
    x = data()
    objective = Sum(Reconstruction())
    held = InOrder(x, prepare=lambda b: b)
    batches = Batches(x, size=32, prepare=lambda b: b)
    records = list(fit(model(Point), objective, batches, epochs=2, validation=held))
    assert "rate" not in records[-1].parts
    assert records[-1].parts["validation_loss"] < records[0].parts["validation_loss"]


def test_divergence_is_told_by_name():
    class Broken(Objective):
        draws = 1

        def __call__(self, trace, step):
            loss = VAE(trace, step)
            return type(loss)(loss.total * math.nan, loss.parts)

    with pytest.raises(DivergedError, match="batch 1 of epoch 1, step 0, the loss"):
        list(fit(model(), Broken(), [data(8)] * 60, epochs=1))


def test_precision_is_refused_by_name():
    with pytest.raises(SpecError, match="'float16'"):
        run(model(), data(), precision="float16")


def test_bfloat16_trains_to_the_same_bound():
    x = data(640)
    reached = {}
    for precision in ("float32", "bfloat16"):
        trained = model()
        torch.manual_seed(5)
        held = InOrder(x, prepare=lambda b: b)
        run(trained, x, epochs=40, precision=precision, learning_rate=0.01, validation=held)
        from zscape.study.training.validating import measure

        reached[precision] = measure(trained, VAE, held, step=0)["validation_elbo"]
    assert reached["bfloat16"] == pytest.approx(reached["float32"], rel=0.01)


def test_batches_are_a_permutation_keyed_by_seed_and_epoch():
    x = torch.arange(100, dtype=torch.uint8)[:, None]
    batches = Batches(x, size=30, seed=1)
    first, second = (joined(list(batches.of(epoch))).x for epoch in (1, 2))
    assert len(batches) == 3
    assert len(first) == 90
    assert first.unique().numel() == 90
    assert not torch.equal(first, second)
    again = Batches(x, size=30, seed=1)
    assert torch.equal(joined(list(again.of(1))).x, first)
    assert torch.equal(joined(list(again.of(1, start=1))).x, first[30:])
    assert not torch.equal(joined(list(Batches(x, size=30, seed=2).of(1))).x, first)
    assert first.dtype == torch.float32


def test_fewer_examples_than_a_batch_still_make_one():
    assert [len(b) for b in Batches(torch.zeros(5, 1), size=30).of(1)] == [5]


def test_a_turn_changes_the_model_between_two_steps():
    seen = []

    def change(turned, x):
        seen.append((turned.training, x.shape))
        turned.decoder.network = nn.Linear(2, 4)  # parameters that the first optimiser never knew

    objective = Sum(Reconstruction(), Rate(), turns=(Turn(25, change),))
    trained, x = model(), data()
    batches = Batches(x, size=32, prepare=lambda b: b)
    list(fit(trained, objective, batches, epochs=2))
    assert seen == []
    list(fit(trained, objective, batches, epochs=3))
    assert seen == [(False, (26 * 32, 4))]
    before = trained.decoder.network.weight.detach().clone()
    fresh = Sum(Reconstruction(), Rate(), turns=(Turn(0, change),))
    list(fit(trained, fresh, batches, epochs=2, ema=0.9))
    assert not torch.equal(trained.decoder.network.weight, before)


def test_a_best_from_before_a_turn_is_forgotten_and_patience_waits_for_the_last():
    def worsen(turned, x):
        with torch.no_grad():
            turned.decoder.network.bias.fill_(30.0)

    x = data()
    held = InOrder(x, prepare=lambda b: b)
    objective = Sum(Reconstruction(), Rate(), turns=(Turn(100, worsen),))
    batches = Batches(x, size=32, prepare=lambda b: b)
    trained = model()
    records = list(
        fit(trained, objective, batches, epochs=14, validation=held, patience=1, learning_rate=1e-6)
    )
    assert records[-1].epoch > 10
    assert trained.decoder.network.bias.min() > 29


def test_a_turn_sees_few_of_many_examples():
    seen = []
    objective = Sum(Reconstruction(), turns=(Turn(30, lambda _, x: seen.append(x)),))
    batches = [torch.full((500, 4), float(n)) for n in range(31)]
    list(fit(model(), objective, batches, epochs=1))
    assert len(seen[0]) == 4096
    assert seen[0][-1, 0] == 30


def test_listeners_hear_of_every_validation():
    heard = []
    objective = Sum(Reconstruction(), Rate())
    objective.listeners = (heard.append,)
    x = data()
    held = InOrder(x, prepare=lambda b: b)
    batches = Batches(x, size=32, prepare=lambda b: b)
    records = list(fit(model(), objective, batches, epochs=3, validation=held))
    told = [r.parts["validation_elbo"] for r in records if "validation_elbo" in r.parts]
    assert [figures["validation_elbo"] for figures in heard] == told


def test_the_records_say_where_a_controller_has_beta():
    x = data(96)
    objective = Steered(Geco(), rate=Rate())
    batches = Batches(x, size=32, prepare=lambda b: b)
    held = InOrder(torch.randn(64, 4) * 3, prepare=lambda b: b)  # training makes these worse
    options = {"validation": held, "patience": 0, "learning_rate": 0.02}
    records = list(fit(model(), objective, batches, epochs=60, **options))
    betas = [r.parts["beta"] for r in records]
    assert betas[0] == 1.0
    assert min(betas) < 1.0 or max(betas) > 1.0
    assert tell_beta([r.parts for r in records]).startswith("beta = ")
