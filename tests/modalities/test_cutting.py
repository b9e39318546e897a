from datetime import UTC, datetime

import pytest

from zscape.errors import SpecError
from zscape.modalities.cutting import Cut, Cutter, clock_of, cut_of, message_of


def cut(lines: list[str], how: Cut, *, idle: int = 0) -> list[tuple[str, list[int]]]:
    cutter = Cutter(how, idle=idle)
    over = [s for number, line in enumerate(lines) for s in cutter.add(line, number)]
    return [(s.name, s.events.tolist()) for s in over + cutter.rest()]


def test_by_id_the_lines_of_a_session_need_not_follow_each_other():
    lines = ["start j1", "start j2", "no id", "end j1", "both j1 j2"]
    assert cut(lines, Cut(r"j\d+")) == [("j1", [0, 3, 4]), ("j2", [1, 4])]


def test_a_group_of_the_pattern_is_the_id():
    assert cut(["id=7 a", "id=8 b", "id=7 c"], Cut(r"id=(\d)")) == [("7", [0, 2]), ("8", [1])]


def test_a_session_is_over_once_enough_lines_went_by():
    cutter = Cutter(Cut(r"j\d"), idle=3)
    over = [[s.id for s in cutter.add(line, 0)] for line in ("j1", "j2", "j2", "j2", "j2")]
    assert over == [[], [], [], ["j1"], []]
    assert [s.id for s in cutter.rest()] == ["j2"]


def test_what_is_open_does_not_grow_with_the_lines():
    cutter = Cutter(Cut(r"j\d+"), idle=50)
    over = sum(len(cutter.add(f"j{number}", 0)) for number in range(5_000))
    assert over + len(cutter.rest()) == 5_000
    assert over >= 4_950


def test_by_number():
    assert cut(list("abcde"), Cut(window=2)) == [
        ("lines 1 to 2", [0, 1]),
        ("lines 3 to 4", [2, 3]),
        ("lines 5 to 5", [4]),
    ]


def test_by_time():
    lines = ["12:00:01 a", "12:00:04 b", "no time", "12:00:11 c", "12:00:19 d", "12:00:31 e"]
    dated = [f"2024-03-01 {line}" if line[0] == "1" else line for line in lines]
    assert [events for _, events in cut(dated, Cut(seconds=10))] == [[0, 1, 2], [3, 4], [5]]


@pytest.mark.parametrize(
    "line",
    [
        "2015-10-18 18:01:47,978 INFO x",
        "[2015/10/18 18:01:47] x",
        "15/10/18 18:01:47 INFO x",
        "151018 180147 148 INFO x",
        "- 1445191307 2015.10.18 x",
    ],
)
def test_times_of_many_kinds(line: str):
    expected = datetime(2015, 10, 18, 18, 1, 47, tzinfo=UTC).timestamp()
    assert clock_of(line) == expected


def test_times_without_a_year_and_no_times():
    assert clock_of("Jan  2 00:00:10 host x") == 86_400 + 10
    assert clock_of("nothing here") is None
    assert clock_of("2015-99-99 18:01:47 x") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("081109 203615 148 INFO dfs: x 1", "INFO dfs: x 1"),
        ("[Sun Dec 04 04:47:44 2005] [notice] done", "[notice] done"),
        ("Jun 14 15:16:01 combo sshd: x", "combo sshd: x"),
        ("2015-07-29 17:41:44,747 - INFO  [a] - x", "INFO  [a] - x"),
        ("plain words", "plain words"),
        ("12 34", "34"),
    ],
)
def test_when_it_was_said_is_no_part_of_a_message(line: str, expected: str):
    assert message_of(line) == expected


def test_bad_ways_are_refused():
    with pytest.raises(SpecError, match="in one way, got several"):
        cut_of(session="a", window=3)
    with pytest.raises(SpecError, match=r"must be a regular expression, got '\('"):
        cut_of(session="(")
    with pytest.raises(SpecError, match="at least 1 line"):
        cut_of(window=-1)
    with pytest.raises(SpecError, match="at least 1 line or more than 0 seconds, got 0"):
        cut_of(window=0)
    with pytest.raises(SpecError, match="more than 0 seconds, got 0"):
        cut_of(seconds=0.0)
    assert cut_of() == Cut(window=20)
