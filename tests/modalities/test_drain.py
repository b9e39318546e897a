import time

import pytest
from tests.logs.written import TEMPLATES, log_of, normal_jobs

from zscape.modalities.cutting import message_of
from zscape.modalities.drain import GAP, Drain, masked


def test_planted_templates_are_found():
    drain = Drain()
    for line in log_of(normal_jobs(50)):
        drain.event_of(message_of(line))
    assert set(drain.templates) == {
        "INFO job-<*> accepted from <*>",
        "INFO Fetching <*> bytes for job-<*> to <*>",
        "INFO Checksum of job-<*> is <*>",
        "INFO Retry <*> of job-<*> after timeout",
        "INFO job-<*> stored on <*> in <*> ms",
        "INFO Finished job-<*> with code <*>",
    }
    assert len(drain) == len(TEMPLATES)


def test_digits_in_a_word_are_a_gap_of_it():
    drain = Drain()
    for number in (15, 582):
        drain.event_of(f"login user{number} from 10.0.0.{number}")
    assert drain.templates == ("login user<*> from <*>",)
    assert Drain(("login user0 from <*>",), learns=False).event_of("login user7 from 1") == 0


def test_words_that_vary_become_gaps():
    drain = Drain()
    events = [drain.event_of(f"session of user {name} was closed") for name in ("ann", "bob")]
    assert events == [0, 0]
    assert drain.templates == (f"session of user {GAP} was closed",)


def test_lines_that_share_too_little_are_of_two_templates():
    drain = Drain()
    events = [drain.event_of(line) for line in ("link is up now", "link is down again")]
    assert events == [0, 1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("took 12 ms", "took <*> ms"),
        ("took 12ms at 10:20:30", "took <*> at <*>"),
        ("from 10.0.0.1:8080 to /10.0.0.2", "from <*> to <*>"),
        ("block blk_-1608999687919862906 ok", "block blk_<*> ok"),
        ("at 0xdeadBEEF and 00ff12ab", "at <*> and <*>"),
        ("read /var/log/app.log, then stop", "read <*>, then stop"),
        (r"read C:\temp\a.txt now", "read <*> now"),
        ("GET https://example.org/a?b=1 done", "GET <*> done"),
        ("open proxy.example.com:5070 through it", "open <*> through it"),
        ("class org.apache.Thing started", "class org.apache.Thing started"),
        ("login user15 of v2b", "login user<*> of v<*>b"),
        ("temp is -3.5, not +7", "temp is <*>, not <*>"),
    ],
)
def test_masks(line: str, expected: str):
    assert masked(line) == expected


def test_a_miner_that_does_not_learn_stays_as_it_is():
    known = ("user <*> came", "user <*> went")
    miner = Drain(known, learns=False)
    assert [miner.event_of(line) for line in ("user 7 came", "user 8 went", "disk full")] == [
        0,
        1,
        -1,
    ]
    assert miner.templates == known


def test_parameters_are_the_words_in_the_gaps():
    miner = Drain(("user <*> came from <*>",), learns=False)
    assert miner.parameters_of("user 7 came from 10.0.0.1") == ("7", "10.0.0.1")
    assert miner.parameters_of("something else") == ()


def test_what_is_remembered_does_not_change_what_is_found(monkeypatch):
    lines = [message_of(line) for line in log_of(normal_jobs(40))]
    plenty = Drain()
    expected = [plenty.event_of(line) for line in lines]
    monkeypatch.setattr("zscape.modalities.drain.REMEMBERED", 2)
    little = Drain()
    assert [little.event_of(line) for line in lines] == expected


@pytest.mark.parametrize(
    "line", ["a" * 4096, "0." * 2048, "a0-" * 1300, "a." * 2048, "/" * 4096, "0:" * 2000 + "x"]
)
def test_no_line_takes_long(line: str):
    start = time.process_time()
    Drain().event_of(message_of(line))
    assert time.process_time() - start < 0.5
