"""The doctor: which processes it runs, what becomes of those that fail, and what it prints in any environment."""

import ast
import io
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_health import FAST, SOUND, STRAY

from labkit import commands
from labkit.doctor import consultation, examination, health, peak, processes
from labkit.doctor.health import Finding
from labkit.doctor.kernels import CORE_TYPE
from labkit.errors import LabError

REPOSITORY = Path(__file__).resolve().parents[1]
THREADS = health.ALL_THREAD_VARIABLES
PROBES = [["python", "roofline.py", "--probe"]]
ASKED = ["python", "-P", "patient.py"]
PEAK = json.dumps({"fp32_fma_gflops": 120.0, "clock_ghz": 3.7})


class Runner:
    """Stands for the processes: a patient as fast as its core type lets it be, and a probe. Keeps what was run."""

    def __init__(self, probe=PEAK, seconds=0.0, **answers):
        self.runs, self.probe, self.now, self._seconds = [], probe, 0.0, seconds
        self.answers = answers

    def __call__(self, command, environment, seconds):
        self.now += self._seconds
        probe = "--probe" in command
        assert probe or command[1] == "-P"  # else labkit's `statistics` stands in for Python's
        self.runs.append(("probe" if probe else environment.get(CORE_TYPE, "free"), dict(environment)))
        assert 0 < seconds <= 20
        if probe:
            said = self.probe
        else:
            core = environment.get(CORE_TYPE, "free")
            kernel = {"Prescott": "Katmai", "free": "SkylakeX"}.get(core, core)
            rate = {"Katmai": 40.0}.get(kernel, 100.0)
            patient = {"python": "3.13.0", "numpy": "2.3.0", "library": "openblas", "version": "0.3", "kernel": kernel}
            timed = {"n": 1024, "gflops": rate, "calls": 9}
            said = self.answers.get(core, json.dumps({**patient, "threads": 2, **timed}))
        if isinstance(said, Exception):
            raise said
        return said

    @property
    def kinds(self):
        return [kind for kind, _ in self.runs]


def measure(facts, runner, probes=PROBES, **environment):
    return examination.measure(facts, environment, runner, probes, clock=lambda: runner.now)


# --- who is run, and how ----------------------------------------------------------------------------


def test_a_stray_core_type_s_cost_is_measured_by_pairs_of_processes_in_turns():
    runner = Runner()
    measured = measure(STRAY, runner, OPENBLAS_CORETYPE="Prescott", OMP_NUM_THREADS="8", HOME="there")
    assert runner.kinds == ["Prescott", "free", "probe"] * 3
    assert measured.remedy.factors == (2.5, 2.5, 2.5)
    found = health.kernel(STRAY, measured.remedy)
    assert (found.level, found.mend) == ("error", "unset OPENBLAS_CORETYPE")


def test_every_timed_process_has_one_thread_and_the_probe_no_core_type():
    runner = Runner()
    measure(STRAY, runner, OPENBLAS_CORETYPE="Prescott", OMP_NUM_THREADS="8", OPENBLAS_NUM_THREADS="4", HOME="there")
    for kind, environment in runner.runs:
        assert {environment[name] for name in THREADS} == {"1"}
        assert environment["HOME"] == "there"
        assert (CORE_TYPE in environment) == (kind == "Prescott")


def test_a_kernel_below_the_cpu_is_compared_with_the_one_that_the_cpu_could_use():
    runner = Runner(free=Runner()(ASKED, {CORE_TYPE: "Haswell"}, 1))
    lower = replace(SOUND, blas=replace(SOUND.blas, kernel="Haswell"))
    measured = measure(lower, runner)
    assert runner.kinds == ["free", "SkylakeX", "probe"] * 3
    assert (measured.remedy.kernel, measured.remedy.mend) == ("SkylakeX", "export OPENBLAS_CORETYPE=SkylakeX")


def test_a_sound_library_is_compared_with_nothing():
    runner = Runner()
    assert measure(SOUND, runner).remedy is None
    assert runner.kinds == ["free", "probe"] * 3


def test_a_slow_machine_is_looked_at_once_and_not_three_times():
    runner = Runner(seconds=3.0)
    measure(SOUND, runner)
    assert runner.kinds == ["free", "probe"]


def test_another_python_s_probe_does_not_look_where_this_one_finds_its_packages():
    for python, kept in ((sys.executable, True), ("another", False)):
        runner = Runner()
        measure(SOUND, runner, [[python, "roofline.py", "--probe"]], PYTHONPATH="here", PYTHONHOME="there")
        probe = next(environment for kind, environment in runner.runs if kind == "probe")
        assert ("PYTHONPATH" in probe, "PYTHONHOME" in probe) == (kept, kept)


def test_the_probe_is_run_by_a_python_that_has_what_it_needs_or_by_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(peak, "_can_import", lambda name: name != "llvmlite")
    assert peak.commands(tmp_path) == []
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    python.chmod(0o755)
    assert [command[0] for command in peak.commands(tmp_path)] == [str(python)]
    monkeypatch.setattr(peak, "_can_import", lambda name: True)
    assert [command[0] for command in peak.commands(tmp_path)] == [sys.executable, str(python)]


# --- what fails -------------------------------------------------------------------------------------

NONSENSE = ["", "no JSON", "[]", "{}", '{"fp32_fma_gflops": "many", "clock_ghz": 1}', '{"fp32_fma_gflops": NaN}', "3"]


@pytest.mark.parametrize("printed", NONSENSE)
def test_a_patient_that_prints_nonsense_is_one_line(printed):
    with pytest.raises(LabError, match=r"^the process that looks at NumPy printed nonsense$"):
        examination.ask(Runner(free=printed), {}, 0.1)


@pytest.mark.parametrize("gflops", ["NaN", "0", "-1", "Infinity", '"x"', "null"])
def test_a_rate_that_is_none_is_nonsense(gflops):
    sound = Runner()(ASKED, {}, 1)
    with pytest.raises(LabError, match="nonsense"):
        examination.ask(Runner(free=sound.replace("100.0", gflops)), {}, 0.1)


def test_what_a_sitecustomize_prints_before_is_passed_over():
    sound = Runner()(ASKED, {}, 1)
    assert examination.ask(Runner(free="hello\n" + sound + "\n"), {}).blas.kernel == "SkylakeX"


def test_a_patient_that_dies_under_a_core_type_is_one_line_that_names_it():
    died = LabError("was ended by SIGILL")
    with pytest.raises(LabError, match=r"SIGILL; OPENBLAS_CORETYPE is set and may be why: unset it"):
        examination.ask(Runner(SkylakeX=died), {CORE_TYPE: "SkylakeX"})
    with pytest.raises(LabError, match=r"SIGILL$"):
        examination.ask(Runner(free=died), {})


def test_a_mended_process_that_dies_leaves_the_cost_unknown_and_the_rest_as_it_is():
    runner = Runner(free=LabError("was ended by SIGILL"))
    measured = measure(STRAY, runner, OPENBLAS_CORETYPE="Prescott")
    assert (measured.remedy, measured.gflops, measured.peak_gflops) == (None, 40.0, 120.0)
    assert health.kernel(STRAY, measured.remedy).cost is None


@pytest.mark.parametrize("printed", [*NONSENSE, LabError("hung, and was ended after 6 s")])
def test_a_probe_that_fails_is_a_peak_that_is_not_known_and_is_not_tried_again(printed):
    runner = Runner(probe=printed)
    measured = measure(SOUND, runner)
    assert (measured.peak_gflops, measured.clock_ghz) == (None, None)
    assert ("hung" if isinstance(printed, LabError) else "nonsense") in measured.why_no_peak
    assert runner.kinds.count("probe") == 1
    assert [said for said in health.verdicts(SOUND, measured) if isinstance(said, Finding)] == []


def test_where_nobody_can_probe_the_reader_is_told_how_somebody_could():
    assert "make doctor" in measure(SOUND, Runner(), probes=[]).why_no_peak


def python(code, seconds=30.0):
    return processes.run([sys.executable, "-c", code], os.environ, seconds)


def test_a_process_that_hangs_is_ended_and_one_that_dies_or_fails_says_how():
    with pytest.raises(LabError, match="hung, and was ended after"):
        python("import time; time.sleep(60)", seconds=0.2)
    with pytest.raises(LabError, match=r"^ended with status 3 \(the last line\)$"):
        python("import sys; print('first\\nthe last line', file=sys.stderr); sys.exit(3)")
    if os.name == "posix":
        with pytest.raises(LabError, match="was ended by SIGILL"):
            python("import os; os.kill(os.getpid(), 4)")
    with pytest.raises(LabError, match="could not be started"):
        processes.run(["/nowhere/python"], {}, 1.0)


# --- what is printed --------------------------------------------------------------------------------

SHAPE = {"level", "check", "seen", "cost", "mend"}
PATIENT = examination.Patient("3.13.0", "2.3.0", SOUND.blas)


def printed(facts, measured, as_json):
    said = health.verdicts(facts, measured)
    return consultation.as_record(PATIENT, facts, measured, said) if as_json else consultation.as_text(PATIENT, said)


def test_the_record_has_the_shape_that_others_read():
    sound = json.loads(printed(SOUND, FAST, as_json=True))
    assert (sound["healthy"], sound["findings"]) == (True, [])
    assert {check["state"] for check in sound["checks"]} == {"fine"}
    sick = json.loads(printed(replace(STRAY, governor=(None, "no cpufreq")), FAST, as_json=True))
    assert sick["healthy"] is False
    assert [set(finding) for finding in sick["findings"]] == [SHAPE]
    assert [check["state"] for check in sick["checks"] if check["check"] == "governor"] == ["not known"]


def test_the_text_begins_with_the_verdict_fits_80_columns_and_keeps_commands_whole():
    assert printed(SOUND, FAST, as_json=False).splitlines()[0] == "Healthy"
    text = printed(STRAY, replace(FAST, gflops=40.0), as_json=False)
    lines = text.splitlines()
    assert lines[0] == "Not healthy: 2 findings"
    assert "  mend  unset OPENBLAS_CORETYPE" in lines
    assert all(len(line) <= 80 for line in lines if not line.startswith("  mend"))


@pytest.mark.parametrize(("facts", "status"), [(SOUND, 0), (STRAY, 1)])
def test_the_exit_status_is_whether_there_are_findings(monkeypatch, facts, status):
    monkeypatch.setattr(consultation, "examine", lambda: (PATIENT, facts, FAST))
    out, progress = io.StringIO(), io.StringIO()
    assert consultation.main(as_json=True, out=out, progress=progress) == status
    assert json.loads(out.getvalue())["healthy"] == (status == 0)
    assert progress.getvalue() == ""  # which is no terminal


@pytest.mark.parametrize("arguments", [[], ["--nonsense"], ["doctor", "--nonsense"], ["doctor", "--js"], ["dctor"]])
def test_a_command_line_that_is_wrong_is_one_line_and_exit_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        commands.main(arguments)
    out, err = capsys.readouterr()
    assert (ended.value.code, out, len(err.splitlines())) == (2, "", 1)


def test_a_numpy_that_cannot_be_looked_at_is_one_line_and_exit_status_2(monkeypatch, capsys):
    def fail():
        raise LabError("NumPy is not installed for this Python")

    monkeypatch.setattr(consultation, "examine", fail)
    assert commands.main(["doctor"]) == 2
    assert capsys.readouterr().err == "python -m labkit: NumPy is not installed for this Python\n"


def test_the_entry_can_be_read_by_a_python_that_is_too_old_to_go_on():
    source = (REPOSITORY / "labkit" / "__main__.py").read_text()
    tree = ast.parse(source, feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.FunctionDef))]
    before = [type(node) for node in tree.body]
    assert before.index(ast.If) < before.index(ast.ImportFrom)  # the check, then the rest


# --- for real ---------------------------------------------------------------------------------------

BLOCKED = ("msgspec", "psutil", "typer", "click", "rich", "llvmlite", "threadpoolctl", "archspec", "cpuinfo")
BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def test_with_numpy_alone_from_another_folder_it_finds_a_stray_core_type_and_its_cost(tmp_path):
    (tmp_path / "only numpy").mkdir()
    (tmp_path / "only numpy" / "sitecustomize.py").write_text(BLOCKER)
    copy = tmp_path / "a check out"
    shutil.copytree(REPOSITORY / "labkit", copy / "labkit", ignore=shutil.ignore_patterns("__pycache__"))
    path = os.pathsep.join(map(str, (tmp_path / "only numpy", copy)))
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "doctor", "--json"],
        env={"PYTHONPATH": path, CORE_TYPE: "Nehalem", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    said = json.loads(done.stdout)
    assert said["healthy"] == (done.returncode == 0) == (said["findings"] == [])
    assert all(set(finding) == SHAPE for finding in said["findings"])
    states = {check["check"]: check["state"] for check in said["checks"]}
    assert states["clock"] == "not known"  # nobody there can run the probe
    blas, flags = said["facts"]["blas"], set(said["facts"]["flags"])
    if blas["library"] == "openblas" and blas["kernel"] == "Nehalem" and {"avx2", "fma"} <= flags:
        kernel = next(finding for finding in said["findings"] if finding["check"] == "kernel")
        assert kernel["mend"] == "unset OPENBLAS_CORETYPE"
        assert "pairs of processes" in kernel["cost"]
    elif platform.machine() == "x86_64" and sys.platform == "linux":
        assert blas["library"] != "openblas" or not {"avx2", "fma"} <= flags
    assert str(tmp_path) not in done.stdout


def test_make_doctor_sees_the_user_s_own_thread_settings_and_the_other_targets_one_thread():
    if not shutil.which("make"):
        pytest.skip("no make")
    for target, value in (("doctor", "3"), ("bench", "1")):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "3"}
        environment = {name: text for name, text in environment.items() if not name.startswith("MAKE")}
        script = "include Makefile\nsee: ; @echo saw $$OPENBLAS_NUM_THREADS\n"
        done = subprocess.run(
            ["make", "-s", "-f", "-", "see", "MAKECMDGOALS=" + target],
            input=script, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout == f"saw {value}\n", done.stderr
