"""The doctor: which processes it runs in which order, what becomes of those that fail, and what it prints."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from facts_made_up import FAST, SOUND, STRAY

import labkit
from labkit.doctor import checks, measure, probe, report
from labkit.doctor.probe import Probe
from labkit.errors import UserError
from labkit.machine.blas import CORE_TYPE, KERNEL_CLASSES
from labkit.machine.threads import ALL_THREAD_VARIABLES

PEAK = {"fp32_fma_gflops": 120.0, "clock_ghz": 3.7}


class Runner:
    """Stands for the processes: a NumPy as fast as its core type lets it be, and a peak. Keeps what was run."""

    def __init__(self, peak=PEAK, seconds=0.0, free="SkylakeX"):
        self.runs, self.now = [], 0.0
        self._peak, self._seconds, self._free = peak, seconds, free

    def __call__(self, command, environment, patience):
        self.now += self._seconds
        kind = "probe" if "--probe" in command else environment.get(CORE_TYPE, "free")
        self.runs.append((kind, dict(environment)))
        assert 0 < patience <= 20
        said = self._peak if kind == "probe" else {"Prescott": "Katmai", "free": self._free}.get(kind, kind)
        if isinstance(said, Exception):
            raise said
        if kind == "probe":
            return said
        blas = {"library": "openblas", "version": "0.3", "kernel": said, "threads": 2}
        rate = 40.0 if said == "Katmai" else 100.0
        return {"python": "3.13.0", "numpy": "2.3.0", "blas": blas, "n": 1024, "gflops": rate}

    @property
    def kinds(self):
        return [kind for kind, _ in self.runs]


@pytest.fixture
def measured(monkeypatch):
    """What the rounds give if the processes are those of a Runner."""

    def run(facts, runner, pythons=("another",), **environment):
        monkeypatch.setattr(probe, "run", runner)
        monkeypatch.setattr(measure, "monotonic", lambda: runner.now)
        monkeypatch.setattr(measure, "pythons_with_llvm", lambda: list(pythons))
        return measure.measure(facts, environment)

    return run


def test_a_stray_core_type_s_cost_is_measured_by_pairs_of_processes_in_turns(measured):
    runner = Runner()
    found = measured(STRAY, runner, OPENBLAS_CORETYPE="Prescott")
    assert runner.kinds == ["Prescott", "free", "probe"] * 3
    assert found.fix.factors == [2.5, 2.5, 2.5]
    kernel = checks.kernel(STRAY, found)
    assert (kernel.state, kernel.mend) == ("error", "unset OPENBLAS_CORETYPE")


def test_every_timed_process_has_one_thread_and_the_probe_no_core_type(measured):
    runner = Runner()
    measured(STRAY, runner, OPENBLAS_CORETYPE="Prescott", OMP_NUM_THREADS="8", HOME="there")
    for kind, environment in runner.runs:
        assert {environment[name] for name in ALL_THREAD_VARIABLES} == {"1"}
        assert environment["HOME"] == "there"
        assert (CORE_TYPE in environment) == (kind == "Prescott")


def test_a_kernel_below_the_cpu_is_compared_with_the_one_that_the_cpu_could_use(measured):
    runner = Runner(free="Haswell")
    found = measured(replace(SOUND, blas=replace(SOUND.blas, kernel="Haswell")), runner)
    assert runner.kinds == ["free", "SkylakeX", "probe"] * 3
    assert (found.fix.kernel, found.fix.command) == ("SkylakeX", "export OPENBLAS_CORETYPE=SkylakeX")


def test_a_sound_library_is_compared_with_nothing_and_a_slow_machine_is_looked_at_once(measured):
    runner = Runner()
    assert measured(SOUND, runner).fix is None
    assert runner.kinds == ["free", "probe"] * 3
    slow = Runner(seconds=3.0)
    measured(SOUND, slow)
    assert slow.kinds == ["free", "probe"]


def test_another_python_s_probe_does_not_look_where_this_one_finds_its_packages(measured):
    for python, kept in ((sys.executable, True), ("another", False)):
        runner = Runner()
        measured(SOUND, runner, [python], PYTHONPATH="here", PYTHONHOME="there")
        probed = next(environment for kind, environment in runner.runs if kind == "probe")
        assert ("PYTHONPATH" in probed, "PYTHONHOME" in probed) == (kept, kept)


def test_the_peak_is_measured_by_a_python_that_has_llvm_or_not_at_all(tmp_path, monkeypatch, measured):
    monkeypatch.setattr(measure, "REPOSITORY", tmp_path)
    monkeypatch.setattr(measure, "find_spec", lambda name: None)
    assert measure.pythons_with_llvm() == []
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    python.chmod(0o755)
    assert measure.pythons_with_llvm() == [str(python)]
    monkeypatch.setattr(measure, "find_spec", lambda name: name)
    assert measure.pythons_with_llvm() == [sys.executable, str(python)]
    assert "make doctor" in measured(SOUND, Runner(), pythons=[]).why_no_peak


def test_a_fixed_process_that_dies_leaves_the_cost_unknown_and_the_rest_as_it_is(measured):
    found = measured(STRAY, Runner(free=UserError("was ended by SIGILL")), OPENBLAS_CORETYPE="Prescott")
    assert (found.fix, found.gflops, found.peak_gflops) == (None, 40.0, 120.0)
    assert checks.kernel(STRAY, found).cost is None


NONSENSE = [{}, {"fp32_fma_gflops": "many", "clock_ghz": 1}, {"fp32_fma_gflops": float("nan")}]


@pytest.mark.parametrize("printed", [*NONSENSE, UserError("hung, and was ended after 6 s")])
def test_a_probe_that_fails_is_an_unknown_peak_and_is_not_tried_again(printed, measured):
    runner = Runner(peak=printed)
    found = measured(SOUND, runner)
    assert (found.peak_gflops, found.clock_ghz) == (None, None)
    assert ("hung" if isinstance(printed, UserError) else "nonsense") in found.why_no_peak
    assert runner.kinds.count("probe") == 1
    assert checks.findings(checks.results(SOUND, found)) == []


SHAPE = {"level", "check", "seen", "cost", "mend"}
PROBE = Probe("3.13.0", "2.3.0", SOUND.blas)


@pytest.fixture
def printed(monkeypatch, capsys):
    """(exit status, what the doctor prints) for these facts."""

    def run(facts, found=FAST, as_json=True):
        monkeypatch.setattr(report, "examine", lambda: (PROBE, facts, found))
        status = report.run_command(Namespace(json=as_json))
        out, err = capsys.readouterr()
        assert err == ""  # no progress, as this is no terminal
        return status, json.loads(out) if as_json else out.splitlines()

    return run


def test_the_json_has_the_shape_that_others_read_and_the_status_says_whether_there_are_findings(printed):
    status, sound = printed(SOUND)
    assert (status, sound["healthy"], sound["findings"]) == (0, True, [])
    assert {check["state"] for check in sound["checks"]} == {"fine"}
    assert sound["facts"]["flags"] == sorted(SOUND.flags)
    status, sick = printed(replace(STRAY, governor=(None, "no cpufreq")))
    assert (status, sick["healthy"]) == (1, False)
    assert [set(finding) for finding in sick["findings"]] == [SHAPE]
    assert {check["check"]: check["state"] for check in sick["checks"]}["governor"] == "unknown"


def test_the_text_begins_with_the_result_fits_80_columns_and_keeps_commands_whole(printed):
    assert printed(SOUND, as_json=False)[1][0] == "Healthy"
    _, lines = printed(STRAY, replace(FAST, gflops=40.0), as_json=False)
    assert lines[0] == "Not healthy: 2 findings"
    assert "  fix   unset OPENBLAS_CORETYPE" in lines
    assert all(len(line) <= 80 for line in lines if not line.startswith("  fix"))


ONLY_NUMPY = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
class OnlyNumPy(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        found = name.partition(".")[0] in {*sys.stdlib_module_names, "numpy", "labkit"}
        return super().find_spec(name, path, target) if found else None
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, OnlyNumPy]
"""
PACKAGE = Path(labkit.__file__).parent


@pytest.fixture
def bare(tmp_path):
    """Runs a Python that finds the standard library, NumPy and labkit only."""
    (tmp_path / "sitecustomize.py").write_text(ONLY_NUMPY)
    path = os.pathsep.join(map(str, (tmp_path, PACKAGE.parent)))

    def run(*arguments, **environment):
        command = [sys.executable, *arguments]
        environment |= {"PYTHONPATH": path}
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_machine_and_doctor_import_the_standard_library_and_numpy_only(bare):
    files = [*(PACKAGE / "machine").glob("*.py"), *(PACKAGE / "doctor").glob("*.py"), PACKAGE / "errors.py"]
    modules = [".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files]
    done = bare("-c", "import " + ", ".join(modules) + "; labkit.machine.hardware.hardware()")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(modules) > 10


def test_with_numpy_alone_it_finds_a_stray_core_type_and_its_cost(bare, tmp_path):
    done = bare("-m", "labkit", "doctor", "--json", **{CORE_TYPE: "Nehalem", "OMP_NUM_THREADS": "1"})
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    found = json.loads(done.stdout)
    assert found["healthy"] == (done.returncode == 0) == (found["findings"] == [])
    assert all(set(finding) == SHAPE for finding in found["findings"])
    assert str(tmp_path) not in done.stdout
    blas, flags = found["facts"]["blas"], set(found["facts"]["flags"])
    if blas["library"] == "openblas" and blas["kernel"] == "Nehalem" and KERNEL_CLASSES[2].needs <= flags:
        kernel = next(finding for finding in found["findings"] if finding["check"] == "kernel")
        assert kernel["mend"] == "unset OPENBLAS_CORETYPE"
        assert "pairs of processes" in kernel["cost"]
