"""Several cores at once: which CPUs stand for cores, and that their loops run and are added up."""

import pytest

from labkit.errors import UserError
from labkit.machine.cpus import allowed_cpus
from labkit.roofline import cores
from labkit.roofline.fma_child import FMA, LOADS


def test_the_counts_double_and_end_with_all():
    assert [cores.counts(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_hardware_threads_of_a_core_are_one_and_a_quota_is_the_most(monkeypatch):
    monkeypatch.setattr(cores, "allowed_cpus", lambda: frozenset({1, 2, 3, 5}))
    monkeypatch.setattr(cores, "text", lambda path: {"cpu1": "1,5", "cpu5": "1,5", "cpu2": "2,6"}.get(path.parts[-3]))
    monkeypatch.setattr(cores.limits, "cpu_quota", lambda: None)
    assert cores.usable_cpus() == [1, 2, 3]
    monkeypatch.setattr(cores.limits, "cpu_quota", lambda: 2.5)
    assert cores.usable_cpus() == [1, 2]
    monkeypatch.setattr(cores.limits, "cpu_quota", lambda: 0.5)
    assert cores.usable_cpus() == [1]


def test_the_loops_of_two_processes_run_when_asked_and_their_rates_are_added(monkeypatch):
    monkeypatch.setattr(cores, "LOOP_SECONDS", 0.001)
    cpu = min(allowed_cpus())
    with cores.Loops([cpu, cpu], room=1 << 20) as loops:
        answers = loops._answers
        monkeypatch.setattr(loops, "_answers", lambda count: seen.append(answers(count)) or seen[-1])
        for what, count in ((FMA, None), (LOADS, 1)):
            seen = []
            rate = loops.rate(what, count)
            assert len(seen[0]) == (count or 2)
            assert rate == pytest.approx(sum(seen[0]), rel=1e-3)
            assert min(seen[0]) > 0
        loops._children[0].kill()
        with pytest.raises(UserError, match="ended"):
            loops.rate()


def test_one_core_has_no_curve():
    assert cores.measure(None, [0]) == []
