import json
import multiprocessing
import shutil

import numpy as np
import pytest
import torch

import zscape as zs
from zscape.errors import BusyError, DataError, SpecError, StorageError, StudyError
from zscape.study.storage.folder import read_file, write_file, write_folder
from zscape.study.storage.lock import Lock
from zscape.study.study import Study

FILES = {"study.toml", "weights.safetensors", "codes.safetensors", "items.safetensors"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("studies") / "digits näïve 数"
    space = zs.fit("digits", out=path, latent=4, epochs=2, network="mlp:32")
    return path, space


def copied(trained, tmp_path):
    return shutil.copytree(trained[0], tmp_path / "copy")


def test_the_folder_is_as_designed(trained):
    path, _ = trained
    names = {entry.name for entry in path.iterdir()}
    assert FILES | {"training.jsonl", "manifest.json", "report.html", "study.lock"} <= names
    assert not [name for name in names if name.endswith(".tmp")]
    listed = json.loads((path / "manifest.json").read_text())["files"]
    assert FILES | {"training.jsonl", "report.html"} <= listed.keys()
    assert str(path.parent) not in (path / "study.toml").read_text()


def test_reopening_gives_the_same_outputs_to_the_bit(trained, tmp_path):
    path, space = trained
    for folder in (path, copied(trained, tmp_path)):
        again = zs.open(folder)
        assert torch.equal(again.codes.flat, space.codes.flat)
        assert np.array_equal(again.decode(again.codes[:9]), space.decode(space.codes[:9]))
        assert np.array_equal(again.sample(5, seed=1), space.sample(5, seed=1))
        pictures = space.modality.decode(space.modality.prepare(space.items[:7]))
        assert torch.equal(again.encode(pictures).flat, space.encode(pictures).flat)
        assert np.array_equal(again.labels, space.labels)


def test_opening_writes_nothing(trained):
    path, _ = trained
    before = {entry: entry.stat().st_mtime_ns for entry in path.rglob("*")}
    zs.open(path)
    assert before == {entry: entry.stat().st_mtime_ns for entry in path.rglob("*")}


def test_opening_leaves_the_caller_s_randomness_alone(trained):
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(7)
    zs.open(trained[0]).sample(2, seed=3)
    assert torch.equal(torch.randn(3), expected)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "remove", "link"])
def test_a_damaged_file_is_noticed_and_named(trained, tmp_path, name, harm):
    path = copied(trained, tmp_path)
    file = path / name
    content = bytearray(file.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
    elif harm == "truncate":
        file.write_bytes(content[:-3])
    elif harm == "empty":
        file.write_bytes(b"")
    elif harm == "remove":
        file.unlink()
    else:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.write_bytes(content)
        file.unlink()
        file.symlink_to(elsewhere)
    with pytest.raises(StudyError, match=name):
        zs.open(path)


@pytest.mark.parametrize("manifest", ["", "{}", "[]", '{"format": 1, "files": 3}', "\xff"])
def test_a_damaged_manifest_is_noticed(trained, tmp_path, manifest):
    path = copied(trained, tmp_path)
    (path / "manifest.json").write_text(manifest, encoding="latin-1")
    with pytest.raises(StudyError, match="manifest"):
        zs.open(path)


def test_a_newer_format_asks_for_an_upgrade(trained, tmp_path):
    path = copied(trained, tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(StudyError, match="Upgrade"):
        zs.open(path)


def test_no_study_is_told_apart(tmp_path):
    with pytest.raises(StudyError, match="must be a folder"):
        zs.open(tmp_path / "nothing")
    with pytest.raises(StudyError, match=r"manifest\.json"):
        zs.open(tmp_path)


def test_a_foreign_recipe_is_never_imported(trained, tmp_path):
    path = copied(trained, tmp_path)
    text = (path / "study.toml").read_text().replace('"vae"', '"antigravity:fly"')
    write_folder(path, {"study.toml": text.encode()})
    with pytest.raises(SpecError, match="one of ours"):
        zs.open(path)
    import sys

    assert "antigravity" not in sys.modules
    from zscape.recipes import vae

    assert zs.open(path, recipe=vae).codes.flat.shape == (1797, 4)


def test_a_full_folder_is_not_written_over(trained):
    with pytest.raises(StudyError, match="new or empty"):
        zs.fit("digits", out=trained[0])


def test_breaking_off_leaves_a_study_that_opens(tmp_path):
    study = zs.prepare("digits", out=tmp_path / "s", latent=2, network="mlp:16", epochs=50)
    for progress in zs.train(study):
        if progress.epoch == 2:
            break
    space = zs.open(tmp_path / "s")
    assert space.codes.flat.shape == (1797, 2)
    assert Study.open(tmp_path / "s").log()[-1]["epoch"] == 2


def test_a_trained_study_is_not_trained_again(trained):
    with pytest.raises(StudyError, match="this one was opened"):
        next(zs.train(Study.open(trained[0])))


def _hold(path, started, release):
    with Lock(path):
        started.set()
        release.wait(20)


def test_two_processes_cannot_train_one_study(tmp_path):
    context = multiprocessing.get_context("spawn")
    started, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path, started, release))
    process.start()
    started.wait(20)
    with pytest.raises(BusyError, match=f"process {process.pid}"), Lock(tmp_path):
        pass
    process.kill()
    process.join()
    with Lock(tmp_path):  # the kernel freed it
        pass


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_folder(tmp_path, {"a": b"old"})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="3 bytes"):
        write_file(tmp_path / "a", b"new")
    monkeypatch.undo()
    assert read_file(tmp_path, "a") == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "manifest.json"]


@pytest.mark.parametrize(
    "wrong",
    [{"latent": 0}, {"epochs": 0}, {"ema": 1.0}, {"precision": "half"}, {"device": "tpu"}],
)
def test_a_mistake_leaves_no_folder(tmp_path, wrong):
    with pytest.raises(SpecError):
        zs.prepare("digits", out=tmp_path / "s", **wrong)
    assert not (tmp_path / "s").exists()


def test_a_study_in_training_is_busy_for_others(tmp_path):
    path = tmp_path / "s"
    records = zs.train(zs.prepare("digits", out=path, latent=2, network="mlp:16", epochs=2))
    next(records)
    for attempt in (lambda: zs.prepare("digits", out=path), lambda: zs.open(path)):
        with pytest.raises(BusyError, match="is training it"):
            attempt()
    records.close()
    assert len(zs.open(path).codes) == 1797


def test_text_is_no_item(trained):
    with pytest.raises(DataError, match="write 12"):
        zs.interpolate(trained[1], "#0", "#1")
    assert repr(trained[1]).startswith("Space(1,797 codes of 4 units")
