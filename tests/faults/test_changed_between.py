"""What a measurement depends on changed between a stop and going on: the old samples are set aside, and said to be."""

import json
import shutil
from pathlib import Path

import experiment
import pytest
from faulty import Disk, Fault, KilledError
from little_lab import VERSIONS, assert_whole, journalled, journals

from labkit import machine, provenance

SET_ASIDE = "An unfinished run was made by other code or on another machine: starting over."
GOES_ON = "Going on from an unfinished run: {} repetitions are already measured."


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A copy of the code that measures, which can be changed."""
    copies = [Path(shutil.copy(path, tmp_path)) for path in experiment.MEASURING_CODE]
    monkeypatch.setattr(experiment, "MEASURING_CODE", copies)
    return {path.name: path for path in copies}


@pytest.fixture
def stopped(lab, code, tmp_path):
    """A folder with a killed run in it, and what it had finished."""
    output = tmp_path / "out"
    with Disk(output, Fault(130, kill=True)).mounted(), pytest.raises(KilledError):
        lab.run(output)
    finished = journalled(output)
    assert len(finished) > 20
    return output, finished


def assert_set_aside(lab, stopped, **options):
    output, old = stopped
    [journal] = journals(output)
    before = journal.read_bytes()
    ended = lab.run(output, **options)
    assert SET_ASIDE in ended.said
    assert "Going on" not in ended.said
    assert not set(ended.taken) & set(old)
    aside = journal.with_suffix(".stale")
    assert aside.read_bytes() == before
    aside.unlink()
    assert_whole(output, ended, [])


# Whatever runs between two readings of the clock, decides what is called, or on what.
MEASURES = ("bench.py", "operands.py", "experiment.py", "sampling.py", "schedule.py", "session.py", "threads.py")


@pytest.mark.parametrize("name", sorted({*MEASURES, *(path.name for path in experiment.MEASURING_CODE)}))
def test_a_change_in_any_file_that_measures_sets_the_old_samples_aside(lab, code, stopped, name):
    code[name].write_bytes(code[name].read_bytes() + b"# changed\n")
    assert_set_aside(lab, stopped)


def test_another_python_sets_the_old_samples_aside(lab, stopped, monkeypatch):
    monkeypatch.setattr(provenance, "versions", lambda: VERSIONS | {"python": "3.99.0"})
    assert_set_aside(lab, stopped)


@pytest.mark.parametrize("what", ["library", "version", "kernel"])
def test_another_blas_sets_the_old_samples_aside(lab, stopped, monkeypatch, what):
    monkeypatch.setattr(lab.blas, what, "another")
    assert_set_aside(lab, stopped)


@pytest.mark.parametrize(("what", "now"), [("cpu", "another CPU"), ("microarchitecture", "another"), ("isa", ["sse2"])])
def test_another_machine_sets_the_old_samples_aside(lab, stopped, monkeypatch, what, now):
    monkeypatch.setattr(lab.hardware, what, now)
    assert_set_aside(lab, stopped)


def test_another_numpy_sets_the_old_samples_aside(lab, stopped, monkeypatch):
    real = machine.identity
    monkeypatch.setattr(machine, "identity", lambda hardware, blas: real(hardware, blas, numpy="1.0"))
    assert_set_aside(lab, stopped)


@pytest.mark.parametrize("name", ["SEED", "BLOCK_SIZE"])
def test_other_operands_or_blocks_set_the_old_samples_aside(lab, stopped, monkeypatch, name):
    monkeypatch.setattr("bench." + name, 7)
    assert_set_aside(lab, stopped)


def test_what_does_not_bear_on_a_measurement_lets_the_run_go_on(lab, code, stopped, monkeypatch):
    # The name alone of the machine's governor or memory is no other machine; and code elsewhere measures nothing.
    output, finished = stopped
    monkeypatch.setattr(lab.hardware, "memory_bytes", 1)
    monkeypatch.setattr(lab.hardware, "governor", "performance")
    ended = lab.run(output)
    assert GOES_ON.format(len(finished)) in ended.said
    assert_whole(output, ended, finished)


@pytest.mark.parametrize(
    "other", [{"sizes": "2"}, {"sizes": "2,4,6"}, {"methods": "naive"}, {"methods": "matmul"}, {"quick": True}]
)
def test_another_request_neither_takes_up_the_old_samples_nor_loses_them(lab, stopped, other):
    output, finished = stopped
    ended = lab.run(output, **other)
    assert ended.status == 0
    assert not set(ended.taken) & set(finished)
    assert journalled(output) == finished
    again = lab.run(output)
    assert GOES_ON.format(len(finished)) in again.said
    assert_whole(output, again, finished)


def test_fresh_forgets_the_old_samples_of_this_request_alone(lab, stopped):
    output, finished = stopped
    [journal] = journals(output)
    other = journal.with_name("samples-00000000.jsonl")
    other.write_bytes(journal.read_bytes())
    ended = lab.run(output, fresh=True)
    assert not set(ended.taken) & set(finished)
    other.unlink()
    assert_whole(output, ended, [])


def test_samples_set_aside_twice_leave_the_later_ones(lab, stopped, monkeypatch):
    # A second change before the first run under it is done: nothing of either is mixed in.
    output, old = stopped
    monkeypatch.setattr(lab.blas, "kernel", "second")
    with Disk(output, Fault(130, kill=True)).mounted(), pytest.raises(KilledError):
        lab.run(output)
    second = journalled(output)
    assert second
    assert not set(second) & set(old)
    monkeypatch.setattr(lab.blas, "kernel", "third")
    ended = lab.run(output)
    assert not set(ended.taken) & {*old, *second}
    [aside] = output.glob(".state/*.stale")
    assert [json.loads(line)["seconds"] for line in aside.read_bytes().splitlines() if b'"repetition"' in line] == [
        seconds for _, _, seconds in second
    ]
