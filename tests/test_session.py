"""A run by a clock that moves only when a workload is called: what is asked is taken, once, and kept."""

import contextlib
from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from labkit.console import Screen
from labkit.interference import Interference
from labkit.sampling import Workload
from labkit.schedule import Requirement
from labkit.session import Cell, Session
from labkit.store import Journal

# method, N, seconds a call, seconds its first call takes besides
SHORT = [("matmul", 64, 1e-3, 0.0), ("matmul", 128, 4e-3, 0.0), ("sentinel", 1, 2e-3, 0.0)]
LONG = [("naive", 64, 0.3, 0.1), ("blocked", 64, 0.4, 0.1)]
DEAR = [("naive", 128, 3.0, 0.0), ("blocked", 128, 4.0, 0.0), ("naive", 256, 20.0, 0.0)]
FAMILY = {"naive": "python", "blocked": "python"}


class Run:
    """A lab of fake workloads; `stop_after` calls of any of them, Ctrl-C arrives."""

    resolution = 1e-9

    def __init__(self, path, declared, requirement=Requirement(6, 1.0), stop_after=None, pilots=None):  # noqa: B008
        self.now, self.calls, self.stop_after, self.reports = 50.0, 0, stop_after, 0
        self.order = []
        cells = [
            Cell(Workload(m, n, self._call(m, n, seconds, extra)), requirement, m, FAMILY.get(m, m))
            for m, n, seconds, extra in declared
        ]
        self.journal = Journal(path, {"run": 1})
        screen = Screen(["method"], Console(file=StringIO()))
        pilots = pilots or {m: (n, seconds) for m, n, seconds, _ in reversed(declared)}
        self.session = Session(
            cells, self.journal, self, screen, self._report, started=self.now, seed=1, pilots=pilots, roof_seconds=2.5
        )

    def wall(self):
        return self.now

    def cpu(self):
        return self.now

    def interference(self):
        return Interference(self.calls, 2 * self.calls, 0.5 * self.calls)

    def _call(self, method, n, seconds, extra):
        first = [extra]

        def call():
            if self.calls == self.stop_after:
                raise KeyboardInterrupt
            self.calls += 1
            self.order.append((method, n))
            self.now += seconds + (first.pop() if first else 0.0)

        return call

    def _report(self, session):
        self.reports += 1

    def run(self):
        self.session.first_pass()
        self.session.second_pass()
        self.journal.close()
        return self

    def repetitions(self):
        return {key: cell.workload.repetitions for key, cell in self.session.cells.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def journalled(path):
    return Counter((e["method"], e["n"]) for e in reopened(path) if e["kind"] == "repetition")


def reopened(path):
    journal = Journal(path, {"run": 1})
    journal.close()
    return journal.entries


def test_what_disturbed_a_repetition_is_journalled_and_comes_back_on_resuming(path):
    before = Run(path, SHORT + LONG, stop_after=600)
    with pytest.raises(KeyboardInterrupt):
        before.run()
    before.journal.close()
    taken = {key: list(w) for key, w in before.repetitions().items()}
    assert any(r.interference.voluntary for w in taken.values() for r in w)
    assert {key: list(w) for key, w in Run(path, SHORT + LONG).repetitions().items()} == taken


def test_a_complete_run_gives_every_cell_its_repetitions_and_its_second(path):
    run = Run(path, SHORT + LONG + DEAR).run()
    assert run.session.complete
    for cell in run.session.cells.values():
        w = cell.workload
        assert len(w.repetitions) >= 6, w.key
        assert w.total_seconds >= 1.0, w.key
        assert len(w.repetitions) == 6 or w.method not in FAMILY, w.key  # a long one exactly as often as it must
        assert w.seconds == pytest.approx([w.seconds[-1]] * len(w.seconds))  # no warm-up among them


def test_cells_of_a_family_share_their_rounds_so_that_they_make_pairs(path):
    taken = Run(path, SHORT + LONG + DEAR).run().repetitions()
    for n in (64, 128):
        assert [r.round for r in taken["naive", n]] == [r.round for r in taken["blocked", n]]


def test_the_sentinel_goes_with_a_dear_repetition_and_the_short_cells_follow_in_the_next_round(path):
    rounds = {key: {r.round for r in taken} for key, taken in Run(path, SHORT + DEAR).run().repetitions().items()}
    dear = rounds["naive", 256]
    assert len(dear) == 6
    assert dear <= rounds["sentinel", 1]
    assert {r + 1 for r in dear} <= rounds["matmul", 64]


def test_short_cells_are_visited_in_every_round_that_has_any(path):
    taken = Run(path, SHORT + LONG).run().repetitions()
    rounds = [{r.round for r in taken[m, n]} for m, n, *_ in SHORT]
    assert rounds[0] == rounds[1] == rounds[2]
    assert len(rounds[0]) == len(taken[SHORT[0][:2]])  # once a round


def test_the_first_pass_has_the_cheapest_of_each_method_and_the_second_the_dear_ones_cheapest_first(path):
    run = Run(path, [*SHORT, *LONG, *DEAR, ("einsum", 512, 25.0, 0.0)])
    run.session.first_pass()
    assert run.session.first_pass_done
    assert not run.session.complete
    assert not {key for key in run.order if key[1] >= 128 and key[0] in FAMILY}
    assert run.session.cells["einsum", 512].measured  # whatever it costs: the others are extrapolated from it
    at = len(run.order)
    run.session.second_pass()
    assert run.order.index(("naive", 128), at) < run.order.index(("naive", 256), at)
    run.journal.close()


def test_each_cell_is_warmed_up_once_and_before_its_first_repetition(path):
    run = Run(path, SHORT + LONG).run()
    warmed = [(e["method"], e["n"]) for e in run.journal.entries + reopened(path) if e["kind"] == "warm-up"]
    assert sorted(warmed) == sorted((m, n) for m, n, *_ in SHORT + LONG)
    assert [e["kind"] for e in reopened(path)][:2] == ["session", "warm-up"]


def test_a_complete_run_taken_up_again_measures_nothing_more(path):
    before = Run(path, SHORT + LONG + DEAR).run().repetitions()
    again = Run(path, SHORT + LONG + DEAR).run()
    assert again.repetitions() == before
    assert not {key for key in again.order if key[0] in FAMILY}  # not even a warm-up of a long one


@pytest.mark.parametrize("stop_after", [0, 1, 7, 40, 400, 1500, 2500])
def test_a_run_stopped_anywhere_repeats_no_finished_repetition_and_counts_none_twice(path, stop_after):
    first = Run(path, SHORT + LONG + DEAR, stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    first.journal.close()
    kept = {key: list(repetitions) for key, repetitions in first.repetitions().items()}
    assert journalled(path) == Counter({key: len(r) for key, r in kept.items() if r})
    second = Run(path, SHORT + LONG + DEAR)
    assert second.repetitions() == kept
    second.run()
    assert second.session.complete
    for key, repetitions in second.repetitions().items():
        assert repetitions[: len(kept[key])] == kept[key]
        if key[0] in FAMILY:
            assert len(repetitions) == 6, key
    for key in (("naive", 256), ("matmul", 64)):
        rounds = [r.round for r in second.repetitions()[key]]
        assert len(set(rounds)) == len(rounds)  # a round cut short is not taken up under its old number


@pytest.mark.parametrize("stop_after", range(3, 20))
def test_a_pair_stopped_between_its_two_is_not_measured_more_often_than_asked(path, stop_after):
    first = Run(path, LONG, stop_after=stop_after)
    with contextlib.suppress(KeyboardInterrupt):
        first.run()
    first.journal.close()
    assert {key: len(r) for key, r in Run(path, LONG).run().repetitions().items()} == {
        ("naive", 64): 6, ("blocked", 64): 6,
    }  # fmt: skip


def test_a_warm_up_that_was_made_is_not_counted_as_still_to_come(path):
    run = Run(path, LONG, stop_after=10)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    run.journal.close()
    cells = run.session.cells.values()
    assert run.session.remaining_seconds == pytest.approx(sum(c.remaining * c.call_seconds for c in cells))


def test_a_short_cell_whose_last_reading_stalled_is_still_visited_in_every_round(path):
    run = Run(path, SHORT + DEAR)
    run.session.first_pass()
    run.session.cells["matmul", 64].workload.estimate = 30.0
    before = len(run.repetitions()["matmul", 64])
    run.session.second_pass()
    run.journal.close()
    after = {key: len(run.repetitions()[key]) for key in (("matmul", 64), ("matmul", 128))}
    assert after["matmul", 64] == after["matmul", 128] > before


def test_the_seconds_of_all_sessions_are_added_up(path):
    first = Run(path, LONG, stop_after=5)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    first.journal.close()
    spent = first.now - 50.0
    second = Run(path, LONG)
    assert second.session.sessions == 2
    assert second.session.wall_seconds == pytest.approx(spent)
    assert second.session.call_seconds == pytest.approx(first.session.call_seconds)
    assert 0 < second.session.call_seconds <= spent
    second.run()
    assert second.session.wall_seconds == pytest.approx(spent + second.now - 50.0)
    third = Run(path, LONG)
    assert third.session.roof_seconds == 3 * 2.5
    assert third.session.sessions == 3
    assert third.session.wall_seconds == pytest.approx(second.session.wall_seconds)
    third.journal.close()


def test_a_cell_is_priced_by_the_cube_law_from_its_own_method_s_pilot(path):
    run = Run(path, [("naive", 128, 9.9, 0.0), ("matmul", 64, 9.9, 0.0)], pilots={"naive": (32, 0.01)})
    assert run.session.cells["naive", 128].call_seconds == pytest.approx(64 * 0.01)
    assert run.session.cells["matmul", 64].call_seconds > 0  # not known yet, but never nothing
    run.journal.close()


def test_a_cell_is_priced_from_what_was_measured_rather_than_from_the_pilot(path):
    Run(path, LONG[:1]).run()
    run = Run(path, [LONG[0], ("naive", 128, 9.9, 0.0)], pilots={"naive": (32, 100.0)})
    assert run.session.cells["naive", 128].call_seconds == pytest.approx(8 * 0.3)
    run.journal.close()


@pytest.mark.parametrize("stall", [0.06, 0.4, 0.6])
def test_one_slow_first_call_does_not_make_a_short_cell_a_long_one(path, stall):
    declared = [("matmul", 64, 1e-4, stall), *SHORT[1:]]
    run = Run(path, declared).run()
    taken = run.repetitions()["matmul", 64]
    assert run.session.complete
    assert len(taken) <= 110
    assert taken[0].calls >= 100


def test_what_remains_falls_to_nothing_and_is_near_what_it_then_takes(path):
    cubic = [(m, n, 0.3 * (n / 64) ** 3, 0.0) for m in ("naive", "blocked") for n in (64, 128, 256)]
    run = Run(path, cubic)
    left, before = run.session.remaining_seconds, run.now
    run.run()
    assert run.now - before == pytest.approx(left, rel=0.05)
    assert run.session.remaining_seconds == 0
