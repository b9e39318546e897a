import json
import os
import signal
import time
from dataclasses import replace

import pytest

import zscape as zs
from zscape.errors import DivergedError, SpecError, StudyError
from zscape.recipes import vae
from zscape.study.jobs import Failed, done_together, num_jobs
from zscape.study.plan import Run, plan_sweep
from zscape.study.ranges import values_of
from zscape.study.spec import Option, options
from zscape.study.sweep import gather_sweep, run_sweep, sweep
from zscape.study.training.beginning import begin

pytestmark = pytest.mark.slow

SMALL = {"latent": 2, "network": "mlp:16", "epochs": 2}
BETAS = (0.5, 2.0, 8.0)


@pytest.fixture(scope="module")
def digits():
    data = zs.look("digits")
    return replace(data, x=data.x[:300], labels=data.labels[:300])


@pytest.fixture(scope="module")
def swept(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps") / "s"
    return sweep(digits, over={"beta": BETAS}, out=folder, seeds=2, **SMALL)


def test_every_run_is_an_ordinary_study(swept):
    assert len(swept.runs) == 6
    for run in swept.runs:
        assert not run.reason
        space = zs.open(swept.path / run.study)
        assert space.codes.flat.shape == (300, 2)
    log = (swept.path / "beta-0.5-seed-1" / "study.toml").read_text()
    assert "beta = 0.5" in log
    assert "seed = 1" in log


def test_points_hold_the_figures_of_the_studies(swept):
    from zscape.study.figures import figures

    spaces = [zs.open(swept.path / f"beta-2-seed-{seed}") for seed in (0, 1)]
    elbos = [figures(space)[0].value for space in spaces]
    assert swept.points[1].value == 2.0
    assert swept.points[1].elbo.value == pytest.approx(sum(elbos) / 2)
    assert swept.points[1].elbo.error == pytest.approx(abs(elbos[0] - elbos[1]) / 2)
    assert swept.points[1].elbo.kind == "bound"


def test_a_sweep_prints_and_becomes_json(swept):
    text = str(swept)
    for said in ("beta", "ELBO", "±", "knee:", "best:", "nats per example"):
        assert said in text
    record = json.loads(json.dumps(swept.to_json()))
    assert [point["value"] for point in record["points"]] == [0.5, 2.0, 8.0]
    assert record["best"]["value"] in BETAS


def test_files_of_a_sweep(swept):
    page = (swept.path / "sweep.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "Held-out examples" in page
    assert (swept.path / "curve.svg").read_text().startswith("<svg xmlns")
    record = json.loads((swept.path / "sweep.json").read_text())
    assert len(record["runs"]) == 6
    assert str(swept.path.parent) not in json.dumps(record)


def test_the_same_sweep_again_trains_nothing(digits, swept):
    before = {p: p.stat().st_mtime_ns for p in swept.path.glob("*/weights.safetensors")}
    again = sweep(digits, over={"beta": BETAS}, out=swept.path, seeds=2, **SMALL)
    assert again == swept
    assert before == {p: p.stat().st_mtime_ns for p in swept.path.glob("*/weights.safetensors")}


def test_a_sweep_grows_and_keeps_what_it_has(digits, tmp_path):
    sweep(digits, over={"beta": [1, 4]}, out=tmp_path, seeds=1, **SMALL)
    plan = plan_sweep(digits, over={"beta": [2, 4]}, out=tmp_path, seeds=1, **SMALL)
    ran = [name for name, news in run_sweep(plan) if not isinstance(news, Run)]
    assert set(ran) == {"beta-2-seed-0"}
    kept = json.loads((tmp_path / "sweep.json").read_text())["runs"]
    assert sorted(run["value"] for run in kept) == [1, 2, 4]
    assert [point.value for point in gather_sweep(plan).points] == [2, 4]


def test_a_run_that_was_broken_off_is_trained_anew(digits, tmp_path):
    plan = plan_sweep(digits, over={"beta": [1, 4]}, out=tmp_path, seeds=1, **SMALL)
    records = run_sweep(plan)
    next(records)
    records.close()
    assert (tmp_path / "beta-1-seed-0").is_dir()
    found = sweep(digits, over={"beta": [1, 4]}, out=tmp_path, seeds=1, **SMALL)
    assert [run.epochs for run in found.runs] == [2, 2]


def test_a_sweep_that_died_in_its_first_run_goes_on(digits, tmp_path):
    plan = plan_sweep(digits, over={"beta": [1, 4]}, out=tmp_path, seeds=1, **SMALL)
    (tmp_path / ".data").mkdir()
    (tmp_path / "study.lock").touch()
    records = run_sweep(plan)
    next(records)
    assert not (tmp_path / "sweep.json").exists()
    records.close()
    assert not (tmp_path / ".data").exists()
    assert len([news for _, news in run_sweep(plan) if isinstance(news, Run)]) == 2


def test_another_sweep_or_a_full_folder_is_refused(digits, swept, tmp_path):
    with pytest.raises(StudyError, match="the same settings"):
        sweep(digits, over={"beta": BETAS}, out=swept.path, **SMALL | {"latent": 3})
    with pytest.raises(StudyError, match="the same option"):
        sweep(digits, over={"latent": [2, 3]}, out=swept.path, epochs=2, network="mlp:16")
    other = replace(digits, x=digits.x[:299], labels=digits.labels[:299])
    with pytest.raises(StudyError, match="the same data"):
        sweep(other, over={"beta": BETAS}, out=swept.path, **SMALL)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(StudyError, match=r"letter\.txt"):
        sweep(digits, over={"beta": BETAS}, out=tmp_path, **SMALL)


def fragile(data, *, beta: float = 1.0, latent: int = 2):
    """A recipe whose runs fail at a beta of 4."""
    model, objective = vae(data, beta=beta, latent=latent, network="mlp:16")
    if beta == 4:
        model.decoder = None
    return model, objective


def test_a_failed_run_is_told_and_harms_no_other(digits, tmp_path):
    found = sweep(digits, over={"beta": [1, 4, 8]}, recipe=fragile, out=tmp_path, seeds=1, epochs=1)
    assert [bool(run.reason) for run in found.runs] == [False, True, False]
    assert [point.value for point in found.points] == [1, 8]
    assert "beta-4-seed-0" in (tmp_path / "sweep.html").read_text()
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert [bool(run["reason"]) for run in record["runs"]] == [False, True, False]


def test_when_all_fail_there_is_no_sweep(digits, tmp_path):
    with pytest.raises(DivergedError, match="none did"):
        sweep(digits, over={"latent": [2, 3]}, recipe=fragile, out=tmp_path, seeds=1, beta=4.0)


def test_without_a_folder_the_figures_are_kept(digits):
    found = sweep(digits, over={"latent": [1, 2]}, recipe="ae", seeds=1, epochs=1, network="mlp:8")
    assert found.path is None
    assert found.best.value is None
    assert "undefined" in str(found)


@pytest.mark.slow
def test_two_processes_give_the_same_figures(digits, swept, tmp_path):
    found = sweep(
        digits, over={"beta": BETAS[:2]}, out=tmp_path, seeds=1, jobs=2, **SMALL | {"epochs": 2}
    )
    same = [run for run in swept.runs if run.seed == 0 and run.value in BETAS[:2]]
    for run, other in zip(same, found.runs, strict=True):
        assert not other.reason
        assert other.figures[0].value == pytest.approx(run.figures[0].value, rel=1e-4)


@pytest.mark.parametrize(
    ("over", "more", "words"),
    [
        ({"bta": [1, 2]}, {}, "beta"),
        ({"seed": [1, 2]}, {}, "Unknown option"),
        ({"beta": [1]}, {}, "two values"),
        ({"beta": [1, 1.0]}, {}, "two values"),
        ({"latent": [0, 2]}, {}, "latent must be at least 1"),
        ({"beta": [1, 2]}, {"beta": 3.0}, "what is swept"),
        ({"beta": [1, 2]}, {"seeds": 0}, "seeds must be at least 1"),
        ({"beta": [1, 2], "latent": [1, 2]}, {}, "one option"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(digits, tmp_path, over, more, words):
    with pytest.raises(SpecError, match=words):
        sweep(digits, over=over, out=tmp_path / "s", **more)
    assert not (tmp_path / "s").exists()


BETA = Option("beta", float | str, 1.0)
LATENT = Option("latent", int, 16)


def test_ranges_of_real_numbers_are_even_in_logarithms():
    assert values_of(BETA, "0.1..16") == [0.1, 0.233, 0.543, 1.26, 2.95, 6.87, 16.0]
    assert values_of(BETA, "1..4", 3) == [1.0, 2.0, 4.0]


def test_ranges_of_whole_numbers_double():
    assert values_of(LATENT, "2..64") == [2, 4, 8, 16, 32, 64]
    assert values_of(LATENT, "3..20") == [3, 6, 12, 20]
    assert values_of(LATENT, "2..32", 3) == [2, 8, 32]


def test_listed_values_have_the_type_of_the_option():
    assert values_of(BETA, "0.5,1,auto") == [0.5, 1.0, "auto"]
    assert values_of(LATENT, "2,8") == [2, 8]
    assert values_of(options(vae)["network"], "mlp:64,conv") == ["mlp:64", "conv"]
    assert values_of(options(begin)["learning_rate"], "1e-4,1e-3") == [1e-4, 1e-3]


@pytest.mark.parametrize("words", ["0..4", "4..1", "a..b", "1.5..x", "2", "2,x", ""])
def test_words_that_mean_no_values(words):
    with pytest.raises(SpecError):
        values_of(LATENT, words)


def test_jobs_are_a_number_or_the_free_cores(monkeypatch):
    assert num_jobs("3", 10) == 3
    assert num_jobs("3", 2) == 2
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (2.2, 0, 0))
    assert num_jobs("auto", 100) == 6
    monkeypatch.setattr(os, "getloadavg", lambda: (20.0, 0, 0))
    assert num_jobs("auto", 100) == 1
    with pytest.raises(SpecError, match="jobs must be"):
        num_jobs("many", 2)


def counting(stop):
    for n in range(stop):
        yield n
        if n == 2:
            raise ValueError("three is too many")


def dying(how):
    yield "before"
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


def test_work_that_raises_is_told():
    said = list(done_together(counting, {"a": (2,), "b": (5,), "c": (1,)}, jobs=1))
    told = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]
    assert said == [*told, ("b", Failed("ValueError: three is too many")), ("c", 0)]


@pytest.mark.slow
def test_work_that_is_killed_is_told():
    said = list(done_together(dying, {"a": ("killed",), "b": ("well",)}, jobs=2))
    of_a = [message for name, message in said if name == "a"]
    assert of_a[0] == "before"
    assert "code -9" in of_a[1].reason
    assert [message for name, message in said if name == "b"] == ["before"]


def sleeping():
    yield os.getpid()
    time.sleep(60)


@pytest.mark.slow
def test_closing_ends_the_processes():
    messages = done_together(sleeping, {"a": (), "b": ()}, jobs=2)
    _, process = next(messages)
    messages.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
