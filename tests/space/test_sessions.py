import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.logs.written import FAIL, log_of, normal_jobs, strange_jobs

import zscape as zs
from zscape.errors import DataError, SpecError
from zscape.space.sessions import DOUBT, DRAWS, LEAST_SCALE, NOISE, nats_of, reasons, seen, seen_of
from zscape.study.following import follow, judge_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "app.log"
    path.write_text("\n".join(log_of(normal_jobs(300))) + "\n")
    data = zs.look(path, session=r"job-\d+")
    options = {"latent": 2, "network": "mlp:32", "epochs": 15, "learning_rate": 1e-2, "ema": 0.9}
    return zs.fit(data, recipe="vae", **options, seed=0)


@pytest.fixture(scope="module")
def strange():
    """Lines of 30 jobs, three of which are strange: 1007, 1012 and 1020."""
    return log_of(strange_jobs(), seed=3)


def sessions(*rows: list[int], kinds: int = 3, longest: int = 4) -> torch.Tensor:
    """Sessions of event numbers as they are stored."""
    stored = torch.zeros(len(rows), kinds + longest)
    for row, events in zip(stored, rows, strict=True):
        row[:kinds] = torch.bincount(torch.tensor(events), minlength=kinds)
        row[kinds : kinds + len(events)] = torch.tensor(events)[:longest] + 1
    return stored


def test_distances_are_those_of_a_plain_search():
    generator = np.random.default_rng(0)
    known = torch.from_numpy(generator.poisson(1.0, (60, 5))).float()
    asked = torch.from_numpy(generator.poisson(1.5, (40, 5))).float()
    asked[3] = 0
    before = seen(torch.cat([known, torch.zeros(60, 2)], 1), 5)
    scale = known.std(0, correction=0).clamp(min=LEAST_SCALE)
    plain = ((asked[:, None] - known) / scale).abs().sum(-1).min(1).values
    torch.testing.assert_close(before.nearest(asked)[0].float(), plain, atol=1e-4, rtol=1e-4)


def test_a_session_is_no_neighbour_of_itself():
    before = seen(sessions([0, 1], [0, 1], [0, 1, 2]), 3)
    own, _ = before.nearest(torch.tensor([[1.0, 1, 0], [1, 1, 0], [1, 1, 1]]), own=True)
    deviation = math.sqrt(2) / 3
    assert own.tolist() == pytest.approx([0.0, 0.0, 1 / deviation], rel=1e-5)


def test_a_count_that_never_changes_weighs_ten_a_time():
    before = seen(sessions([0, 1], [0, 2], [0, 1]), 3)
    far, _ = before.nearest(torch.tensor([[3.0, 1, 0]]))
    assert far.item() == pytest.approx(2 / LEAST_SCALE)


def test_steps_surprise_by_how_seldom_they_were():
    x = sessions([0, 1], [0, 1], [0, 2])
    before = seen(x, 3)
    surprise = before.surprises(x[:, 3:].long())
    whole = 3 + 4 * DOUBT
    expected = [-math.log(share / whole) for share in (3 + DOUBT, 2 + DOUBT)]
    assert surprise[0, :2].tolist() == pytest.approx(expected, rel=1e-5)
    assert surprise[0, 2].item() == pytest.approx(-math.log((2 + DOUBT) / (2 + 4 * DOUBT)))
    assert (surprise[:, 3:] == 0).all()


def test_what_a_session_did_itself_is_left_out():
    x = sessions([0, 1], [0, 1], [0, 2])
    own = seen(x, 3).surprises(x[:, 3:].long(), own=True)
    without = seen(x[:2], 3).surprises(x[2:, 3:].long())
    torch.testing.assert_close(own[2], without[0])


def test_nats_fall_to_counts_and_events(space):
    stored = space.items[:20]
    nats, rates = nats_of(space, stored)
    assert nats.shape == stored.shape
    order = stored[:, len(space.modality.events) + 1 :]
    assert (nats[:, -order.shape[1] :][order == 0] == 0).all()
    assert (rates >= 0).all()


def test_planted_sessions_are_flagged_and_the_reason_names_them(space, strange):
    judged = {s.name: s for s in follow(space, [strange], threshold=0.01)}
    assert len(judged) == 30
    assert {name for name, s in judged.items() if s.flagged} == {"job-1007", "job-1012", "job-1020"}
    early = judged["job-1007"].reason
    assert "'INFO job-<*> stored on <*> in <*> ms'" in early and "'INFO Checksum of" in early
    assert "expected before" in early or "right after" in early
    assert "Disk failure while writing job-1012 sector" in judged["job-1012"].reason
    assert "Retry" in judged["job-1020"].reason
    assert not any(s.reason for s in judged.values() if not s.flagged)


def test_counts_never_seen_are_told(space, strange):
    found = {s.name: s for s in follow(space, [strange], threshold=0.01)}["job-1020"]
    retry = next(
        e
        for e, t in zip(space.modality.events, space.modality.templates, strict=True)
        if "Retry" in t
    )
    lines = [line for line in strange if "job-1020" in line]
    told = next(reasons(space, seen_of(space), space.modality.encode([lines]), {}))
    assert any(
        f"`{retry}`" in words and "4 times, never more than once" in words for words, _ in told
    )
    assert found.events == len(lines)


def test_a_stream_says_what_a_file_says(space, strange):
    whole = list(follow(space, [strange]))
    pieces = [strange[n : n + 7] for n in range(0, len(strange), 7)]
    assert list(follow(space, pieces)) == whole
    scores = zs.score(space, [[line for line in strange if s.name in line] for s in whole])
    nats = judge_of(space).judge(
        space.modality.encode([[line for line in strange if s.name in line] for s in whole])
    )
    told = [n for n, *_ in nats]
    torch.testing.assert_close(scores.surprise.tolist(), told, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scores.p.tolist(), [s.p for s in whole], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("threshold", [0.2, 0.001])
def test_flagged_is_p_at_most_the_threshold(space, strange, threshold):
    judged = list(follow(space, [strange], threshold=threshold))
    assert [s.flagged for s in judged] == [0 < s.p <= threshold for s in judged]
    assert any(s.flagged for s in judged)


def test_lines_of_no_session_are_refused_at_the_end(space):
    with pytest.raises(DataError, match=r"got 2 lines and none that matches 'job-\\d\+'"):
        list(follow(space, [["a,b"], ["1,2"]]))
    with pytest.raises(SpecError, match="idle must be at least 1 line, got -5"):
        follow(space, [], idle=-5)


def test_a_session_that_comes_back_says_so(space, strange):
    assert not any(s.again for s in follow(space, [strange]))
    found = [s.name for s in follow(space, [strange], idle=3) if s.again]
    assert found and set(found) <= {s.name for s in follow(space, [strange])}


def test_idle_sessions_are_judged_before_the_end(space, strange):
    pieces = ([line] for line in strange)
    first = next(iter(follow(space, pieces, idle=20)))
    assert first.name.startswith("job-")
    assert next(pieces, None) is not None  # there is more to come


def test_scores_that_count_can_be_named(space, strange):
    found = {s.name for s in follow(space, [strange], parts=("count_neighbours",)) if s.flagged}
    assert found == {"job-1012", "job-1020"}  # the third has usual counts in an odd order
    with pytest.raises(SpecError, match="Unknown score 'neighbours'"):
        judge_of(space, ("neighbours",))


def test_every_flagged_session_has_a_true_reason_though_training_knew_its_line(tmp_path):
    jobs, known = normal_jobs(200), tmp_path / "app.log"
    for place in (5, 9, 33):
        jobs[place].insert(2, FAIL)
    known.write_text("\n".join(log_of(jobs)) + "\n")
    for place in (50, 120):
        jobs[place].insert(2, FAIL)
    lines = log_of(jobs)
    options = {"latent": 2, "network": "mlp:32", "epochs": 6, "learning_rate": 1e-2}
    some = zs.fit(zs.look(known, session=r"job-\d+"), recipe="vae", **options, seed=0)
    judged = [s for s in follow(some, [lines], threshold=0.05) if s.flagged]
    assert {"job-1005", "job-1033", "job-1050", "job-1120"} <= {s.name for s in judged}
    assert not [s.reason for s in judged if " nats)" not in s.reason]
    for one in judged:
        if any("Disk failure" in line and one.name in line for line in lines):
            assert "as in 3 of 200 normal sessions" in one.reason and "Disk failure" in one.reason
    own = zs.score(some, threshold=0.05)
    assert own.flagged.any()
    assert all(str(zs.explain(some, int(n))) for n in own.flagged.nonzero().flatten())


def test_explain_names_events(space, strange):
    lines = [line for line in strange if "job-1012" in line]
    told = str(zs.explain(space, [lines]))
    assert "1 line like none in training" in told and "an unseen event" in told


def test_other_studies_follow_nothing():
    rows = zs.fit(np.random.default_rng(0).normal(size=(64, 3)), latent=2, epochs=1)
    with pytest.raises(SpecError, match="by a study of a log"):
        judge_of(rows)


def test_costs_are_those_where_codes_were_trained_and_the_same_in_any_company(space):
    """A code that says nothing is drawn from all over: its centre is where none ever was."""
    x = space.modality.prepare(space.items)
    model = copy.deepcopy(space.model)
    with torch.no_grad():
        posterior = model.levels[0].posterior.linear
        posterior.weight.zero_()  # collapsed: N(0, I) whatever the session
        posterior.bias.zero_()
        generator = torch.Generator().manual_seed(NOISE)
        z = torch.randn(DRAWS, 1, 2, generator=generator)
        said = model(x, draws=DRAWS, given={"z": z}).likelihood.log_prob_per_unit(x)
        costs, rates = nats_of(replace(space, model=model), space.items)
        alone, _ = nats_of(replace(space, model=model), space.items[7:8])
    torch.testing.assert_close(costs, -said.mean(0).double(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(costs[7:8], alone, rtol=1e-4, atol=1e-5)
    assert rates.abs().max() < 1e-6
