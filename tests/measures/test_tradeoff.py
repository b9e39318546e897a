import math
from statistics import stdev
from xml.etree import ElementTree

import pytest

from zscape.measures.curves import Interval, interval_chart, standalone, trade_chart, value_chart
from zscape.measures.figure import Figure, undefined
from zscape.measures.tradeoff import Choice, Measured, knee, over_seeds, points, sweet_spot


def figure(value, error=None, name="x"):
    return Figure(name, value, "nats", "bound", error)


def run(value, rate, distortion, *, seed=0, error=0.5):
    elbo = -(rate + distortion)
    return Measured(value, seed, figure(elbo, error), figure(rate), figure(distortion), figure(3.0))


def hyperbola(values=(0.25, 0.5, 1.0, 2.0, 4.0), seeds=1):
    """D = 16 / R with R = 4 / sqrt(beta), so dD/dR = -beta: symmetric, its knee is at beta 1."""
    return [
        run(b, 4 / math.sqrt(b) + 0.01 * s, 4 * math.sqrt(b) + 0.02 * s, seed=s)
        for s in range(seeds)
        for b in values
    ]


def test_over_seeds_is_the_mean_and_its_standard_error():
    got = over_seeds([figure(1.0, 9.0), figure(2.0, 9.0), figure(6.0, 9.0)])
    assert got.value == pytest.approx(3.0)
    assert got.error == pytest.approx(stdev([1.0, 2.0, 6.0]) / math.sqrt(3))
    assert (got.kind, got.unit) == ("bound", "nats")


def test_over_one_seed_keeps_the_error_over_examples():
    assert over_seeds([figure(1.0, 9.0)]).error == 9.0


def test_points_group_by_value_in_the_order_they_come():
    found = points([run(2.0, 1, 5, seed=0), run(1.0, 3, 4, seed=0), run(2.0, 2, 5, seed=1)])
    assert [(p.value, p.seeds) for p in found] == [(2.0, (0, 1)), (1.0, (0,))]
    assert found[0].rate.value == pytest.approx(1.5)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_knee_of_a_hyperbola_is_in_its_middle(seeds):
    found = knee(hyperbola(seeds=seeds))
    assert found.value == 1.0
    told = "One seed alone" if seeds == 1 else "3 of 3 seeds alone"
    assert told in found.reason


def test_the_knee_by_hand():
    # x = 0, 0.1, 1 and y = 1, 0.3, 0: 1 - x - y = 0, 0.6, 0.
    found = knee([run(9.0, 0, 10), run(3.0, 1, 3), run(1.0, 10, 0)])
    assert found.value == 3.0
    assert "saved 7.00 nats" in found.reason
    assert "only 0.33" in found.reason


def test_the_order_of_the_runs_does_not_matter():
    assert knee(hyperbola(seeds=2)[::-1]).value == 1.0


def test_a_straight_curve_has_no_knee():
    assert knee([run(b, b, 10 - b) for b in (1.0, 2.0, 5.0)]).value is None


def test_a_bend_within_the_noise_is_none():
    noisy = [
        run(b, b, 10 - b + d, seed=s)
        for s, ds in enumerate([(0, -2.0, 0), (0, 1.9, 0), (0, -0.3, 0)])
        for b, d in zip((1.0, 3.0, 5.0), ds, strict=True)
    ]
    found = knee(noisy)
    assert found.value is None
    assert "noise" in found.reason


def test_no_trade_has_no_knee():
    assert "no trade" in knee([run(b, b, b) for b in (1.0, 2.0, 5.0)]).reason
    assert "three values" in knee(hyperbola(values=(0.5, 1.0))).reason


def test_points_without_a_rate_have_no_choices():
    point = Measured(1, 0, *(undefined(n, "nats") for n in ("e", "r")), figure(3.0), figure(2.0))
    assert knee([point]).value is None
    assert sweet_spot([point]).value is None


def family(shortfalls, rates=(9.0, 7.0, 2.0)):
    """Three values with ELBOs of -100 - 10 per seed less the shortfalls of each seed."""
    return [
        run(value, rate, 100 + 10 * seed + short - rate, seed=seed)
        for seed, shorts in enumerate(shortfalls)
        for value, rate, short in zip((0.5, 1.0, 4.0), rates, shorts, strict=True)
    ]


def test_the_best_value_is_the_cheapest_within_a_standard_error():
    # Shortfalls of 1.0: -0.3, 0.4, 0.2: mean 0.1, standard error 0.21; of 4.0: always 3.
    found = sweet_spot(family([(0, -0.3, 3), (0, 0.4, 3), (0, 0.2, 3)]))
    assert found.value == 1.0
    assert "7.0 nats against 9.0" in found.reason
    # Shortfalls of 1.0: 0.2, 0.3, 0.4: small, but the same in every seed.
    found = sweet_spot(family([(0, 0.2, 3), (0, 0.3, 3), (0, 0.4, 3)]))
    assert found.value == 0.5
    assert "sweep further" in found.reason


def test_ups_and_downs_that_seeds_share_are_no_doubt():
    # Over seeds the ELBO varies by 10 nats; the collapsed code is 1 nat worse in each.
    found = sweet_spot(family([(0, 0.5, 1), (0, 0.5, 1.01)], rates=(9.0, 7.0, 0.0)))
    assert found.value == 0.5


def test_with_one_seed_the_highest_elbo_is_taken():
    found = sweet_spot(family([(0.01, 0, 0.01)]))
    assert found.value == 1.0
    assert "one seed alone" in found.reason


def test_charts_are_well_formed_and_mark_what_is_chosen():
    found = points(hyperbola(seeds=2))
    marks = {"knee": Choice(1.0, ""), "best": Choice(0.5, "")}
    for draw in (trade_chart, value_chart):
        chart = draw(found, label="a <b>", **marks)
        drawn = ElementTree.fromstring(standalone(chart))
        circles = [e for e in drawn.iter() if e.tag.endswith("circle")]
        assert len(circles) == 6  # five values and the ring of the knee
        assert sum("--second" in circle.get("style") for circle in circles) == 1
        assert "<b>" not in chart


def test_intervals_stand_where_their_values_are():
    rows = [Interval("a", 1.0, 0.0, 2.0), Interval("<i>", 3.0, None, None)]
    drawn = ElementTree.fromstring(standalone(interval_chart(rows, zero=True, label="x")))
    x = [float(e.get("cx")) for e in drawn.iter() if e.tag.endswith("circle")]
    spans = [e.get("points").split() for e in drawn.iter() if e.tag.endswith("polyline")]
    low, high = (float(place.split(",")[0]) for place in spans[1])
    assert x[0] == pytest.approx((low + high) / 2, abs=0.2)
    assert x[1] > high
