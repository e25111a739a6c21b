"""Counts of instructions do not depend on what else the machine does: two processes count the same."""

import pytest

from labkit.ladder import instructions


@pytest.mark.skipif(not instructions.possible(), reason="no Valgrind")
def test_instructions_per_step_are_equal_from_run_to_run(monkeypatch):
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")
    first, second = (instructions.measure() for _ in range(2))
    assert first is not None
    assert second is not None
    assert set(first.per_step) == set(second.per_step) > {"naive", "blocked", "compiled", "blocked compiled", "matmul"}
    for name, count in first.per_step.items():
        # Three digits are recorded, and the last may be rounded either way.
        assert second.per_step[name] == pytest.approx(count, rel=0.01), name
    # An interpreted step is hundreds of instructions, and a vector of eight less than one for each number.
    assert first.per_step["naive"] > 300
    assert first.per_step["compiled"] < 20
    assert first.per_step["register tile"] < 1
