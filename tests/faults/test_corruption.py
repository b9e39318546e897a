"""Whatever is damaged in a study, reading it tells, and names the file.

The benchmark `faults` damages every file in 228 ways; here it is a dozen and a half.
"""

import shutil

import pytest
from tests.faults.corruption import damages, offered

from zscape.errors import StudyError
from zscape.study.checkpoints import CHECKPOINTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studies(ward, true):
    other = ward.folder / "digits"
    words = ["train", "digits", "--out", other, "--epochs", "1", "--network", "mlp:8"]
    assert ward.runner.run(words).code == 0
    return true, other


def test_no_damage_is_silent(studies):
    found = list(damages(*studies, cuts=3, flips=5))
    assert len(found) > 250
    assert [damage for damage in found if damage.wrong] == []
    assert sum(damage.told for damage in found) > len(found) / 2


def test_the_state_before_the_last_is_checked_as_well(studies, tmp_path):
    study = shutil.copytree(studies[0], tmp_path / "study")
    newest, _ = sorted((study / CHECKPOINTS).iterdir(), key=lambda path: -int(path.name))
    shutil.rmtree(newest)
    found = [d for d in damages(study, studies[1], cuts=2, flips=2) if CHECKPOINTS in d.file]
    assert [damage for damage in found if damage.wrong] == []
    assert all(damage.told for damage in found if damage.file.endswith(".safetensors"))


def test_the_comparison_sees_what_differs(studies):
    assert offered(studies[0]) == offered(studies[0]) != offered(studies[1])


def test_damage_of_everything_is_an_error(studies, tmp_path):
    study = shutil.copytree(studies[0], tmp_path / "study")
    for path in study.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(StudyError):
        offered(study)
