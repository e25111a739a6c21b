"""What `labkit roofline` makes of a roofline that is right, wrong, or cannot be measured."""

import json
import subprocess
import sys
from argparse import Namespace

import made_up
import pytest

from labkit.errors import UserError
from labkit.records import find, io
from labkit.records.model import Manifest, Roofline
from labkit.roofline import measure, rounds
from labkit.show import artifacts


def arguments(output, probe=False, redraw=False):
    return Namespace(output=output, probe=probe, redraw=redraw)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Runs the command with a measurement that gives this record."""
    monkeypatch.setattr(artifacts, "redraw", lambda folder: ["roofline.png"])
    monkeypatch.setattr(measure.threads, "check_effective_threads", lambda: 1)

    def run(record):
        monkeypatch.setattr(rounds, "measure", lambda *_: record)
        assert measure.run(arguments(tmp_path)) == 0
        return tmp_path

    return run


def wrong():
    record = made_up.roofline()
    record.faults = ["matmul at n = 1024 reaches 120 % (118 to 121 %) of the peak limit"]
    return record


def test_a_measurement_leaves_its_record_a_manifest_with_its_digest_and_two_lines(measured, capsys):
    folder = measured(made_up.roofline())
    record, manifest = io.read(folder / io.KERNELS, Roofline), io.read(folder / io.MANIFEST, Manifest)
    assert record == made_up.roofline()
    assert manifest.experiment == "01-roofline"
    assert manifest.outputs == {io.KERNELS: io.digest((folder / io.KERNELS).read_bytes())}
    assert manifest.config["samples_of_the_peak"] == made_up.SAMPLES
    assert find.measured_here(folder)
    assert "GFLOPS" in capsys.readouterr().out


def test_a_wrong_roofline_is_recorded_as_such_an_error_and_used_by_nobody(measured, tmp_path):
    measured(made_up.roofline())
    with pytest.raises(UserError, match=r"this roofline is wrong.*matmul at n = 1024 reaches 120 %.*make roofline"):
        measured(wrong())
    assert io.read(tmp_path / io.KERNELS, Roofline).faults
    assert not find.measured_here(tmp_path)


def test_drawing_again_measures_nothing_and_makes_no_roofline_this_checkouts_own(measured, tmp_path, capsys):
    (tmp_path / io.KERNELS).write_bytes(io.encode(made_up.roofline()))
    assert measure.run(arguments(tmp_path, redraw=True)) == 0
    assert capsys.readouterr().out == "Drawn again: roofline.png\n"
    assert not find.measured_here(tmp_path)


def test_two_measurements_do_not_write_into_one_folder_at_once(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "LOCK_SECONDS", 0.0)
    with io.locked(tmp_path), pytest.raises(UserError, match="another run is measuring"):
        measured(made_up.roofline())


@pytest.mark.parametrize(
    ("error", "says"),
    [(ModuleNotFoundError("no"), "is not installed"), (OSError("no"), "cannot be loaded here")],
)
def test_without_llvmlite_one_line_says_so_and_drawing_again_still_works(error, says, tmp_path):
    code = f"""
import sys, builtins
real = builtins.__import__
def refuse(name, *rest, **more):
    if name.partition(".")[0] == "llvmlite":
        raise {type(error).__name__}("no")
    return real(name, *rest, **more)
builtins.__import__ = refuse
from labkit.cli import main
print(main(["roofline", "--probe"]), main(["roofline", "--redraw", "--output", {str(tmp_path)!r}]))
"""
    (tmp_path / io.KERNELS).write_bytes(io.encode(made_up.roofline()))
    manifest = made_up.manifest("01-roofline")
    (tmp_path / io.MANIFEST).write_bytes(io.encode(manifest))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "2 0", done.stderr
    (line,) = done.stderr.splitlines()
    assert says in line


def test_the_probe_prints_peak_and_clock_as_json():
    script = find.experiment(find.ROOFLINE) / "roofline.py"
    done = subprocess.run([sys.executable, str(script), "--probe"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    assert set(probe) == {"fp32_fma_gflops", "clock_ghz"}
    assert all(value > 0 for value in probe.values())
