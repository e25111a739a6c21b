"""A run by a clock that moves only when a workload is called: what is asked is taken, once, and kept."""

import contextlib
from collections import Counter
from io import StringIO

import pytest
from fake_clock import FakeClock, FakeProbe
from rich.console import Console

from labkit.measure.journal import Journal, WarmedUp
from labkit.measure.runner import Job, Runner
from labkit.measure.sampling import Sample, Workload
from labkit.measure.schedule import Requirement
from labkit.show.screen import Screen

# name, N, seconds a call, seconds its first call takes besides
SHORT = [("matmul", 64, 1e-3, 0.0), ("matmul", 128, 4e-3, 0.0), ("einsum_optimized", 64, 2e-3, 0.0)]
LONG = [("naive", 64, 0.3, 0.1), ("blocked", 64, 0.4, 0.1)]
DEAR = [("naive", 128, 3.0, 0.0), ("blocked", 128, 4.0, 0.0), ("naive", 256, 20.0, 0.0)]
# Readings of a core that is shared two thirds of the time, a few readings long each time.
SHARED = [busy for i in range(200) for busy in [True] * (4 + 7 * i % 9) + [False] * (2 + 5 * i % 5)]
ASKED = Requirement(6, 1.0)
FAMILY = {"naive": "python", "blocked": "python"}


class Run(FakeClock):
    """Fake workloads; after `stop_after` calls of any of them Ctrl-C arrives."""

    def __init__(self, path, declared, requirement=ASKED, stop_after=None, pilots=None, probe=None, **more):
        super().__init__()
        self.calls, self.stop_after, self.order, self.told = 0, stop_after, [], []
        jobs = [
            Job(Workload(name, n, self._call(name, n, seconds, extra)), requirement, name, FAMILY.get(name, name))
            for name, n, seconds, extra in declared
        ]
        self.journal = Journal(path, "the same")
        screen = Screen(["method"], console=Console(file=StringIO()))
        pilots = pilots or {name: (n, seconds) for name, n, seconds, _ in reversed(declared)}
        self.runner = Runner(
            jobs, self.journal, self, screen, self._watch, self.now, 1, pilots, probe or FakeProbe(), 2.5, **more
        )

    def _watch(self, runner):
        """Between samples: when it is, and how long the run says it still takes."""
        self.told.append((self.now, runner.remaining_seconds))

    def _call(self, name, n, seconds, extra):
        first = [extra]

        def call():
            if self.calls == self.stop_after:
                raise KeyboardInterrupt
            self.calls += 1
            self.order.append((name, n))
            self.now += seconds + (first.pop() if first else 0.0)
            self.used, self.stolen = 0.9 * self.now, 0.5 * self.calls

        return call

    def run(self):
        self.runner.first_pass()
        if not self.runner.quick:
            self.runner.second_pass()
        self.journal.close()
        return self

    def stopped(self):
        """Run until it is stopped."""
        with pytest.raises(KeyboardInterrupt):
            self.run()
        self.journal.close()
        return self

    def samples(self):
        return {key: job.workload.samples for key, job in self.runner.jobs.items()}

    def rounds(self, name, n):
        return [s.round for s in self.samples()[name, n]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "samples.jsonl"


def entries(path, kind):
    journal = Journal(path, "the same")
    journal.close()
    return [e for e in journal.entries if isinstance(e, kind)]


def test_a_complete_run_gives_every_cell_its_samples_and_its_second(path):
    run = Run(path, SHORT + LONG + DEAR).run()
    assert run.runner.complete
    for (name, n), samples in run.samples().items():
        w = run.runner.jobs[name, n].workload
        assert len(samples) >= 6
        assert w.total_seconds >= 1.0
        assert len(samples) == 6 or name not in FAMILY  # a long one exactly as often as it must
        assert len({s.seconds for s in samples}) < 4  # no warm-up among them
        assert len(set(run.rounds(name, n))) == len(samples)  # once a round


def test_methods_of_a_family_share_their_rounds_so_that_they_make_pairs(path):
    run = Run(path, SHORT + LONG + DEAR).run()
    for n in (64, 128):
        assert run.rounds("naive", n) == run.rounds("blocked", n)
    assert run.rounds("matmul", 64) == run.rounds("matmul", 128)


def test_the_short_cells_follow_a_dear_sample_in_the_next_round(path):
    run = Run(path, SHORT + DEAR).run()
    dear = set(run.rounds("naive", 256))
    assert len(dear) == 6
    assert {r + 1 for r in dear} <= set(run.rounds("matmul", 64))


def test_the_first_pass_has_the_cheapest_of_each_method_and_the_second_the_dear_ones_cheapest_first(path):
    run = Run(path, [*SHORT, *LONG, *DEAR, ("einsum", 512, 25.0, 0.0)])
    run.runner.first_pass()
    assert run.runner.first_pass_done
    assert not run.runner.complete
    assert not {key for key in run.order if key[1] >= 128 and key[0] in FAMILY}
    assert run.runner.jobs["einsum", 512].measured  # whatever it costs: the others are extrapolated from it
    at = len(run.order)
    run.runner.second_pass()
    assert run.order.index(("naive", 128), at) < run.order.index(("naive", 256), at)
    run.journal.close()


def test_a_first_pass_of_everything_leaves_nothing_for_a_second(path):
    run = Run(path, SHORT + DEAR)
    run.runner.first_pass(everything=True)
    assert run.runner.complete
    run.journal.close()


def test_each_cell_is_warmed_up_once_and_before_its_first_sample(path):
    Run(path, SHORT + LONG).run()
    warmed = [(e.name, e.n) for e in entries(path, WarmedUp)]
    assert sorted(warmed) == sorted((name, n) for name, n, *_ in SHORT + LONG)
    first = {}
    for entry in entries(path, WarmedUp | Sample):
        first.setdefault((entry.name, entry.n), entry)
    assert all(isinstance(entry, WarmedUp) for entry in first.values())


def test_a_complete_run_taken_up_again_measures_nothing_more(path):
    before = Run(path, SHORT + LONG + DEAR).run().samples()
    again = Run(path, SHORT + LONG + DEAR).run()
    assert again.samples() == before
    assert not {key for key in again.order if key[0] in FAMILY}  # not even a warm-up of a long one


@pytest.mark.parametrize("stop_after", [0, 1, 7, 40, 400, 1500, 2500])
def test_a_run_stopped_anywhere_loses_no_sample_and_counts_none_twice(path, stop_after):
    first = Run(path, SHORT + LONG + DEAR, stop_after=stop_after).stopped()
    kept = {key: list(samples) for key, samples in first.samples().items()}
    journalled = Counter((e.name, e.n) for e in entries(path, Sample))
    assert journalled == Counter({key: len(samples) for key, samples in kept.items() if samples})
    second = Run(path, SHORT + LONG + DEAR)
    assert second.samples() == kept  # to the last digit, what disturbed them included
    second.run()
    assert second.runner.complete
    for key, samples in second.samples().items():
        assert samples[: len(kept[key])] == kept[key]
        assert len(samples) == 6 or key[0] not in FAMILY
        # A round cut short is not taken up under its old number.
        assert len(set(second.rounds(*key))) == len(samples)


@pytest.mark.parametrize("stop_after", range(3, 20))
def test_a_pair_stopped_between_its_two_is_not_measured_more_often_than_asked(path, stop_after):
    first = Run(path, LONG, stop_after=stop_after)
    with contextlib.suppress(KeyboardInterrupt):
        first.run()
    first.journal.close()
    taken = Run(path, LONG).run().samples()
    assert {key: len(samples) for key, samples in taken.items()} == {("naive", 64): 6, ("blocked", 64): 6}


def test_the_seconds_of_all_sessions_are_added_up_and_the_time_between_them_is_left_out(path):
    first = Run(path, LONG, stop_after=5).stopped()
    spent = first.now - 100.0
    second = Run(path, LONG)
    assert second.runner.sessions == 2
    assert second.runner.wall_seconds == pytest.approx(spent)
    assert 0 < second.runner.call_seconds == pytest.approx(first.runner.call_seconds)
    assert second.runner.call_seconds <= spent
    second.run()
    assert second.runner.wall_seconds == pytest.approx(spent + second.now - 100.0)
    at = [s.at for s in second.samples()["naive", 64]]
    assert at == sorted(at)
    third = Run(path, LONG)
    assert (third.runner.sessions, third.runner.roof_seconds) == (3, 3 * 2.5)
    assert third.runner.wall_seconds == pytest.approx(second.runner.wall_seconds)
    third.journal.close()


# --- what a cell will cost ----------------------------------------------------------------------------------


def test_a_cell_is_priced_by_the_cube_law_from_what_was_measured_or_else_from_its_own_pilot(path):
    run = Run(path, [("naive", 128, 9.9, 0.0), ("matmul", 64, 9.9, 0.0)], pilots={"naive": (32, 0.01)})
    assert run.runner.jobs["naive", 128].call_seconds == pytest.approx(64 * 0.01)
    assert run.runner.jobs["matmul", 64].call_seconds > 0  # not known yet, but never nothing
    run.journal.close()
    path.unlink()
    Run(path, LONG[:1]).run()
    run = Run(path, [LONG[0], ("naive", 128, 9.9, 0.0)], pilots={"naive": (32, 100.0)})
    assert run.runner.jobs["naive", 128].call_seconds == pytest.approx(8 * 0.3)
    run.journal.close()


def test_what_remains_falls_to_nothing_is_near_what_it_then_takes_and_has_no_warm_up_twice(path):
    cubic = [(name, n, 0.3 * (n / 64) ** 3, 0.0) for name in ("naive", "blocked") for n in (64, 128, 256)]
    run = Run(path, cubic)
    left, before = run.runner.remaining_seconds, run.now
    run.run()
    assert run.now - before == pytest.approx(left, rel=0.05)
    assert run.runner.remaining_seconds == 0
    path.unlink()
    stopped = Run(path, LONG, stop_after=10).stopped().runner
    jobs = stopped.jobs.values()
    assert stopped.remaining_seconds == pytest.approx(sum(j.remaining * j.call_seconds for j in jobs))


@pytest.mark.parametrize("stall", [0.06, 0.4, 0.6])
def test_one_slow_first_call_does_not_make_a_short_cell_a_long_one(path, stall):
    run = Run(path, [("matmul", 64, 1e-4, stall), *SHORT[1:]]).run()
    assert run.runner.complete
    assert [job.kind for job in run.runner.jobs.values()] == ["short"] * 3
    assert run.rounds("matmul", 64) == run.rounds("matmul", 128)
    assert len(run.samples()["matmul", 64]) <= 110
    assert run.samples()["matmul", 64][0].calls >= 100


def test_a_short_cell_whose_last_reading_stalled_is_still_timed_in_every_round(path):
    run = Run(path, SHORT + DEAR)
    run.runner.first_pass()
    run.runner.jobs["matmul", 64].workload.estimate = 30.0
    before = len(run.samples()["matmul", 64])
    run.runner.second_pass()
    run.journal.close()
    assert run.rounds("matmul", 64) == run.rounds("matmul", 128)
    assert len(run.samples()["matmul", 64]) > before


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("contended", [(False,), SHARED], ids=["alone", "shared"])
@pytest.mark.parametrize("wrong", [1.0, 0.6, 1.8])  # the pilots' prices
def test_the_time_left_is_honest_at_a_tenth_and_at_half_of_the_way(path, quick, wrong, contended):
    declared = [*SHORT, *LONG, *DEAR]
    pilots = {name: (n, wrong * seconds) for name, n, seconds, _ in reversed(declared)}
    run = Run(path, declared, pilots=pilots, quick=quick, probe=FakeProbe(contended=contended))
    began = run.now
    run.run()
    whole = run.now - began
    for portion, factor in ((0.1, 1.5), (0.5, 1.2)):
        now, left = next((now, left) for now, left in run.told if now - began >= portion * whole)
        assert left == pytest.approx(began + whole - now, rel=factor - 1)


@pytest.mark.parametrize("quick", [True, False])
def test_on_a_shared_core_short_cells_are_sampled_until_enough_were_alone_but_not_for_ever(path, quick):
    declared = [("matmul", n, 0.05, 0.0) for n in (64, 128)]
    run = Run(path, declared, quick=quick, probe=FakeProbe(contended=[True] * 8 + [False] * 6)).run()
    for samples in run.samples().values():
        alone = [s for s in samples if s.probe % 14 in range(8, 13)]
        assert len(samples) > 40
        assert len(alone) >= 18
    path.unlink()
    # Alone once, when the core's own ratio shows, and never again.
    before = FakeClock().now
    run = Run(path, declared, quick=quick, probe=FakeProbe(contended=[True] * 15 + [False])).run()
    assert run.now - before < 90


def test_slices_of_any_order_belong_to_a_quick_run_that_is_resumed(path):
    def slices(n, clock):
        return Job(clock.workload(0.01, name="naive slice", n=n, flops=2 * 32**3), Requirement(20, 0.0), "a slice", "s")

    for _ in range(2):
        clock = FakeClock()
        screen = Screen(["method"], console=Console(file=StringIO()))
        journal, jobs = Journal(path, "the same"), [slices(n, clock) for n in (64, 1024)]
        runner = Runner(jobs, journal, clock, screen, lambda _: None, clock.now, 1, {}, FakeProbe(), quick=True)
        with contextlib.suppress(KeyboardInterrupt):
            runner.first_pass()
        journal.close()
        assert [len(job.workload.samples) >= 20 for job in jobs] == [True, True]
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if b'"n":1024' not in line))
