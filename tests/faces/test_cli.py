"""The command line by its words: what it prints, leaves and returns."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from zscape.cli import main
from zscape.study.checkpoints import last_checkpoint

pytestmark = pytest.mark.slow

SOURCE = str(Path(__file__).parents[2] / "src")


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """A folder with a trained study of pictures and one of rows."""
    folder = tmp_path_factory.mktemp("studies")
    rows = "\n".join(f"{i % 7 + i / 100:.2f},{'ab'[i % 2]}" for i in range(120))
    (folder / "rows.csv").write_text(f"width,kind\n{rows}\n")
    digits = ["digits", "--out", str(folder / "digits"), "--epochs", "2", "--latent", "3"]
    table = [str(folder / "rows.csv"), "--out", str(folder / "rows"), "--epochs", "2"]
    assert main(["train", *digits]) == 0
    assert main(["train", *table]) == 0
    return folder


def process(*words, **options):
    environment = {**os.environ, "PYTHONPATH": SOURCE, **options.pop("env", {})}
    command = [sys.executable, *options.pop("python", ()), "-m", "zscape", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options
    )


def test_help_lists_every_command_and_imports_no_torch():
    done = process("--help", python=["-X", "importtime"])
    out, imports = done.communicate(timeout=300)
    assert done.returncode == 0
    for name in ("train", "show", "sample", "reconstruct", "interpolate", "traverse", "map"):
        assert f"  {name} " in out.decode()
    imported = {line.split("|")[-1].strip() for line in imports.decode().splitlines()}
    assert "zscape.cli" in imported
    assert not imported & {"torch", "sklearn", "pandas", "numpy", "cyclopts"}


def test_version(run):
    assert run("--version") == (0, "0.1.0\n", "")


def test_help_of_training_shows_the_flags_of_the_recipe(run):
    code, out, _ = run("train", "--recipe", "dip_vae", "--help")
    assert code == 0
    for flag in ("--off-diagonal", "--means-only", "--learning-rate", "--out", "--label"):
        assert flag in out
    assert "--off-diagonal" not in run("train", "--help")[1]


@pytest.mark.parametrize("verb", ["interpolate", "traverse", "show", "data", "recipes", "report"])
def test_help_of_a_command(verb, run):
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert f"Usage: zscape {verb}" in out


def test_training_says_what_was_found_first_and_figures_last(run, tmp_path):
    code, out, err = run("train", "digits", "--epochs", "1", "--out", tmp_path / "s", "--beta", "2")
    assert code == 0
    assert err.index("1,797 pictures") < err.index("epoch 1")
    for said in ("ELBO", "nats per example", "active units", "report.html", "zscape sample"):
        assert said in out
    assert "beta = 2.0" in (tmp_path / "s" / "study.toml").read_text()


def test_studies_are_named_without_collision(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        code, out, _ = run("train", "digits", "--epochs", "1", "--json")
        assert code == 0
        assert json.loads(out)["study"] == f"studies/digits-vae-{number}"


def test_a_refused_option_leaves_no_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("train", "digits", "--latent", "0")
    assert code == 64
    assert err.splitlines()[-1].startswith("zscape: latent must be at least 1, got 0.")
    assert "Traceback" not in err


def test_a_recipe_of_ones_own(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from zscape.recipes import vae\n"
        "def small(data, *, latent: int = 2, likelihood: str = 'auto'):\n"
        "    return vae(data, latent=latent, likelihood=likelihood)\n"
    )
    words = ("train", "digits", "--recipe", "mine:small", "--epochs", "1", "--out", "s")
    assert run(*words)[0] == 0
    code, _, err = run("show", "s")
    assert code == 64
    assert "mine:small" in err
    code, out, _ = run("show", "s", "--recipe", "mine:small")
    assert code == 0
    assert "mine:small of digits" in out


VERBS = {
    "sample": ["-n", "6"],
    "reconstruct": ["#0", "#7"],
    "interpolate": ["#0", "#1", "--steps", "4"],
    "traverse": ["#2", "--units", "1", "--steps", "3"],
    "map": [],
}


@pytest.mark.parametrize("study", ["digits", "rows"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_leaves_a_picture(verb, study, studies, run):
    code, out, err = run(verb, studies / study, *VERBS[verb])
    assert (code, err) == (0, "")
    path = Path(out.splitlines()[-1])
    assert path.parent == studies / study / "pictures"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert 40 <= min(picture.size) and max(picture.size) <= 1300
        assert len(picture.convert("L").getcolors()) > 3


def test_a_map_by_umap_says_that_it_is_not_to_scale(studies, run, monkeypatch):
    class Reducer:
        def __init__(self, **options):
            pass

        def fit_transform(self, codes):
            return codes[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Reducer))
    code, out, _ = run("map", studies / "digits", "--method", "umap")
    assert code == 0 and "distances are not to scale" in out and "variance" not in out
    _, out, _ = run("map", studies / "digits", "--method", "umap", "--json")
    told = json.loads(out)
    assert (told["method"], told["to_scale"], told["explained"]) == ("umap", False, None)


@pytest.mark.parametrize("verb", VERBS)
def test_json_is_one_object_and_nothing_else(verb, studies, run):
    code, out, err = run(verb, studies / "digits", *VERBS[verb], "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["verb"] == verb
    assert Path(record["picture"]).is_file()


def test_codes_in_json_are_those_of_the_space(studies, run):
    import zscape as zs

    words = ("interpolate", studies / "digits", "#0", "#1", "--steps", "3", "--json")
    codes = np.array(json.loads(run(*words)[1])["codes"])
    space = zs.open(studies / "digits")
    np.testing.assert_allclose(codes[[0, 2]], space.codes.flat[:2], rtol=1e-6)
    np.testing.assert_allclose(codes[1], codes[[0, 2]].mean(0), rtol=1e-5)


def test_show_says_what_differs_and_what_was_measured(studies, run):
    code, out, _ = run("show", studies / "digits")
    assert code == 0
    for said in ("vae of digits", "latent = 3", "epochs = 2", "ELBO", "weights.safetensors"):
        assert said in out
    assert "batch_size" not in out
    record = json.loads(run("show", studies / "digits", "--json")[1])
    elbo, rate, distortion, active = record["figures"]
    assert elbo["value"] == pytest.approx(-rate["value"] - distortion["value"])
    assert active["value"] <= 3


def test_report_is_written_anew(studies, run):
    page = studies / "digits" / "report.html"
    before = page.read_bytes()
    page.unlink()
    code, out, _ = run("report", studies / "digits")
    assert (code, out.strip()) == (0, str(page))
    assert page.read_bytes()[:100] == before[:100]


def test_samples_as_files(studies, run, tmp_path):
    code, out, _ = run("sample", studies / "digits", "-n", "5", "--out", tmp_path / "s.npy")
    assert (code, out.strip()) == (0, str(tmp_path / "s.npy"))
    assert np.load(tmp_path / "s.npy").shape == (5, 8, 8)
    assert run("sample", studies / "rows", "-n", "5", "--out", tmp_path / "s.csv")[0] == 0
    assert (tmp_path / "s.csv").read_text().splitlines()[0] == "width,kind"
    assert run("sample", studies / "digits", "--out", tmp_path / "s.csv")[0] == 64
    assert run("sample", studies / "rows", "--out", tmp_path / "s.npy")[0] == 64
    assert run("sample", studies / "rows", "--out", tmp_path / "s.jpeg")[0] == 64


def test_items_from_files(studies, run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one thing.png")
    np.save(tmp_path / "one.npy", np.zeros((8, 8), dtype=np.uint8))
    files = tmp_path / "one thing.png", tmp_path / "one.npy"
    assert run("interpolate", studies / "digits", *files)[0] == 0
    assert run("reconstruct", studies / "rows", studies / "rows.csv")[0] == 0
    assert run("reconstruct", studies / "digits", studies / "rows.csv")[0] == 65
    assert run("reconstruct", studies / "rows", files[0])[0] == 65


def test_recipes_and_data_are_listed(run):
    code, out, _ = run("recipes")
    assert code == 0
    assert "tc_vae" in out and "--beta 6.0" in out
    assert json.loads(run("recipes", "--json")[1])["recipes"]["vae"]["options"]["latent"] == 16
    assert "digits" in run("data")[1].split()
    assert "1,797 pictures" in run("data", "digits")[1]
    assert json.loads(run("data", "digits", "--json")[1])["num_examples"] == 1797


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["trian", "digits"], 64, "train"),
        (["train", "digits", "--laten", "3"], 64, "--latent"),
        (["train", "digits", "--latent", "many"], 64, "many"),
        (["train", "digits", "--recipe", "tcvae"], 64, "tc_vae"),
        (["train", "digitz"], 64, "digits"),
        (["train", "digits", "--epochs", "0"], 64, "epochs"),
        (["train", "no/such/folder"], 65, "no/such/folder"),
        (["train", "digits", "--out", "DIGITS"], 65, "empty"),
        (["train"], 64, "DATA"),
        (["sample", "nowhere"], 65, "nowhere"),
        (["sample", "DIGITS", "-n", "0"], 64, "n must be"),
        (["interpolate", "DIGITS", "#0"], 64, "quotes"),
        (["interpolate", "DIGITS", "#0", "#9999"], 65, "#1796"),
        (["interpolate", "DIGITS", "#0", "#x"], 64, "#x"),
        (["interpolate", "DIGITS", "#0", "nothing.png"], 65, "'nothing.png' is not there"),
        (["interpolate", "DIGITS", "#0", "."], 65, "'.' is a folder"),
        (["interpolate", "DIGITS", "#0", "#1", "--method", "sperical"], 64, "spherical"),
        (["traverse", "DIGITS", "--units", "many"], 64, "many"),
        (["traverse", "DIGITS", "--units", "3"], 64, "between 0 and 2"),
        (["map", "DIGITS", "--method", "tsne"], 64, "pca"),
        (["map", "DIGITS", "--seed", "99999999999999999999999"], 64, "between 0 and 4294967295"),
        (["train", "digits", "--seed", "4294967296"], 64, "between 0 and 4294967295"),
        (["compress", "DIGITS", "x.png"], 64, "-o or --out must be given, got none."),
        (["compress", "DIGITS", ".", "-o", "x.zz"], 65, "'.' is a folder"),
        (["decompress", "DIGITS", "x.zz"], 65, "'x.zz' is not there"),
        (["score", "DIGITS", "--threshold", "-1%"], 64, "write --threshold=-1%."),
        (["score", "DIGITS", "--threshold"], 64, "--threshold must have a value, got none."),
        (["studio", "nowhere", "--no-browser"], 65, "nowhere"),
        (["studio", "DIGITS", "--no-browser", "--port", "99999"], 64, "between 0 and 65535"),
        (["map", "DIGITS", "--out", "map.gif"], 64, ".png"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    words, code, said, studies, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = [str(studies / "digits") if word == "DIGITS" else word for word in words]
    got, out, err = run(*words)
    assert got == code
    last = err.splitlines()[-1]
    assert last.startswith("zscape: ") and said in last
    assert "Traceback" not in err and out == ""


def test_bad_cells_are_refused_before_training(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("bad.npy", np.array([[1.5, 2.0], [np.nan, 1.0], [0.5, 0.1]] * 10))
    code, _, err = run("train", "bad.npy")
    assert code == 65
    assert "column 0" in err and "epoch" not in err
    assert not list(tmp_path.glob("studies/*"))


def test_a_damaged_study_is_bad_data(studies, run, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("study.toml", "manifest.json"):
        (broken / name).write_bytes((studies / "digits" / name).read_bytes()[:-20])
    assert run("show", broken)[0] == 65


def test_debug_shows_the_traceback():
    done = process("sample", "nowhere", "--debug")
    _, err = done.communicate(timeout=300)
    assert done.returncode == 65
    assert "Traceback" in err.decode() and "StudyError" in err.decode()


def test_other_misfortunes_have_codes_of_their_own(studies, run, monkeypatch):
    from zscape.cli import verbs

    for error, code in ((MemoryError(), 71), (OSError(28, "No space"), 74), (KeyError("x"), 70)):

        def fail(*words, error=error, **options):
            raise error

        monkeypatch.setattr(verbs, "map_codes", fail)
        got, _, err = run("map", studies / "digits")
        assert got == code
        assert err.startswith("zscape: ") and "Traceback" not in err


def test_a_busy_study(run, tmp_path, monkeypatch):
    from zscape.cli import train as training
    from zscape.errors import BusyError

    def busy(study, **options):
        raise BusyError("The study must not be in use, but process 1 is training it. Wait.")
        yield

    monkeypatch.setattr(training, "train", busy)
    assert run("train", "digits", "--out", tmp_path / "s")[0] == 75


def test_a_study_that_cannot_be_written_still_works(studies, run, tmp_path, monkeypatch):
    from zscape.cli import output
    from zscape.errors import StorageError

    real = output.write_file

    def refuse(path, content):
        if path.is_relative_to(studies):
            raise StorageError(f"{path} must be writable, but is not. Mend it.")
        real(path, content)

    monkeypatch.setattr(output, "write_file", refuse)
    monkeypatch.chdir(tmp_path)
    code, out, err = run("sample", studies / "digits", "-n", "2")
    assert code == 0
    assert "cannot be written" in err
    assert Path(out.strip()).resolve().parent == tmp_path


@pytest.mark.parametrize("name", ["ünï 🍇", "-dash", "a'b\"c", "x" * 100, "new\nline", "[red]x"])
def test_hostile_names(name, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    for index in range(4):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(Path(name) / f"{index}.png")
    code, out, err = run("data", f"./{name}")
    assert code == 0
    assert "4 pictures" in out
    code, out, err = run("train", f"./{name}", "--epochs", "1", "--json")
    assert code == 0, err
    study = json.loads(out)["study"]
    assert run("sample", study, "-n", "1")[0] == 0


def test_an_ascii_locale():
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = process("sample", "ünï🍇", env=ascii_only)
    _, err = done.communicate(timeout=300)
    assert done.returncode == 65
    assert b"Traceback" not in err and b"UnicodeEncodeError" not in err


def test_a_closed_pipe_is_no_error():
    with process("recipes") as done:
        done.stdout.close()
        assert done.wait(timeout=300) == 141
        assert done.stderr.read() == b""


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_keeps_its_study(number, code, run, tmp_path):
    words = ("train", "digits", "--epochs", "100000", "--patience", "0", "--out", tmp_path / "s")
    done = process(*words)
    log = tmp_path / "s" / "training.jsonl"
    limit = time.monotonic() + 300
    while not (log.exists() and log.stat().st_size) and time.monotonic() < limit:
        time.sleep(0.1)
    done.send_signal(number)
    _, err = done.communicate(timeout=300)
    assert done.returncode == code
    assert b"--resume" in err and b"Traceback" not in err
    assert (b"kept in" in err) == (number == signal.SIGINT)  # the other may have little time
    if number == signal.SIGINT:
        assert run("show", tmp_path / "s")[0] == 0
    steps = last_checkpoint(tmp_path / "s").state.plain["step"]
    assert steps > 0
    code, _, err = run("train", "--resume", tmp_path / "s", "--epochs", "1")
    assert code == 0 and f"goes on from step {steps:,}" in err
    assert run("show", tmp_path / "s")[0] == 0
