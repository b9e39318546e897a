"""A run that goes on from a kept state becomes what it would have become, bit for bit."""

import json
import math
import shutil
import signal
from contextlib import contextmanager
from hashlib import sha256

import numpy as np
import pytest
import torch

import zscape as zs
from zscape.errors import BusyError, DivergedError, StorageError, StudyError
from zscape.objective.objective import Loss, Objective
from zscape.recipes import RECIPES
from zscape.study import journal
from zscape.study.checkpoints import CHECKPOINTS, last_checkpoint, save_checkpoint
from zscape.study.spec import settle
from zscape.study.storage import failpoints
from zscape.study.training.beginning import begin, settle_training

pytestmark = pytest.mark.slow

TRAINING = {"epochs": 4, "batch_size": 64, "patience": 0}

# What remembers something beside weights: controllers, turns, an encoder that goes first, dropout,
# opponents.
REMEMBERING = {
    "plain": ("vae", {}, {}),
    "steered": ("vae", {"beta": "auto"}, {}),
    "target": ("vae", {"target_rate": 3.0}, {}),
    "dropping": ("vae", {"decoder_dropout": 0.2, "warm_start": 30}, {}),
    "encoder first": ("vae", {}, {"encoder_steps": 3}),
    "independent": ("ica_vae", {"steps": 40, "network": "mlp:32"}, {}),
    "refitted": ("mixture_vae", {"components": 5, "refit_at": 40}, {}),
    "normalised": ("vae", {"mean_scale": 0.6}, {"ema": 0.0}),
    "flow": ("flow_vae", {}, {}),
    "falling": ("vae", {}, {"schedule": "cosine", "weight_decay": 0.1}),
    "ladder": ("ladder_vae", {"network": "tiny", "free_bits": 0.5}, {}),
    "codebook": ("rvq_vae", {"codes": 24, "start_at": 30}, {}),
    "factors": ("factor_vae", {"opponent": 16}, {}),
    "opposed": ("aae", {"opponent": 16}, {}),
    "pictured": ("vae_gan", {}, {}),
}


@pytest.fixture(scope="module")
def digits():
    return zs.look("digits")


def run_of(data, case):
    recipe, options, training = REMEMBERING[case]
    function = RECIPES[recipe]
    torch.manual_seed(0)
    model, objective = function(
        data.modality, **settle(function, {"latent": 4, "network": "mlp:32", **options})
    )
    return begin(model, objective, data, **settle_training(TRAINING | training))


def end_of(run):
    for _ in run.records():
        pass
    return {name: tensor.clone() for name, tensor in run.state().tensors.items()}


@pytest.mark.parametrize("case", REMEMBERING)
def test_a_run_goes_on_exactly(case, digits, tmp_path):
    expected = end_of(run_of(digits, case))
    for stop in (20, 50, 75):
        broken = run_of(digits, case)
        for _ in broken.records(until=lambda run=broken, stop=stop: run.step == stop):
            pass
        assert broken.step == stop
        save_checkpoint(tmp_path, broken.state(), log_bytes=0)
        torch.randn(7)  # what a person draws meanwhile must not matter
        again = run_of(digits, case)
        again.load(last_checkpoint(tmp_path).state)
        found = end_of(again)
        assert found.keys() == expected.keys()
        different = [name for name in expected if not torch.equal(found[name], expected[name])]
        assert different == []


class Stopped(BaseException):
    """What a program makes of SIGTERM."""


def train_to_end(study, **options):
    return list(zs.train(study, checkpoint_seconds=0, **options))


def contents(folder):
    kept = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".safetensors"
    }
    log = [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]
    kept["log"] = [{k: v for k, v in line.items() if k != "seconds"} for line in log]
    return kept


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, digits):
    folder = tmp_path_factory.mktemp("whole") / "study"
    train_to_end(zs.prepare(digits, out=folder, latent=4, epochs=4, batch_size=32))
    return contents(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_and_the_state(number, digits, tmp_path, uninterrupted):
    def stop(*_):
        raise KeyboardInterrupt if number == signal.SIGINT else Stopped

    name = signal.Signals(number).name.lower()
    failpoints.arm(f"step={name}@70")
    before = signal.signal(number, stop)
    study = zs.prepare(digits, out=tmp_path / "study", latent=4, epochs=4, batch_size=32)
    try:
        with pytest.raises((KeyboardInterrupt, Stopped)):
            train_to_end(study)
    finally:
        signal.signal(number, before)
        failpoints.arm("")
    assert last_checkpoint(study.path).state.plain["step"] == 70
    train_to_end(zs.resume(study.path))
    assert contents(study.path) == uninterrupted


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stopped])
@pytest.mark.parametrize("moment", ["before a step", "after a step"])
def test_a_signal_that_nothing_holds_back_keeps_the_state(
    moment, error, digits, tmp_path, uninterrupted, monkeypatch
):
    times = iter(range(100))

    @contextmanager
    def held_back(came):
        strikes = next(times) == 3
        if strikes and moment == "before a step":
            raise error
        yield
        if strikes:
            raise error

    study = zs.prepare(digits, out=tmp_path / "study", latent=4, epochs=4, batch_size=32)
    monkeypatch.setattr(journal, "held_back", held_back)
    with pytest.raises(error):
        list(zs.train(study))
    monkeypatch.undo()
    last = json.loads((study.path / journal.LOG).read_text().splitlines()[-1])
    assert last_checkpoint(study.path).state.plain["step"] == last["step"] > 0
    if error is KeyboardInterrupt:  # which leaves a study that can be used
        assert len(zs.open(study.path).codes) == len(digits.x)
    train_to_end(zs.resume(study.path))
    assert contents(study.path) == uninterrupted


def test_breaking_off_keeps_a_usable_study_that_goes_on(digits, tmp_path, uninterrupted):
    study = zs.prepare(digits, out=tmp_path / "study", latent=4, epochs=4, batch_size=32)
    for record in zs.train(study):
        if record.epoch == 2:
            break
    assert len(zs.open(study.path).codes) == len(digits.x)
    train_to_end(zs.resume(study.path, digits))
    assert contents(study.path) == uninterrupted


def test_a_study_that_ended_has_nothing_to_do_unless_more_is_asked(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=1)
    train_to_end(study)
    assert train_to_end(zs.resume(study.path)) == []
    records = train_to_end(zs.resume(study.path, epochs=2))
    assert {record.epoch for record in records} == {2}


def test_a_damaged_checkpoint_is_stepped_over_and_told(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=3)
    train_to_end(study)
    newest, older = sorted((study.path / CHECKPOINTS).iterdir(), key=lambda p: -int(p.name))
    content = bytearray((newest / "tensors.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (newest / "tensors.safetensors").write_bytes(content)
    start = last_checkpoint(study.path)
    assert str(start.state.plain["step"]) == older.name
    assert newest.name in start.notes[0] and "checksum" in start.notes[0]
    (older / "state.json").unlink()
    with pytest.raises(StudyError, match="none of 2 is"):
        zs.resume(study.path)


def test_other_data_are_refused(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=1)
    del study  # whose lock goes with it
    with pytest.raises(StudyError, match="1,797 examples of digits"):
        zs.resume(tmp_path / "study", digits.x[:100].numpy())


def test_things_that_python_held_are_asked_for(tmp_path):
    x = torch.randn(64, 5)
    for _ in zs.train(zs.prepare(x, out=tmp_path / "study", latent=2, epochs=3)):
        break
    with pytest.raises(StudyError, match="Pass them again"):
        zs.resume(tmp_path / "study")
    assert train_to_end(zs.resume(tmp_path / "study", x))


def test_a_study_is_held_from_its_making_to_its_end(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=1)
    with pytest.raises(BusyError):
        zs.resume(study.path)
    with pytest.raises(BusyError):
        zs.prepare(digits, out=study.path)
    train_to_end(study)
    zs.resume(study.path).lock.release()


def test_a_full_disk_costs_no_state(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=3)
    failpoints.arm("file.mid_write=enospc@8")
    try:
        with pytest.raises(StorageError, match="is full"):
            train_to_end(study)
    finally:
        failpoints.arm("")
    assert last_checkpoint(study.path) is not None
    assert not list(study.path.rglob("*.tmp"))
    assert train_to_end(zs.resume(study.path))


def test_one_bad_step_is_refused_and_told(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=3)
    failpoints.arm("step=nan@5")
    try:
        records = train_to_end(study)
    finally:
        failpoints.arm("")
    assert records[0].parts["refused"] == 1
    assert "refused" in records[0].note
    assert all(math.isfinite(record.loss) for record in records)
    assert all(t.isfinite().all() for t in last_checkpoint(study.path).state.tensors.values())


def test_many_bad_steps_send_the_run_back_once_and_end_it_then(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=30, patience=0)
    failpoints.arm("step=nan@100+")
    records = []
    try:
        with pytest.raises(DivergedError, match=r"batch \d+ of epoch \d+, step \d+, "):
            records.extend(zs.train(study))
    finally:
        failpoints.arm("")
    kept = last_checkpoint(study.path).state
    assert kept.plain["returns"] == 2 and kept.plain["rate_scale"] == 0.25  # it would go on so
    assert all(t.isfinite().all() for t in kept.tensors.values())
    assert zs.open(study.path).codes.flat.isfinite().all()


class Troubled(Objective):
    """An objective that is no number for some steps."""

    def __init__(self, inner):
        self.inner, self.draws = inner, inner.draws

    def __call__(self, trace, step):
        loss = self.inner(trace, step)
        return Loss(loss.total * math.nan, loss.parts) if 710 <= step < 730 else loss


def troubled(data, *, latent: int = 2):
    """A recipe of it."""
    model, objective = RECIPES["vae"](data, latent=latent, network="mlp:8")
    return model, Troubled(objective)


def last_state(folder):
    state = last_checkpoint(folder).state
    return {n: t.numpy().tobytes() for n, t in state.tensors.items()}, {
        name: value for name, value in state.plain.items() if name != "seconds"
    }


def test_a_run_that_goes_back_does_so_the_same_after_a_death(digits, tmp_path):
    study = zs.prepare(
        digits, recipe=troubled, out=tmp_path / "whole", batch_size=64, epochs=40, patience=0
    )
    copies, notes = {}, []
    with pytest.raises(DivergedError):
        for record in zs.train(study, checkpoint_seconds=0):
            name = f"{record.step}-{len(notes)}"
            notes += [record.note] * bool(record.note)
            if (
                name in {"650-0", "725-0", "550-1"} - copies.keys()
            ):  # before the trouble, in it, and gone back
                copies[name] = shutil.copytree(study.path, tmp_path / name)
    assert any("back at step 500, at half the rate" in note for note in notes)
    assert len(copies) == 3
    for copy in copies.values():
        with pytest.raises(DivergedError):
            list(zs.train(zs.resume(copy, recipe=troubled), checkpoint_seconds=1000))
        (found, plain), (expected, was) = last_state(copy), last_state(study.path)
        assert plain == was
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []


def test_more_epochs_make_an_impatient_run_patient_again(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=2, patience=1)
    records = train_to_end(study)
    checkpoint = last_checkpoint(study.path)
    checkpoint.state.plain["waited"] = 1
    save_checkpoint(study.path, checkpoint.state, log_bytes=0, log_sha256=sha256().hexdigest())
    assert train_to_end(zs.resume(study.path)) == []
    assert train_to_end(zs.resume(study.path, epochs=4))[0].epoch == records[-1].epoch + 1


def test_a_study_is_trained_once(digits, tmp_path):
    study = zs.prepare(digits, out=tmp_path / "study", latent=2, epochs=2)
    for _ in zs.train(study):
        break
    with pytest.raises(StudyError, match="resume"):
        next(zs.train(study))


def test_data_are_found_again_from_a_linked_folder(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "studies").symlink_to(tmp_path / "deep" / "er")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((64, 3)))
    study = zs.prepare(tmp_path / "x.npy", out=tmp_path / "studies" / "f", latent=2, epochs=2)
    for _ in zs.train(study):
        break
    assert train_to_end(zs.resume(tmp_path / "studies" / "f"))


@pytest.mark.parametrize("options", [{"beta": "auto"}, {"target_rate": 3.0}])
def test_a_steered_study_is_kept_after_its_best_epoch(options, digits, tmp_path):
    study = zs.prepare(
        digits, out=tmp_path / "study", latent=2, network="mlp:8", epochs=2, **options
    )
    assert train_to_end(study)
    assert last_checkpoint(study.path).state.tensors
