"""A fleet: the slow nodes are found and no others, the likely cause is named, and what changed when."""

import copy
import random
from dataclasses import replace

import made_up
import msgspec
import pytest
from compared import of_cpu, run

from labkit import stats
from labkit.errors import UserError
from labkit.records import fleet
from labkit.records.find import gather
from labkit.records.model import Estimate

SLOW, NODES = 0.10, 500
# np.matmul at N = 1024 in ten quick runs on one machine: GFLOPS, and fraction of peak with its interval.
RECORDED = (
    *((100.7, 0.8755, 0.8610, 0.8902), (100.6, 0.8758, 0.8612, 0.8906), (98.1, 0.8553, 0.8407, 0.8701)),
    *((99.2, 0.8630, 0.8481, 0.8783), (99.8, 0.8657, 0.8500, 0.8817), (98.2, 0.8596, 0.8434, 0.8761)),
    *((100.2, 0.8766, 0.8617, 0.8918), (97.9, 0.8642, 0.8493, 0.8793), (98.1, 0.8565, 0.8410, 0.8723)),
    (94.8, 0.8381, 0.8216, 0.8548),
)


def made_up_fleet(rng, slow, nodes=NODES, between=0.008):
    """Nodes of one CPU, each with figures of a recorded run times a factor of its own; the first ones are slow."""
    found = {}
    for i in range(nodes):
        gflops, *fraction = rng.choice(RECORDED)
        factor = rng.gauss(1, between) * (1 - SLOW * (i < slow))
        fraction = Estimate(**dict(zip(("value", "low", "high"), [factor * f for f in fraction], strict=True)))
        rate = Estimate(value=factor * gflops, low=factor * gflops * 0.99, high=factor * gflops * 1.01)
        steady = {what: rng.gauss(1, 2 * between) for what in (fleet.PEAK, fleet.DRAM)}
        rest = {(what, None): Estimate(value=v, low=v * 0.99, high=v * 1.01) for what, v in steady.items()}
        found[i] = {(fleet.MATMUL, 1024): rate, (fleet.FRACTION, 1024): fraction, **rest}
    return found


def outside(found):
    return {node.run for kind in fleet.judged("a CPU", found) for node in kind.nodes if node.outlier}


def test_of_500_nodes_the_slow_are_found_and_less_than_one_other_a_fleet():
    rng, slow, fleets = random.Random(42), NODES // 100, 12
    named = [outside(made_up_fleet(rng, slow)) for _ in range(fleets)]
    assert sum(len(one & set(range(slow))) for one in named) >= 0.95 * slow * fleets
    assert sum(len(one - set(range(slow))) for one in named) < fleets


@pytest.mark.parametrize("nodes", [4, 5, 8, 40])
def test_of_twenty_fleets_without_a_slow_node_at_most_one_has_an_outlier_however_few_its_nodes(nodes):
    rng, fleets = random.Random(7), 100
    assert sum(bool(outside(made_up_fleet(rng, 0, nodes))) for _ in range(fleets)) <= fleets / 20


def slow_node(speed=0.7, change=lambda manifest: None, **how):
    made = run("slow", speed=speed, **how)
    change(made.manifest)
    return made


def fleet_with(*others, many=3):
    return fleet.judge([*(run(f"node{i}", speed=1 + 0.004 * i) for i in range(many)), *others])


def test_one_node_of_four_that_is_30_percent_slower_is_found_with_factor_and_interval():
    found = fleet_with(slow_node())
    assert [(one.run, one.what) for one in found.outliers] == [(3, fleet.MATMUL)]
    assert found.outliers[0].ratio.low < 0.7 < found.outliers[0].ratio.high < 0.75
    assert found.outliers[0].causes == [fleet.UNKNOWN]
    assert fleet_with(run("fine")).outliers == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: setattr(m.blas, "kernel", "Sandybridge"), "BLAS kernel Sandybridge, the others Haswell"),
        (lambda m: m.versions.update(numpy="1.26.4"), "NumPy 1.26.4, the others 2.4.6"),
        (lambda m: setattr(m.hardware, "governor", "powersave"), "governor powersave, the others performance"),
        (lambda m: setattr(m.hardware, "memory_bytes", 8 << 30), "memory 8 GiB, the others 16 GiB"),
    ],
)
def test_the_likely_cause_is_what_the_slow_node_differs_in(change, says):
    assert fleet_with(slow_node(change=change)).outliers[0].causes == [says]


def with_roofline(made, clock=1.0, dram=1.0):
    roofline = copy.deepcopy(made_up.roofline())
    for rate, factor in ((roofline.peak.fp32_fma_gflops, clock), *((b.gbs, dram) for b in roofline.bandwidth)):
        for name in ("median", "best", "low", "high"):
            setattr(rate, name, getattr(rate, name) * factor)
    return replace(made, roofline=roofline)


@pytest.mark.parametrize(("how", "part"), [({"clock": 0.8}, "clock: "), ({"dram": 0.6}, "memory: ")])
def test_a_low_peak_is_the_clock_and_a_low_bandwidth_the_memory(how, part):
    fine = [with_roofline(run(f"node{i}")) for i in range(3)]
    (found,) = fleet.judge([*fine, with_roofline(run("slow", clock=how.get("clock", 1.0)), **how)]).outliers
    assert found.causes[0].startswith(part)


def test_a_node_is_judged_by_those_of_its_own_cpu_and_too_few_of_one_are_not_judged():
    others = [of_cpu(run(speed=0.5), "another") for _ in range(3)]
    found = fleet_with(*others, run("node3"))
    assert (found.outliers, found.few) == ([], {"another": 3})
    assert fleet.judge(others) is None


def test_a_node_whose_core_others_had_is_noisy_and_no_outlier_by_wall_time():
    busy = slow_node()
    busy.analysis.cell("matmul", 1024).flags = ["preempted"] * 12
    busy.analysis.cell("matmul", 1024).peak_fraction = run().analysis.cell("matmul", 1024).peak_fraction
    found = fleet_with(busy, run("fine"))
    assert (found.outliers, found.disturbed) == ([], {3: "12 of 12 samples were preempted"})


# --- over time -----------------------------------------------------------------------------------------------


def dated(made, day):
    return replace(made, manifest=msgspec.structs.replace(made.manifest, created=f"2026-01-{day:02}T00:00:00+00:00"))


def test_what_changed_is_told_with_the_day_and_what_else_changed_and_nodes_that_changed_alike_together():
    def speed(node, day):
        return 0.7 if day >= 3 and node in (1, 4) else 1 + 0.004 * ((node + day) % 3)

    runs = [
        dated(run(f"node{node}", speed(node, day), numpy="2.5.0" if speed(node, day) == 0.7 else "2.4.6"), day)
        for node in range(6)
        for day in range(1, 6)
    ]
    (change,) = fleet.changes(runs[::-1])
    assert (change.nodes, change.date, change.what) == (["node1", "node4"], "2026-01-03", fleet.MATMUL)
    assert change.also == ["NumPy 2.4.6 to 2.5.0"]
    assert change.ratio.low < 0.7 < change.ratio.high
    assert fleet.changes(runs[:3]) == fleet.changes(()) == []


@pytest.mark.parametrize("nodes", [1, 12])
def test_a_change_of_every_node_on_one_day_is_a_change(nodes):
    runs = [
        dated(run(f"node{i:02}", 0.8 if day >= 2 else 1 + 0.002 * (i % 3)), day)
        for i in range(nodes)
        for day in (1, 2, 3)
    ]
    (change,) = fleet.changes(runs)
    assert (len(change.nodes), change.date) == (nodes, "2026-01-02")


def test_of_dated_results_the_newest_is_read_or_all_since_a_date_and_the_node_names_them(tmp_path):
    for node in ("ada", "bo"):
        for day in (1, 2, 3):
            made = dated(run(), day)
            made_up.write(tmp_path / "nodes" / node / f"2026-01-{day:02}T000000Z", made.results, made.manifest)
    (tmp_path / "linked").symlink_to(tmp_path / "nodes" / "bo")

    def told(*folders, **how):
        return [(one.name, one.manifest.created[8:10]) for one in gather(folders, **how)]

    assert told(tmp_path / "nodes") == told(*sorted((tmp_path / "nodes").iterdir())) == [("ada", "03"), ("bo", "03")]
    assert told(tmp_path / "nodes", since="2026-01-02") == [(n, d) for n in ("ada", "bo") for d in ("02", "03")]
    assert told(tmp_path / "nodes" / "ada", tmp_path / "linked") == [("ada", "03"), ("linked", "03")]
    with pytest.raises(UserError, match="2027"):
        gather([tmp_path / "nodes"], since="2027-01-01")
    with pytest.raises(UserError, match="no date"):
        gather([tmp_path / "nodes"], since="yesterday")


def test_the_middle_of_many_is_moved_by_few_that_are_far_off_and_an_interval_wider_than_the_spread_counts():
    steady = [(1 + 0.001 * i, 0.99 + 0.001 * i, 1.01 + 0.001 * i) for i in range(9)]
    far = [(0.1, 0.09, 0.11)] * 2
    assert stats.middle(steady + far, 0.03).value == pytest.approx(stats.middle(steady, 0.03).value, rel=0.002)
    assert stats.middle(steady, 0.0).allowed == pytest.approx(4 * 0.01 / 1.96, rel=0.05)
    assert stats.middle(steady, 0.03).allowed == 0.03
