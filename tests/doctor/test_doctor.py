"""The doctor: which processes it runs in which order, what becomes of those that fail, and what it prints."""

import json
import sys
from argparse import Namespace
from dataclasses import replace

import pytest
from facts_made_up import FAST, SOUND, STRAY

from labkit.doctor import checks, measure, of_numpy, probe, report
from labkit.doctor.examined import MARK
from labkit.doctor.probe import Ran
from labkit.doctor.result import findings
from labkit.machine.blas import CORE_TYPE
from labkit.machine.threads import ALL_THREAD_VARIABLES

FEATURE = "NPY_DISABLE_CPU_FEATURES"
PEAK = {"fp32_fma_gflops": 120.0, "clock_ghz": 3.7}


class Runner:
    """Stands for the processes: a NumPy as fast as its core type lets it be, and a peak. Keeps what was run."""

    def __init__(self, peak=PEAK, seconds=0.0, free="SkylakeX", obeys=(), threads=2):
        self.runs, self.now = [], 0.0
        self._peak, self._seconds, self._free, self._obeys, self._threads = peak, seconds, free, obeys, threads

    def __call__(self, command, environment, patience, most=99.0):
        self.now += self._seconds
        assert 0 < patience <= 40
        if "--probe" in command:
            self.runs.append(("probe", dict(environment)))
            died = self._peak if isinstance(self._peak, str) else ""
            return Ran("" if died else json.dumps(self._peak), "", died)
        tasks = [name for name, *_ in json.loads(command[-1])]
        kind = "core" if tasks[0] == "core" else environment.get(CORE_TYPE, "free")
        if kind != "core" and {environment.get(name) for name in ALL_THREAD_VARIABLES} != {"1"}:
            kind = "threads"
        self.runs.append((kind, dict(environment)))
        said = environment.get(CORE_TYPE, "free")
        said = {"Prescott": "Katmai", "free": self._free}.get(said, said)
        if said == "dies":
            return Ran("", "", "was ended by SIGILL")
        threads = next((int(environment[name]) for name in self._obeys if name in environment), self._threads)
        blas = {"library": "openblas", "version": "0.3", "kernel": said, "threads": threads}
        rate = 40.0 if said == "Katmai" else 100.0
        rates = {"n": 1024, "float32": rate, "float64": rate / 2, "einsum": 10.0, "busy": 1.0}
        answers = {"look": {"numpy": "2.3.0", "blas": blas, "features": []}, "rates": rates}
        answers |= {"products": {"tried": 9, "wrong": []}, "core": {"readings": 0}}
        return Ran("\n".join(f"{MARK}{json.dumps({name: answers[name]})}" for name in tasks), "")

    def take_turns(self, settings, python, most):
        """A second a call and thread at N = 512, and one a call at N = 100."""
        found = []
        for setting in settings:
            named = (int(setting.environment[name]) for name in ("OMP_NUM_THREADS",) if name in setting.environment)
            found.append({100: [1.0, 9.0], 256: [3.0], 512: [1.0 / next(named, self._threads), 9.0]})
        return found, 0.5

    @property
    def kinds(self):
        return [kind for kind, _ in self.runs]


@pytest.fixture
def measured(monkeypatch):
    """What the rounds give if the processes are those of a Runner."""

    def run(facts, runner, pythons=("another",), **environment):
        monkeypatch.setattr(probe, "run", runner)
        monkeypatch.setattr(measure, "monotonic", lambda: runner.now)
        monkeypatch.setattr(measure, "take_turns", runner.take_turns)
        monkeypatch.setattr(measure, "pythons_with_llvm", lambda: list(pythons))
        return measure.measure(facts, environment, "python")

    return run


def test_a_stray_core_type_s_cost_is_measured_by_pairs_of_processes_in_turns(measured):
    runner = Runner()
    found = measured(STRAY, runner, OPENBLAS_CORETYPE="Prescott")
    assert runner.kinds == ["threads", *["Prescott", "free", "probe"] * 3, "core"]
    assert found.fix.factors == [2.5, 2.5, 2.5]
    kernel = of_numpy.kernel(STRAY, found)
    assert (kernel.state, kernel.mend) == ("error", "unset OPENBLAS_CORETYPE")


def test_what_is_timed_has_one_thread_and_the_probe_no_core_type_and_the_user_s_own_threads_are_seen_once(measured):
    runner = Runner()
    measured(STRAY, runner, OPENBLAS_CORETYPE="Prescott", OMP_NUM_THREADS="8", HOME="there")
    assert runner.runs[0][1]["OMP_NUM_THREADS"] == "8"
    for kind, environment in runner.runs[1:]:
        assert {environment[name] for name in ALL_THREAD_VARIABLES} == {"1"}
        assert environment["HOME"] == "there"
        assert (CORE_TYPE in environment) == (kind in ("Prescott", "core"))


def test_a_kernel_below_the_cpu_is_compared_with_the_one_that_the_cpu_could_use(measured):
    runner = Runner(free="Haswell")
    found = measured(replace(SOUND, blas=replace(SOUND.blas, kernel="Haswell")), runner)
    assert runner.kinds[1:-1] == ["free", "SkylakeX", "probe"] * 3
    assert (found.fix.kernel, found.fix.command) == ("SkylakeX", "export OPENBLAS_CORETYPE=SkylakeX")


def test_a_sound_library_is_compared_with_nothing_and_a_slow_machine_is_looked_at_once(measured):
    runner = Runner()
    assert measured(SOUND, runner).fix is None
    assert runner.kinds[1:-1] == ["free", "probe"] * 3
    slow = Runner(seconds=3.0)
    measured(SOUND, slow)
    assert slow.kinds[1:-1] == ["free", "probe"]


def test_a_stray_variable_s_cost_is_measured_by_runs_without_it(measured):
    runner = Runner()
    found = measured(replace(SOUND, environment={FEATURE: "X86_V4"}), runner, **{FEATURE: "X86_V4"})
    assert found.stray[FEATURE].factors == [1.0] * 3
    assert [FEATURE in environment for kind, environment in runner.runs if kind == "free"] == [True, False] * 3


@pytest.mark.parametrize(("obeys", "command"), [("OMP_NUM_THREADS", "export OMP_NUM_THREADS=2"), ("NONE", "")])
def test_a_variable_for_threads_is_advised_only_if_the_library_was_seen_to_obey_it(measured, obeys, command):
    one = replace(SOUND, blas=replace(SOUND.blas, threads=1), environment={"OMP_NUM_THREADS": "1"})
    found = measured(one, Runner(obeys=(obeys,), threads=1), OMP_NUM_THREADS="1").threads
    assert (found.other, found.command, found.gain) == (2, command, 2.0) if command else found is None


def test_another_python_s_probe_does_not_look_where_this_one_finds_its_packages(measured):
    for python, kept in ((sys.executable, True), ("another", False)):
        runner = Runner()
        measured(SOUND, runner, [python], PYTHONPATH="here", PYTHONHOME="there")
        probed = next(environment for kind, environment in runner.runs if kind == "probe")
        assert ("here" in probed.get("PYTHONPATH", ""), "PYTHONHOME" in probed) == (kept, kept)


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
    found = measured(STRAY, Runner(free="dies"), OPENBLAS_CORETYPE="Prescott")
    assert (found.fix, found.gflops, found.peak_gflops) == (None, 40.0, 120.0)
    assert of_numpy.kernel(STRAY, found).cost is None


def test_a_numpy_that_dies_when_timed_keeps_what_was_known_before(measured):
    quota = replace(SOUND, quota=0.5, blas=replace(SOUND.blas, library="none"))
    found = checks.results(quota, measured(quota, Runner(free="dies")))
    assert {"library", "speed", "quota"} <= {finding.check for finding in findings(found)}
    assert "SIGILL" in next(result.seen for result in found if result.check == "speed")


NONSENSE = [{}, {"fp32_fma_gflops": "many", "clock_ghz": 1}, {"fp32_fma_gflops": float("nan")}]


@pytest.mark.parametrize("printed", [*NONSENSE, "hung, and was ended after 6 s"])
def test_a_probe_that_fails_is_an_unknown_peak_and_is_not_tried_again(printed, measured):
    runner = Runner(peak=printed)
    found = measured(SOUND, runner)
    assert (found.peak_gflops, found.clock_ghz) == (None, None)
    assert ("hung" if isinstance(printed, str) else "nonsense") in found.why_no_peak
    assert runner.kinds.count("probe") == 1
    assert findings(checks.results(SOUND, found)) == []


SHAPE = {"level", "check", "seen", "cost", "mend"}


@pytest.fixture
def printed(monkeypatch, capsys):
    """(exit status, what the doctor prints) for these facts."""

    def run(facts, found=FAST, form="json"):
        monkeypatch.setattr(report, "examine", lambda *asked: (facts, found))
        options = {"json": False, "report": False, "watch": False, "thorough": False, "calls": False, "python": ""}
        status = report.run_command(Namespace(**{**options, form: True}))
        out, err = capsys.readouterr()
        assert err == ""  # no progress, as this is no terminal
        return status, json.loads(out) if form == "json" else out.splitlines()

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
    assert printed(SOUND, form="text")[1][0] == "Healthy"
    table = [("float32", 1.0), ("einsum(..., optimize=True)", 1.1)]
    _, lines = printed(STRAY, replace(FAST, gflops=40.0, calls=table), form="text")
    assert lines[0] == "Not healthy: 2 findings"
    assert "  fix   unset OPENBLAS_CORETYPE" in lines
    assert all(len(line) <= 80 for line in lines if not line.startswith("  fix"))


PATHS = ["/home/someone/my project/lib.so", "C:\\Users\\someone\\lib.so", "~/someone/lib.so"]


@pytest.mark.parametrize("path", PATHS)
def test_a_block_for_a_bug_report_names_no_folder_and_no_user_and_keeps_rates_and_flags(printed, path):
    sick = replace(SOUND, environment={"LD_PRELOAD": path}, preloaded=True)
    _, lines = printed(sick, form="report")
    said = "\n".join(lines)
    assert "someone" not in said
    assert "lib.so" in said
    assert lines[0] == lines[-1] == "```"
    assert "120 GFLOPS" in said
    assert "warning  others:" in said
