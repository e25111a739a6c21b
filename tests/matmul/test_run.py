"""Around the measuring: where the limits come from, who draws, and when."""

import subprocess
from types import SimpleNamespace

import made_up
import msgspec
import pytest

from labkit.errors import UserError
from labkit.matmul import run
from labkit.records import find, io
from labkit.roofline import obtain


@pytest.fixture
def unmeasured(tmp_path, monkeypatch):
    """A checkout without a roofline; the command that measures one ends with `status`, and leaves what it should."""
    (tmp_path / "experiments").mkdir()
    monkeypatch.setattr(find, "_CHECKOUT", tmp_path)
    ending = SimpleNamespace(status=0, commands=[], faults=[])

    def measure(command, **_):
        ending.commands.append(command)
        folder = tmp_path / "out" / find.ROOFLINE
        if ending.status == 0 or ending.faults:
            folder.mkdir(parents=True, exist_ok=True)
            roofline = msgspec.structs.replace(made_up.roofline(), faults=ending.faults)
            (folder / io.KERNELS).write_bytes(io.encode(roofline))
            find.mark_measured(folder, right=not ending.faults)
        return SimpleNamespace(returncode=ending.status)

    monkeypatch.setattr(subprocess, "run", measure)
    return ending, tmp_path / "out", find.of_manifest(made_up.manifest())


def test_the_limits_are_measured_once_inside_the_output_and_then_taken_from_its_record(unmeasured):
    ending, output, who = unmeasured
    said = []
    first = obtain.obtain(who, output, said.append)
    assert (first.peak_gflops, first.dram_gbs) == pytest.approx((made_up.PEAK, made_up.DRAM), rel=0.02)
    dots = first.l1_byte_per_flop, first.l2_byte_per_flop
    assert dots == pytest.approx((made_up.L1_PER_FLOP, made_up.L2_PER_FLOP), rel=0.02)
    assert ending.commands[0][-2:] == ["--output", str(output / find.ROOFLINE)]
    assert obtain.obtain(who, output, said.append) == first
    assert len(ending.commands) == len(said) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(130, KeyboardInterrupt), (-2, KeyboardInterrupt), (2, UserError), (1, UserError)]
)
def test_a_roofline_that_was_not_measured_stops_the_run(unmeasured, status, error):
    ending, output, who = unmeasured
    ending.status = status
    with pytest.raises(error):
        obtain.obtain(who, output, lambda _: None)


def test_a_wrong_roofline_does_not_stop_the_run_and_is_measured_again_by_the_next(unmeasured):
    ending, output, who = unmeasured
    ending.status, ending.faults = 2, ["dot reaches 150 %"]
    assert obtain.obtain(who, output, lambda _: None).dram_gbs == pytest.approx(made_up.DRAM, rel=0.02)
    obtain.obtain(who, output, lambda _: None)
    assert len(ending.commands) == 2


def test_a_roofline_that_turns_out_to_be_of_another_machine_is_not_used(unmeasured):
    _, output, who = unmeasured
    who.cpu = "another CPU"
    with pytest.raises(UserError, match="measured on another machine"):
        obtain.obtain(who, output, lambda _: None)


def test_drawing_is_deaf_to_ctrl_c_and_its_failure_is_one_line(monkeypatch, tmp_path):
    given = {}

    def fail(command, **options):
        given.update(options, command=command)
        return SimpleNamespace(returncode=2, stderr="Traceback\n  in a file\nlabkit: no room\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(UserError, match=r"^the figure and the page could not be made: labkit: no room$"):
        run.draw(tmp_path)
    assert given["start_new_session"]
    assert given["command"][-3:] == ["redraw", "--unlocked", str(tmp_path)]


def due(now, **state):
    """Whether a set is due `now` seconds into a run."""
    usual = {"published_at": None, "drawing_seconds": 1.0, "measured": True, "seen": True, "done": False}
    usual |= {"earlier": 0.0} | state
    samples = [1] if usual["seen"] else []
    first_pass_jobs = [SimpleNamespace(workload=SimpleNamespace(samples=samples))]
    runner = SimpleNamespace(
        first_pass_jobs=first_pass_jobs, first_pass_done=usual["done"], earlier_seconds=usual["earlier"]
    )
    started = SimpleNamespace(**usual, _any_measured=lambda: usual["measured"])
    return run.BenchmarkRun._due(started, runner, now)


def test_a_first_set_is_due_within_a_minute_and_later_ones_cost_a_hundredth_of_the_run():
    assert run.FIRST_SET_SECONDS <= 50
    assert not due(run.FIRST_SET_SECONDS - 1)
    assert due(run.FIRST_SET_SECONDS + 1)
    assert due(1.0, done=True)
    assert not due(1000.0, seen=False)  # a cell that has begun and has no sample yet
    assert not due(run.FIRST_SET_SECONDS + 50, earlier=50)  # resumed: of this session
    assert not due(150.0, published_at=60.0)
    assert due(161.0, published_at=60.0)
