from functools import partial, partialmethod

import pytest
import torch
from tests.contracts.recipe import DATA
from torch import nn

from zscape.errors import MemoryLimitError
from zscape.model.batch import Batch
from zscape.recipes import vae, wae
from zscape.study.training import adam, stepping
from zscape.study.training.adam import Adam
from zscape.study.training.capture import WARM, Captured, Recorder
from zscape.study.training.compiling import cache_folder
from zscape.study.training.fitting import fit
from zscape.study.training.stepping import Stepper

REALS = DATA["reals"][0]


def stepper(model, objective, **settings):
    usual = {"learning_rate": 1e-2, "ema": 0.9, "encoder_steps": 0, "key": 3}
    asked = usual | {"precision": "float32", "device": "cpu"} | settings
    return Stepper(model, objective, **asked)


def made(recipe=vae, **settings):
    torch.manual_seed(0)
    return stepper(*recipe(REALS, latent=3), **settings)


def weights(stepper):
    return torch.cat([p.detach().flatten().clone() for p in stepper.model.parameters()])


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("large", [1, 12, 2**16])
def test_adam_on_buffers_is_adam(large, decay, monkeypatch):
    monkeypatch.setattr(adam, "LARGE", large)
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(3, 5), nn.Conv2d(1, 2, 3).to(memory_format=torch.channels_last))
    theirs = nn.Sequential(nn.Linear(3, 5), nn.Conv2d(1, 2, 3))
    theirs.load_state_dict(ours.state_dict())
    mine = Adam([ours.parameters()], weight_decay=decay)
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    usual = kind(theirs.parameters(), lr=1e-2, weight_decay=decay)
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    for _ in range(3):
        for one, other in pairs:
            other.grad = torch.randn_like(other)
            (one * other.grad).sum().backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in theirs.parameters()])
        torch.testing.assert_close(mine.norm(), norm)
        mine.step(1e-2, refused=torch.zeros(()), excess=torch.ones(()))
        usual.step()
        for one, other in pairs:
            torch.testing.assert_close(one, other)
    assert ours[1].weight.is_contiguous(memory_format=torch.channels_last)
    before = ours[0].weight.detach().clone()
    ours[0].weight.sum().backward()
    mine.step(1e-2, refused=torch.ones(()), excess=torch.ones(()))
    assert torch.equal(ours[0].weight, before)
    assert not any(gradient.any() for gradient in mine.gradients)
    mine.release()
    assert len({p.untyped_storage().data_ptr() for p in ours.parameters()}) == 4


def test_the_first_group_moves_alone():
    one, other = nn.Linear(300, 300), nn.Linear(2, 2)
    moved = Adam([one.parameters(), other.parameters()])
    before = other.weight.detach().clone(), one.weight.detach().clone()
    (one.weight.sum() + other.weight.sum()).backward()
    moved.step(1e-2, refused=torch.zeros(()), excess=torch.ones(()), first=1)
    assert torch.equal(other.weight, before[0]) and not torch.equal(one.weight, before[1])


class Still(nn.Module):
    """Takes the noise out of a posterior, so that parts of a batch see what the whole sees."""

    def __init__(self, posterior):
        super().__init__()
        self.posterior = posterior

    def forward(self, context):
        q = self.posterior(context)
        q.rsample = lambda shape=(): q.loc.expand(*shape, *q.loc.shape)
        return q


def still():
    model, objective = vae(REALS, latent=3)
    model.levels[0].posterior = Still(model.levels[0].posterior)
    return model, objective


def gradient(parts, x):
    torch.manual_seed(0)
    step = stepper(*still())
    step.parts = parts
    figures = step._differentiated(Batch(x), [])
    return figures, torch.cat([g.flatten() for g in step.adam.gradients])


@pytest.mark.parametrize("parts", [2, 3, 16])
def test_parts_of_a_batch_have_the_gradients_of_the_whole(parts):
    x = torch.randn(50, 5)
    whole_figures, whole = gradient(1, x)
    figures, summed = gradient(parts, x)
    assert (summed - whole).abs().max() <= 1e-6 * whole.abs().max().clamp(min=1.0)
    torch.testing.assert_close(figures, whole_figures)


def short_above(rows, stepper):
    """Lets forward passes of more examples than that run out of memory."""
    plain = stepper.model.encoder.forward

    def forward(x):
        if len(x) > rows:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return plain(x)

    stepper.model.encoder.forward = forward


def test_a_batch_is_halved_until_it_fits_and_stays_so():
    step = made()
    short_above(10, step)
    step.advance(Batch(torch.randn(64, 5)), 0)
    assert step.parts == 8
    said = step.tell()
    assert "8 parts" in said and step.tell() == ""
    step.advance(Batch(torch.randn(64, 5)), 1)
    assert step.parts == 8 and step.made == 2
    assert weights(step).isfinite().all()


def test_a_step_that_is_made_again_moves_running_statistics_once():
    torch.manual_seed(3)
    x, steps = torch.randn(64, 5), [made(partial(vae, mean_scale=0.6)) for _ in range(2)]
    steps[1].parts = 2
    plain, tried = steps[0].model.decoder.forward, []

    def forward(state):
        tried.append(len(tried))
        if len(tried) == 1:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return plain(state)

    steps[0].model.decoder.forward = forward
    for step in steps:
        step.advance(Batch(x), 0)
    one, other = (step.model.levels[0].posterior.norm.running_mean for step in steps)
    assert steps[0].parts == 2
    torch.testing.assert_close(one, other)


def test_what_does_not_fit_in_sixteenths_is_told_with_a_setting():
    step = made()
    short_above(1, step)
    before = weights(step)
    with pytest.raises(MemoryLimitError, match=r"16 parts of a batch of 64.*--batch-size") as told:
        step.advance(Batch(torch.randn(64, 5)), 0)
    assert told.value.exit_code == 71
    assert torch.equal(weights(step), before)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    step = made()
    with pytest.raises(RuntimeError, match="shapes"):
        step.advance(Batch(torch.randn(8, 4)), 0)
    assert step.parts == 1


class Fake(Recorder):
    """Replays by computing again: what is recorded must read nothing but the given tensor."""

    def __init__(self, broken=False):
        self.broken = broken
        self.warmed = self.recorded = self.replayed = 0

    def warm(self, compute, x):
        self.warmed += 1
        return compute(x)

    def record(self, compute, x):
        if self.broken:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        self.recorded += 1
        result = torch.zeros(3)

        def replay():
            self.replayed += 1
            result.copy_(compute(x))

        return replay, result


def recorded(recorder):
    """A stepper whose steps are recorded as on CUDA."""
    step = made()
    step.rate = torch.zeros(())
    step.captured = Captured(step._make, recorder)
    return step


def batches():
    generator = torch.Generator().manual_seed(5)
    sizes = [16, 16, 16, 16, 7, 16, 16]
    return [torch.randn(size, 5, generator=generator) for size in sizes]


@pytest.mark.parametrize("broken", [False, True])
def test_replayed_steps_are_those_made_call_by_call(broken):
    recorder = Fake(broken)
    replayed, plain = recorded(recorder), made()
    for number, x in enumerate(batches()):
        one, other = replayed.advance(Batch(x), number), plain.advance(Batch(x), number)
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(weights(replayed), weights(plain))
    assert recorder.warmed == WARM
    assert recorder.replayed == (0 if broken else 3)  # 4 of the usual size less the ragged one
    assert ("not permitted" in replayed.tell()) == broken
    assert replayed.tell() == ""


def test_only_steady_objectives_are_recorded():
    assert vae(REALS)[1].steady and wae(REALS)[1].steady
    assert not vae(REALS, warmup=10)[1].steady
    assert not vae(REALS, beta="auto")[1].steady


def test_a_schedule_of_the_rate_reaches_the_recorded_step():
    step = made(learning_rate=lambda number: 1e-2 / (1 + number))
    step.rate = torch.zeros(())
    step.captured = Captured(step._make, Fake())
    for number, x in enumerate(batches()):
        step.advance(Batch(x), number)
    assert step.rate.item() == pytest.approx(1e-2 / 7)


def test_a_network_that_cannot_be_compiled_is_run_as_it_is(monkeypatch):
    def refuse(*arguments, **settings):
        raise RuntimeError("no compiler")

    def broken(module, *arguments, **settings):
        module._compiled_call_impl = refuse

    monkeypatch.setattr(nn.Module, "compile", broken)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")
    compiled, plain = made(compile=True), made()
    for number, x in enumerate(batches()):
        compiled.advance(Batch(x), number)
        plain.advance(Batch(x), number)
    assert torch.equal(weights(compiled), weights(plain))
    said = compiled.tell()
    assert "no compiler" in said and "inductor" in said
    assert compiled.tell() == ""


def test_the_note_of_a_step_reaches_the_records(monkeypatch):
    monkeypatch.setattr(stepping, "is_short_of_memory", lambda error: "enforce" in str(error))
    model, objective = vae(REALS, latent=3)
    encoder = model.encoder.forward
    calls = []

    def forward(x):
        calls.append(len(x))
        if len(calls) == 2:
            raise RuntimeError("enforce fail")
        return encoder(x)

    model.encoder.forward = forward
    (record,) = fit(model, objective, [torch.randn(16, 5)] * 3, epochs=1)
    assert "computed in 2 parts" in record.note
    assert calls == [16, 16, 8, 8, 8, 8]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_compiled_networks_give_the_same(monkeypatch):
    # All of the compiler but its last stage, which takes half a minute.
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="eager"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unused")
    compiled, plain = made(compile=True), made()
    for number, x in enumerate(batches()[:4]):
        one, other = compiled.advance(Batch(x), number), plain.advance(Batch(x), number)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert compiled.tell() == ""
    with compiled.averaged():
        assert compiled.model.encoder._compiled_call_impl is None
    compiled.settle()
    assert compiled.model.encoder._compiled_call_impl is None
    assert compiled.model(batches()[0]).likelihood.mean.isfinite().all()


def test_the_cache_of_compiled_networks_is_our_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "zscape" / "inductor"
