"""Each remedy does what it says."""

import inspect

import pytest
import torch
from tests.contracts.recipe import DATA

from zscape.errors import SpecError
from zscape.model.bound import distortion, rate_per_unit, sum_rates
from zscape.objective.steering import Geco, Steered, TargetRate
from zscape.recipes import annealed_vae, beta_vae, free_bits_vae, vae

BITS, draw = DATA["bits"]


def walked(model, batch=64):
    torch.manual_seed(0)
    return model((torch.rand(batch, 1, 8, 8) < 0.4).float())


def cost(objective, trace, step=0):
    return (objective(trace, step).total - distortion(trace).mean()).item()


def trained(model, objective, *, steps=150, lr=3e-3):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(steps):
        loss = objective(model((torch.rand(64, 1, 8, 8) < 0.4).float()), step)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("recipe", [vae, beta_vae, annealed_vae, free_bits_vae])
def test_auto_is_a_beta(recipe):
    model, objective = recipe(BITS, latent=3, beta="auto")
    assert isinstance(objective, Steered)
    assert isinstance(objective.controller, Geco)
    assert objective(walked(model), 5000).parts["beta"].item() == 1.0


def test_other_words_are_no_beta():
    with pytest.raises(SpecError, match=r"beta must be a number or 'auto', got 'atuo'\. 1 is"):
        vae(BITS, beta="atuo")
    with pytest.raises(SpecError, match="both choose beta"):
        vae(BITS, beta="auto", target_rate=4.0)
    with pytest.raises(SpecError, match=r"Unknown free_bits_per 'untis'\. Did you mean 'unit'"):
        vae(BITS, free_bits=0.1, free_bits_per="untis")
    for name in ("warmup", "free_bits", "target_rate", "mean_scale", "warm_start"):
        with pytest.raises(SpecError, match=f"{name} must be at least 0, got -1"):
            vae(BITS, **{name: -1})
    with pytest.raises(SpecError, match=r"decoder_dropout must be between 0 and 0\.99, got 1\.5"):
        vae(BITS, decoder_dropout=1.5)


def test_the_warm_up_ends_at_beta():
    model, objective = vae(BITS, latent=3, beta=4.0, warmup=100)
    trace = walked(model)
    rate = sum_rates(trace).mean().item()
    costs = [cost(objective, trace, step) for step in (0, 50, 100, 999)]
    assert costs == pytest.approx([0, 2 * rate, 4 * rate, 4 * rate], rel=1e-3, abs=1e-4)
    same = annealed_vae(BITS, latent=3, beta=4.0, warmup=100)[1]
    assert cost(same, trace, 50) == pytest.approx(2 * rate, rel=1e-3)


def test_free_bits_of_a_level_are_of_all_its_units_together():
    model, per_level = vae(BITS, latent=3, free_bits=1.0, free_bits_per="level")
    _, per_unit = vae(BITS, latent=3, free_bits=1.0)
    trace = walked(model)
    units = rate_per_unit(trace.latents[0]).mean(0)
    assert units.sum() < 1
    assert cost(per_level, trace) == pytest.approx(1.0, rel=1e-4)
    assert cost(per_unit, trace) == pytest.approx(3.0, rel=1e-4)
    assert cost(free_bits_vae(BITS, floor=1.0)[1], trace) == pytest.approx(3.0, rel=1e-4)


def test_free_bits_hold_the_rate_at_the_floor_where_it_would_vanish():
    # Coins without structure: the code has nothing to say, and the plain rate goes to zero.
    rates = {}
    for free in (0.0, 0.5):
        model = trained(*vae(BITS, latent=3, beta=4.0, free_bits=free))
        rates[free] = sum_rates(walked(model, 512)).mean().item()
    assert rates[0.0] < 0.1
    assert rates[0.5] == pytest.approx(1.5, rel=0.25)


def test_a_target_rate_is_reached():
    model, objective = vae(BITS, latent=3, target_rate=2.0)
    assert isinstance(objective.controller, TargetRate)
    trained(model, objective, steps=300)
    assert sum_rates(walked(model, 512)).mean().item() == pytest.approx(2.0, rel=0.25)


def test_normalised_means_keep_their_scale_and_a_code_does_not_ask_its_neighbours():
    model = trained(*vae(BITS, latent=3, beta=4.0, mean_scale=0.6))
    x = (torch.rand(512, 1, 8, 8) < 0.4).float()
    q = model(x).latents[0].q
    assert torch.allclose(q.mean.std(0), torch.full((3,), 0.6), rtol=0.15)
    units = rate_per_unit(model(x).latents[0]).mean(0)
    assert (units > 0.8 * 0.6**2 / 2).all()
    assert torch.allclose(model.encode(x[:1]).latents[0].z, q.mean[:1], atol=1e-6)
    model.train()
    assert torch.allclose(model(x).latents[0].q.mean.std(0), torch.full((3,), 0.6), rtol=0.01)


@pytest.mark.parametrize("name", ["bits", "grey", "colour"])
def test_dropout_is_on_in_training_and_off_after(name):
    data, sample = DATA[name]
    model, _ = vae(data, latent=3, decoder_dropout=0.5)
    plain, _ = vae(data, latent=3)
    plain.load_state_dict(model.state_dict())  # no weights are added or renamed
    x = sample()
    codes = {"z": torch.randn(6, 3)}
    walks = [model.train()(x, given=codes).likelihood.mean for _ in range(2)]
    assert not torch.equal(*walks)
    model.eval()
    assert torch.equal(model.encode(x).likelihood.mean, plain.encode(x).likelihood.mean)
    assert torch.equal(*[model(x, given=codes).likelihood.mean for _ in range(2)])


def test_a_warm_start_is_an_autoencoder_and_then_a_fresh_decoder():
    model, objective = vae(BITS, latent=3, beta=2.0, warm_start=30, warmup=10)
    trace = walked(model)
    rate = sum_rates(trace).mean().item()
    costs = [cost(objective, trace, step) for step in (0, 29, 30, 35, 40, 99)]
    expected = [0, 0, 0, rate, 2 * rate, 2 * rate]
    assert costs == pytest.approx(expected, rel=1e-3, abs=1e-4)
    fresh = {n: t.clone() for n, t in model.state_dict().items()}
    trained(model, objective, steps=20)
    (turn,) = objective.turns
    assert turn.step == 30
    encoder = {n: t.clone() for n, t in model.encoder.state_dict().items()}
    turn.change(model, draw())
    for name, tensor in model.decoder.state_dict().items():
        assert torch.equal(tensor, fresh[f"decoder.{name}"])
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(tensor, encoder[name])
        assert not torch.equal(tensor, fresh[f"encoder.{name}"])


@pytest.mark.parametrize("options", [{"beta": "auto"}, {"target_rate": 2.0}])
def test_a_controller_begins_anew_after_a_warm_start(options):
    model, objective = vae(BITS, latent=3, warm_start=10, **options)
    controller = objective.controller
    for _ in range(6):
        controller.follow(torch.tensor(50.0), torch.tensor(900.0))
        controller.hear({"validation_elbo": -1.0})
    assert controller.log_beta.item() != 0
    objective.turns[0].change(model, draw())
    assert controller.log_beta.item() == 0


@pytest.mark.parametrize(("word", "value"), [("auto", "auto"), ("4", 4.0)])
def test_the_command_line_takes_a_number_or_auto(word, value):
    from cyclopts import App, Group

    from zscape.cli.options import flags

    seen = []

    def command(**settings):
        seen.append(settings["beta"])

    parameters = [flag for flag in flags(vae, Group("vae")) if flag.name == "beta"]
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {flag.name: flag.annotation for flag in parameters}
    App(default_command=command, result_action="return_value")(["--beta", word])
    assert seen == [value]
    assert type(seen[0]) is type(value)
