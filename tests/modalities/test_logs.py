import gzip

import numpy as np
import pytest
import torch
from tests.logs.written import log_of, normal_jobs

from zscape.errors import DataError, ShapeError, SpecError
from zscape.modalities.cutting import likely_ids
from zscape.modalities.logs import LONGEST, MOST_EVENTS, Logs, find_logs, parsed
from zscape.study.data import look, things_like

JOBS = normal_jobs(30)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "app.log"
    path.write_text("\n".join(log_of(JOBS)) + "\n")
    return path


def test_lines_become_sessions_of_events_in_their_order(written):
    seen = look(written, session=r"job-\d+")
    assert seen.modality.events == tuple(f"E{n}" for n in range(1, 7))
    assert len(seen.x) == len(JOBS) == len(seen.names)
    by_template = dict(zip(seen.modality.events, seen.modality.templates, strict=True))
    decoded = seen.modality.decode(seen.modality.prepare(seen.x))
    for name, events in zip(seen.names, decoded, strict=True):
        job = JOBS[int(name.removeprefix("job-")) - 1000]
        assert [by_template[e].split()[1:2] for e in events] == [
            ["job-<*>"] if line.startswith("job-") else [line.split()[0]] for line in job
        ]
    assert "30 sessions of 6 to 8 events" in seen.notes[0]


def test_a_log_is_read_as_it_was_in_training(written, tmp_path):
    seen = look(written, session=r"job-\d+")
    packed = tmp_path / "same.log.gz"
    packed.write_bytes(gzip.compress(written.read_bytes()))
    things, _ = things_like(seen.modality, packed)
    assert torch.equal(seen.modality.encode(things), seen.x)


def test_lines_themselves_can_be_encoded(written):
    seen = look(written, session=r"job-\d+")
    lines = written.read_text().splitlines()
    mine = [line for line in lines if "job-1000" in line]
    row = seen.names.index("job-1000")
    assert torch.equal(seen.modality.encode([mine])[0], seen.x[row])


def test_windows_where_nothing_is_said(written):
    seen = look(written)
    lines = len(written.read_text().splitlines())
    assert len(seen.x) == -(-lines // 20)
    assert seen.modality.longest == 20


def test_where_nothing_is_said_and_most_lines_name_an_id_a_pattern_of_it_is_told(written):
    [told] = [note for note in look(written).notes if "--session" in note]
    assert "such as job-10" in told and r"--session 'job-\d+'" in told
    for asked in ({"session": r"job-\d+"}, {"window": 10}):
        assert not any("--session" in note for note in look(written, **asked).notes)


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("2008-11-09 20:35:32 INFO dfs: received blk_-{id} of size 67108864", r"blk_-?\d+"),
        ("{id} done", ""),  # a number alone names nothing
        ("port 80 of host1 after try{id}", ""),  # each try is of one line
        ("no number", ""),
    ],
)
def test_an_id_is_a_word_with_a_number_of_several_lines_each(line, pattern):
    few = 1 if "try" in line else 4
    lines = [line.format(id=1000 + n // few) for n in range(200)]
    assert likely_ids(lines)[0] == pattern


def test_unseen_events_count_among_the_others():
    logs = find_logs(parsed([["a", "b"], ["a", "a", "b"]])).modality
    assert logs.encode([["a", "zzz", "zzz"]]).tolist() == [[1, 0, 2, 1, 3, 3]]
    assert logs.decode(logs.prepare(logs.encode([["a", "zzz"]]))) == [["a", "?"]]


def test_long_sessions_are_counted_whole():
    session = ["a", "b"] * LONGEST
    logs = find_logs(parsed([session, ["a"]])).modality
    x = logs.encode([session])
    assert x[0, :3].tolist() == [LONGEST, LONGEST, 0]
    assert x.shape[1] == 3 + LONGEST
    back = logs.decode(logs.prepare(x))[0]
    assert back[:LONGEST] == session[:LONGEST]
    assert sorted(back) == sorted(session)


def test_a_model_may_think_of_any_number():
    logs = find_logs(parsed([["a", "b"] * LONGEST, ["a"]])).modality
    x = logs.prepare(logs.encode([["a", "b"] * LONGEST]))
    x[0, 0] = 5e8
    assert len(logs.decode(x)[0]) < 2_000


def test_seldom_events_count_as_one():
    sessions = [[f"e{n}", f"e{n}"] for n in range(MOST_EVENTS)] + [["rare", "rarer"]]
    found = find_logs(parsed(sessions))
    assert len(found.modality.events) == MOST_EVENTS
    assert found.x[-1, MOST_EVENTS] == 2
    assert any("2 most seldom events count as one" in note for note in found.notes)
    assert found.x.dtype == torch.float32  # 257 kinds of place do not fit a byte


def test_lists_from_python():
    assert isinstance(look([["a", "b"], ["b", "a"]]).modality, Logs)
    assert look([[5, 22, 5], [5, 9]]).modality.events == (5, 22, 9)
    assert not isinstance(look([[5, 22], [5, 9], [3, 4]]).modality, Logs)  # rows of numbers


def test_repeats_are_shown_counted():
    found = find_logs(parsed([["a", "b", "b", "b"], ["a", "a"]]))
    shown = found.modality.show(found.modality.prepare(found.x))
    assert shown.cells == (("4", "a bx3"), ("2", "ax2"))


def test_bad_input_is_refused(tmp_path):
    empty = tmp_path / "empty.log"
    empty.write_text("nothing\nof use\n")
    with pytest.raises(DataError, match=r"2 lines and none that match 'job"):
        look(empty, session=r"job-\d+")
    with pytest.raises(SpecError, match="are for files of log lines, got digits"):
        look("digits", session="x")
    logs = find_logs(parsed([["a", "b"], ["a"]])).modality
    with pytest.raises(ShapeError, match="lists of events or of lines"):
        logs.encode("a b")
    with pytest.raises(DataError, match="at least one event"):
        logs.encode([["a"], []])


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path):
    path = tmp_path / "wild.log"
    noise = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    path.write_bytes(b"a b 1\n" * 50 + noise + b"\n" + b"x" * 100_000 + b"\n" + b"a b 2\n" * 50)
    assert len(look(path).x) >= 5
