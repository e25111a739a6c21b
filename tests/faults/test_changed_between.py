"""What a measurement depends on changed between a stop and resuming: the old samples are set aside, and said to be."""

import json

import pytest
from fake_clock import FakeProbe
from faulty import Disk, Fault, KilledError
from little_lab import VERSIONS, assert_whole, journalled, journals, recorded

from labkit.measure import journal
from labkit.records import provenance

SET_ASIDE = "An unfinished run was made by other code or on another machine: starting over."
RESUMES = "Resuming an unfinished run: {} samples are already measured."


def assert_set_aside(lab, stopped):
    output, old = stopped
    [path] = journals(output)
    before = path.read_bytes()
    ended = lab.run(output)
    assert SET_ASIDE in ended.said
    assert "Resuming" not in ended.said
    assert not set(ended.taken) & set(old)
    aside = path.with_suffix(".stale")
    assert aside.read_bytes() == before
    aside.unlink()
    assert_whole(output, ended, [])


def test_a_change_in_the_code_sets_the_old_samples_aside(lab, stopped, monkeypatch):
    # Which code this is: tests/measure/test_journal.py.
    real = journal.fingerprint
    monkeypatch.setattr(journal, "fingerprint", lambda *arguments: real(*arguments)[::-1])
    assert_set_aside(lab, stopped)


def test_another_python_sets_the_old_samples_aside(lab, stopped, monkeypatch):
    monkeypatch.setattr(provenance, "versions", lambda: VERSIONS | {"python": "3.99.0"})
    assert_set_aside(lab, stopped)


@pytest.mark.parametrize(
    ("of", "what", "now"),
    [
        ("blas", "library", "another"),
        ("blas", "version", "another"),
        ("blas", "kernel", "another"),
        ("hardware", "cpu", "another CPU"),
        ("hardware", "microarchitecture", "another"),
        ("hardware", "isa", ["sse2"]),
    ],
)
def test_another_machine_or_blas_sets_the_old_samples_aside(lab, stopped, monkeypatch, of, what, now):
    monkeypatch.setattr(getattr(lab, of), what, now)
    assert_set_aside(lab, stopped)


@pytest.mark.parametrize("what", ["seed", "block_size"])
def test_other_operands_or_blocks_set_the_old_samples_aside(lab, stopped, monkeypatch, what):
    monkeypatch.setattr(lab, what, 7)
    assert_set_aside(lab, stopped)


def test_what_does_not_bear_on_a_measurement_lets_the_run_resume(lab, stopped, monkeypatch):
    output, finished = stopped
    monkeypatch.setattr(lab.hardware, "memory_bytes", 1)
    monkeypatch.setattr(lab.hardware, "governor", "powersave")
    ended = lab.run(output)
    assert RESUMES.format(len(finished)) in ended.said
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
    assert RESUMES.format(len(finished)) in again.said
    assert_whole(output, again, finished)


def test_fresh_forgets_the_old_samples_of_this_request_alone(lab, stopped):
    output, finished = stopped
    [path] = journals(output)
    other = path.with_name("samples-00000000.jsonl")
    other.write_bytes(path.read_bytes())
    ended = lab.run(output, fresh=True)
    assert not set(ended.taken) & set(finished)
    other.unlink()
    assert_whole(output, ended, [])


def test_samples_set_aside_twice_leave_the_later_ones(lab, stopped, disk, monkeypatch):
    # A second change before the first run under it is done: nothing of either is mixed in.
    output, old = stopped
    monkeypatch.setattr(lab.blas, "kernel", "second")
    with Disk(output, Fault(60, kill=True)).mounted(), pytest.raises(KilledError):
        lab.run(output)
    second = journalled(output)
    assert second
    assert not set(second) & set(old)
    monkeypatch.setattr(lab.blas, "kernel", "third")
    ended = lab.run(output)
    assert not set(ended.taken) & {*old, *second}
    [aside] = output.glob(".state/*.stale")
    entries = map(json.loads, aside.read_bytes().splitlines())
    assert [e["seconds"] for e in entries if e["kind"] == "sample"] == [seconds for _, _, seconds in second]


# --- stopped by hand, and how a run ends ----------------------------------------------------------------


def test_ctrl_c_keeps_what_was_measured_and_says_how_to_resume(lab, tmp_path, monkeypatch):
    output, calls = tmp_path / "out", []

    def work(seconds=0.0, real=lab.clock.work):
        calls.append(seconds)
        if len(calls) == 30:
            raise KeyboardInterrupt
        real(seconds)

    with monkeypatch.context() as patch:
        patch.setattr(lab.clock, "work", work)
        first = lab.run(output)
    finished = journalled(output)
    assert first.status == 130
    assert f"Stopped with {len(finished)} samples" in first.said
    assert "the same command resumes" in first.said
    assert json.loads((output / "results.json").read_bytes())["status"] == "partial"
    assert set(first.taken) == set(finished) == set(recorded(output))
    assert_whole(output, lab.run(output), finished)


def test_ctrl_c_before_anything_is_measured_leaves_no_record(lab, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lab.clock, "work", stop)
        ended = lab.run(tmp_path / "out")
    assert ended.status == 130
    assert "before there was anything to show" in ended.said
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_cell_that_cannot_be_true_is_the_exit_status_and_a_line_on_stderr_and_is_kept(
    lab, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(FakeProbe, "fma_gflops", 1e-9)
    ended = lab.run(tmp_path / "out")
    assert ended.status == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 4
    assert all("is invalid: " in line for line in err)
    assert not journals(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "results.json").read_bytes())["status"] == "complete"
