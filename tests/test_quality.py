"""What disturbed a sample, and what cannot be true of a cell: each by itself, and healthy ones left alone."""

import made_up
import msgspec
import pytest

from labkit import quality
from labkit.contention import core_state
from labkit.quality import describe, flags, noisy
from labkit.records.model import Estimate, Rate, Series

# --- flags ---------------------------------------------------------------------------------------------


def flagged(busy=1.0, steal=0.0, seconds=0.01, calls=1, cpus=2, alone=True):
    """The flag of one sample, the core's readings before and after which were alone or not."""
    s = Series(
        name="matmul", n=64, rounds=[3], calls=[calls], seconds=[seconds], cpu_seconds=[busy * seconds],
        steal_seconds=[steal], probe=[7],
    )  # fmt: skip
    return flags(s, cpus, core(() if alone else (8,)))[0]


def core(contended=()):
    """Of readings that are alone but for these."""
    return core_state(*msgspec.structs.astuple(made_up.readings(contended=contended)))


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({}, None),
        ({"busy": 0.981}, None),
        ({"busy": 0.979}, "preempted"),
        ({"busy": 1.049}, None),
        ({"busy": 1.051}, "second thread"),
        ({"steal": 0.00039}, None),  # 2 % of 10 ms on two CPUs are 0.4 ms
        ({"steal": 0.00041}, "stolen"),
        ({"steal": 0.00041, "cpus": 64}, None),
        ({"steal": 0.00041, "calls": 10}, None),  # a sample of 100 ms
        ({"steal": None, "busy": 0.5}, "preempted"),
        ({"steal": 0.01, "busy": 0.5}, "stolen"),
        ({"steal": 0.01, "busy": 1.5}, "second thread"),
        ({"busy": 0.0}, None),  # the system does not tell processor time
        ({"alone": False}, "contended"),
        ({"alone": False, "busy": 0.5}, "contended"),  # beside which the fraction of peak would not hold
        ({"alone": False, "steal": 0.01}, "stolen"),
        ({"alone": False, "busy": 1.5}, "second thread"),
    ],
)
def test_a_sample_is_flagged_with_what_disturbed_it_most(given, flag):
    assert flagged(**given) == flag


def test_a_record_without_steal_times_is_flagged_by_the_rest():
    s = Series(
        name="a", n=1, rounds=[0, 1], calls=[1, 1], seconds=[0.01, 0.01], cpu_seconds=[0.01, 0.005], probe=[0, 1]
    )
    assert flags(s, 2, core()) == [None, "preempted"]


def test_every_flag_is_counted_in_words():
    said = describe(["preempted", None, "contended", "preempted", "stolen", "second thread"])
    assert said[0] == "2 of 6 samples were preempted"
    assert len(said) == len(quality.WORDS) == 4
    assert describe([None] * 5) == []


@pytest.mark.parametrize("flag", [flag for flag in quality.WORDS if flag != "contended"])
def test_more_than_a_tenth_of_samples_without_the_core_to_themselves_make_a_cell_noisy(flag):
    assert not noisy([flag] + [None] * 9)
    assert noisy([flag] * 2 + [None] * 8)


def test_a_core_that_was_shared_makes_no_cell_noisy():
    assert not noisy(["contended"] * 10)
    assert not noisy([])


def test_an_interval_is_wide_beyond_a_fifth_of_the_median_and_a_range_is_no_interval():
    rate = Rate(median=1.0, best=1.2, low=0.95, high=1.16, interval="ci95")
    assert quality.wide(rate)
    assert not quality.wide(msgspec.structs.replace(rate, high=1.14))
    assert not quality.wide(msgspec.structs.replace(rate, interval="range"))


# --- plausibility ---------------------------------------------------------------------------------------


class Judged:
    """The measured cells of a made-up run on a core of 100 GFLOPS, and their samples."""

    def __init__(self):
        results = made_up.results((64, 128, 1024))
        self.cells = {(c.method, c.n): msgspec.structs.replace(c) for c in results.cells if not c.extrapolated}
        self.samples = {(s.name, s.n): msgspec.structs.replace(s) for s in results.samples}

    def found(self, bounds_matmul=True, resolution=1e-9):
        own = {key: self.samples[key] for key in self.cells}
        return quality.implausible(self.cells, own, made_up.PEAK, bounds_matmul, resolution)


@pytest.fixture
def judged():
    return Judged()


def test_possible_cells_are_left_alone(judged):
    assert judged.found() == {}


def test_a_fraction_above_the_peak_by_more_than_its_interval_is_impossible(judged):
    cell = judged.cells["matmul", 1024]
    cell.peak_fraction = Estimate(value=1.2, low=1.05, high=1.3)
    assert judged.found() == {("matmul", 1024): ["it reaches 120 % of the peak (105 % or more)"]}
    cell.peak_fraction = Estimate(value=1.2, low=0.99, high=1.3)
    assert judged.found() == {}


def test_a_rate_above_the_highest_peak_seen_is_impossible_whatever_fraction_is_stated(judged):
    judged.cells["matmul", 128].gflops = Rate(median=102.0, best=130.0, low=100.5, high=104.0, interval="ci95")
    [reason] = judged.found()["matmul", 128]
    assert "above the highest peak seen, 100.0" in reason
    judged.cells["matmul", 128].gflops = Rate(median=102.0, best=130.0, low=99.5, high=104.0, interval="ci95")
    assert judged.found() == {}


def test_only_a_blas_may_pass_the_cores_peak_where_it_has_a_unit_of_its_own(judged):
    for method in ("matmul", "einsum"):
        judged.cells[method, 1024].gflops = Rate(median=900.0, best=900.0, low=900.0, high=900.0, interval="ci95")
    assert set(judged.found(bounds_matmul=False)) == {("einsum", 1024)}


def test_more_processor_time_than_wall_time_in_most_samples_is_more_than_one_thread(judged):
    s = judged.samples["matmul", 1024]
    s.cpu_seconds = [1.9 * t for t in s.seconds]
    assert "1.90 times its wall time: more than one thread" in judged.found()["matmul", 1024][0]
    s.cpu_seconds = [1.9 * t if i < 5 else t for i, t in enumerate(s.seconds)]  # a few are flags
    assert judged.found() == {}


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_a_time_that_does_not_grow_with_n_is_impossible(judged, factor):
    small, large = judged.cells["naive", 64], judged.cells["naive", 128]
    large.seconds_per_call = [factor * s for s in small.seconds_per_call]
    assert judged.found() == {("naive", 128): ["its time does not grow from N = 64 to N = 128"]}


@pytest.mark.parametrize(("small", "large"), [(64, 72), (2, 8), (63, 1000)])
def test_times_of_sizes_close_together_or_within_a_calls_own_overhead_need_not_grow(judged, small, large):
    base = judged.cells["naive", 64]
    cells = {("naive", n): msgspec.structs.replace(base, n=n) for n in (small, large)}
    samples = dict.fromkeys(cells, judged.samples["naive", 64])
    assert quality.implausible(cells, samples, made_up.PEAK, True, 1e-9) == {}


def test_a_sample_that_the_clock_can_hardly_tell_is_impossible(judged):
    shortest = min(judged.samples["matmul", 64].seconds)
    assert "shorter than 100 ticks" in judged.found(resolution=shortest / 99)["matmul", 64][0]
    assert judged.found(resolution=shortest / 101) == {}
