"""What is wrong with a NumPy and what is not, from facts that are made up or recorded."""

from dataclasses import replace

import pytest
import recorded
from facts_made_up import AVX2, AVX512, FAST, SOUND, STRAY, openblas

from labkit.doctor import checks, facts, of_numpy, of_threads, preflight_warnings
from labkit.doctor.facts import Fix, Measured, Threads
from labkit.doctor.measure import steal_between
from labkit.doctor.result import findings as result_findings
from labkit.machine.blas import Blas
from labkit.machine.system import cpu_ticks


def result(check, of=SOUND, measured=FAST):
    return next(result for result in checks.results(of, measured) if result.check == check)


def kernel(of, other=None, *factors):
    """The check of the kernel, with a measured fix if there are factors."""
    return of_numpy.kernel(of, Measured(fix=Fix(of_numpy.fix_for(of)[0], other, list(factors)) if factors else None))


def findings(of=SOUND, measured=FAST):
    return result_findings(checks.results(of, measured))


def test_a_sound_numpy_on_a_quiet_machine_has_no_finding_and_eighteen_checks():
    found = checks.results(SOUND, FAST)
    assert {result.state for result in found} == {"fine"}
    assert len({result.check for result in found}) == len(found) == 18
    assert checks.preflight(SOUND) == []


@pytest.mark.parametrize(
    ("flags", "name", "below"),
    [
        (AVX512, "SkylakeX", False), (AVX512, "Cooperlake", False), (AVX512, "SAPPHIRERAPIDS", False),
        (AVX512, "Haswell", True), (AVX512, "Zen", True), (AVX512, "Katmai", True),
        (AVX512 - {"avx512vl"}, "Haswell", False), (AVX512 - {"avx512bw"}, "Zen", False),
        (AVX2, "Haswell", False), (AVX2, "Zen", False), (AVX2, "Sandybridge", True), (AVX2, "Nehalem", True),
        (AVX2 - {"avx2"}, "Piledriver", False), (AVX2 - {"fma"}, "Sandybridge", False),
        (AVX2 - {"avx2"}, "Core2", True),
        (frozenset({"sse2"}), "Prescott", False),
        (frozenset(), "neoversen1", False), (frozenset(), "Haswell", False), (AVX512, "Zen9", False),
    ],
)  # fmt: skip
def test_a_kernel_is_below_the_cpu_by_the_cpu_s_flags_and_nothing_is_guessed_of_one_not_known(flags, name, below):
    seen = replace(SOUND, blas=openblas(name), flags=flags)
    assert kernel(seen).state == ("warning" if below else "fine")
    assert (of_numpy.fix_for(seen) is not None) == below


UPGRADE = "python -m pip install --upgrade --only-binary numpy numpy"
UNSET, EXPORT = "unset OPENBLAS_CORETYPE", "export OPENBLAS_CORETYPE=SkylakeX"
LOWER = replace(SOUND, blas=openblas("Haswell"))
ASKED = replace(LOWER, environment={"OPENBLAS_CORETYPE": "Haswell"})
SAME = replace(SOUND, environment={"OPENBLAS_CORETYPE": "Cooperlake"})


@pytest.mark.parametrize(
    ("of", "other", "factors", "state", "mend", "word"),
    [
        # A stray core type is named with the command that fixes it, and with what it costs, if only nothing.
        (STRAY, "SkylakeX", (2.4, 2.6, 2.5), "error", UNSET, "2.50 in np.matmul (median of 3 pairs of processes, 2.40"),
        (STRAY, "SkylakeX", (2.5, 9.0, 2.4), "error", UNSET, "a factor of 2.50"),
        (STRAY, "SkylakeX", (2.5,), "error", UNSET, "one pair"),
        (STRAY, "SkylakeX", (1.0, 9.0, 1.01), "warning", UNSET, "nothing measurable"),
        (ASKED, "SkylakeX", (0.9, 0.9, 0.9), "warning", UNSET, "none, it gains"),
        # One that changes nothing or asks for the higher kernel is no finding.
        (SAME, "SkylakeX", (1.2, 1.2, 1.2), "fine", "", "changes nothing"),
        (SAME, "Haswell", (0.7, 0.7, 0.7), "fine", "", "asked for"),
        (SAME, "Haswell", (1.0, 1.0, 1.0), "fine", "", "asked for"),
        (SAME, "SapphireRapids", (1.0, 1.0, 1.0), "warning", UNSET, "nothing"),
        (SAME, "Haswell", (1.3, 1.3, 1.3), "error", UNSET, "1.30"),
        # A library that does not know the CPU is fixed by naming the core if that is faster, or by another build.
        (LOWER, "SkylakeX", (1.6, 1.7, 1.5), "error", EXPORT, "does not know this CPU"),
        (LOWER, "SkylakeX", (0.9, 0.91, 0.9), "fine", "", "not faster"),
        (LOWER, "SkylakeX", (1.0, 9.0, 1.01), "fine", "", "not faster"),
        (LOWER, "Haswell", (1.0, 1.0, 1.0), "warning", UPGRADE, "without dynamic kernels"),
    ],
)
def test_a_kernel_is_judged_by_its_class_what_asked_for_it_and_the_measured_factor(
    of, other, factors, state, mend, word
):
    found = kernel(of, other, *factors)
    assert (found.state, found.mend) == (state, mend)
    assert word in f"{found.seen} {found.cost}"


def test_a_stray_core_type_is_named_with_both_kernels():
    for word in ("OPENBLAS_CORETYPE=Prescott", "Katmai (SSE)", "SkylakeX (AVX-512)"):
        assert word in kernel(STRAY, "SkylakeX", 2.5).seen


@pytest.mark.parametrize("blas", [Blas("mkl", "2024.2", None, 2), Blas("none", None, None, None), openblas(None)])
def test_a_library_that_names_no_kernel_is_not_suspected(blas):
    assert kernel(replace(STRAY, blas=blas)).state == "unknown"


def test_less_than_half_of_the_peak_is_a_finding_with_the_factor_and_the_kernel_s_fix_if_that_is_slow():
    slow = replace(FAST, gflops=50.0)
    assert result("speed", measured=slow).state == "error"
    assert "2.4" in result("speed", measured=slow).cost
    assert result("speed", STRAY, slow).mend == UNSET
    assert result("speed", measured=slow).mend == UPGRADE
    assert result("speed", measured=replace(FAST, gflops=61.0)).state == "fine"
    assert result("speed", measured=replace(FAST, gflops=6.0, peak_gflops=8.0)).state == "fine"  # a small core


def test_without_a_peak_ten_gflops_tell_a_blas_from_a_loop():
    unknown = replace(FAST, peak_gflops=None, clock_ghz=None, why_no_peak="run `make doctor`")
    assert result("speed", measured=unknown).state == result("clock", measured=unknown).state == "unknown"
    assert "run `make doctor`" in result("speed", measured=unknown).seen
    assert result("speed", measured=replace(unknown, gflops=9.0)).state == "warning"


def test_no_blas_and_the_reference_blas_are_errors_but_a_plain_name_with_speed_behind_it_is_not():
    slow = replace(FAST, gflops=2.0)
    for library in ("none", "blas", "netlib"):
        found = findings(replace(SOUND, blas=Blas(library, None, None, None)), slow)
        assert [finding.check for finding in found] == ["library", "speed"]
        assert all("pip install" in finding.mend for finding in found)
    assert result("library", replace(SOUND, blas=Blas("blas", None, None, None))).state == "fine"
    assert result("library", replace(SOUND, blas=Blas("unknown", None, None, None))).state == "unknown"


def threads(asked, effective=2, cpus=2, quota=None, library="openblas"):
    blas = Blas(library, None, None, effective)
    return of_threads.threads(replace(SOUND, blas=blas, environment=asked, cpus=cpus, quota=quota), FAST)


@pytest.mark.parametrize(
    ("effective", "cpus", "quota", "room"),
    [(2, 2, None, None), (4, 2, None, 2), (2, 4, 1.0, 1), (2, 4, 1.5, None), (3, 4, 1.5, 2), (2, 1, 3.0, 1)],
)
def test_more_threads_than_cpus_or_than_the_quota_s_whole_cores_is_an_error(effective, cpus, quota, room):
    found = threads({}, effective, cpus, quota)
    assert (found.state, found.mend) == (("error", f"export OPENBLAS_NUM_THREADS={room}") if room else ("fine", ""))


def test_the_fix_sets_the_variable_that_the_library_obeys():
    assert threads({"OMP_NUM_THREADS": "4"}, 4).mend == "export OMP_NUM_THREADS=2"
    both = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "4"}
    assert threads(both, 4).mend == "export OPENBLAS_NUM_THREADS=2"
    assert threads({}, 4, library="mkl").mend == "export MKL_NUM_THREADS=2"


def test_asking_for_more_than_there_is_room_for_or_getting_more_than_asked_for_is_a_warning():
    found = threads({"OMP_NUM_THREADS": "64", "MKL_NUM_THREADS": "2"})
    assert (found.state, found.mend) == ("warning", "export OMP_NUM_THREADS=2")
    assert "OMP_NUM_THREADS=64" in found.seen
    assert threads({"OPENBLAS_NUM_THREADS": "1"}).state == "warning"
    assert threads({"OMP_NUM_THREADS": "1"}, 1).state == threads({"OMP_NUM_THREADS": "2"}, 1).state == "fine"
    assert threads({}, None, library="accelerate").state == "unknown"


@pytest.mark.parametrize("said", ["", "0", "-3", "many", "2,4", " 2 "])
def test_what_is_no_number_asks_for_nothing_and_nested_levels_count_by_the_outermost(said):
    assert threads({"OMP_NUM_THREADS": said}).state == "fine"


def timed(asked=(), effective=2, threading="pthreads", to_be_had=None, **how):
    of = replace(SOUND, blas=openblas(None, effective), environment=dict(asked), cpus=8, online=8, to_be_had=to_be_had)
    timing = {"n": 512, "large": 1.9, "small": 1.0, "rivals": 0.0, **how}
    return of_threads.threads(replace(of, threading=threading), replace(FAST, threads=Threads(**timing)))


@pytest.mark.parametrize(
    ("how", "state", "word", "mend"),
    [
        ({"effective": 8}, "fine", "1.90 times", ""),
        ({"effective": 8, "small": 0.4}, "warning", "2.5 times slower", "export OPENBLAS_NUM_THREADS=1"),
        ({"effective": 8, "small": 0.4, "threading": "openmp"}, "warning", "2.5 times", "export OMP_NUM_THREADS=1"),
        ({"effective": 8, "small": 0.4, "rivals": 2.0}, "fine", "1.90 times", ""),
        ({"effective": 8, "small": 0.4, "large": 0.9, "rivals": 2.0}, "fine", "other programs use 2.0 CPUs", ""),
        ({"effective": 8, "large": 0.9, "rivals": 2.0}, "fine", "other programs", ""),
        ({"effective": 4, "large": 0.9, "rivals": 2.0}, "warning", "no faster", "export OPENBLAS_NUM_THREADS=1"),
        ({"effective": 8, "large": 0.9}, "warning", "no faster than one", "export OPENBLAS_NUM_THREADS=1"),
        ({"effective": 1, "other": 8, "command": "export X=8", "gain": 5.0}, "warning", "of 8 CPUs", "export X=8"),
        ({"effective": 1, "other": 8, "command": "export X=8", "gain": 2.0, "rivals": 7}, "warning", "1 thread", "e"),
        ({"effective": 1, "other": 8, "command": "export X=8", "gain": 1.1}, "fine", "", ""),
        ({"effective": 1, "other": 8, "command": "export X=8", "gain": 0.1, "rivals": 7.9}, "fine", "other prog", ""),
        ({"effective": 8, "other": 4, "command": "export X=4", "gain": 1.2}, "warning", "share 4 cores", "export X=4"),
        ({"effective": 8, "other": 4, "command": "export X=4", "gain": 1.2, "rivals": 1.0}, "fine", "1.90", ""),
        ({"effective": 1, "threading": "serial"}, "warning", "built without threads", "python -m pip install"),
        ({"effective": 8, "to_be_had": 64, "other": 64, "command": "taskset -pc 0-63 $$", "gain": 5.0}, "warning",
         "affinity of this process leaves it 8 of 64 CPUs", "taskset -pc 0-63 $$"),
        ({"asked": {"OPENBLAS_NUM_THREADS": "64"}, "effective": 8, "to_be_had": 64, "other": 64, "gain": 5.0,
          "command": "taskset"}, "warning", "affinity of this process", "taskset"),
    ],
)  # fmt: skip
def test_threads_are_judged_by_what_they_gain_and_cost_and_other_programs_are_not_their_fault(how, state, word, mend):
    found = timed(**how)
    assert (found.state, found.mend.startswith(mend), bool(found.mend)) == (state, True, bool(mend))
    assert word in found.seen


def test_too_many_threads_are_mended_by_the_command_that_was_tried_and_never_by_what_is_set_already():
    tried = timed(effective=16, other=8, command="export OMP_NUM_THREADS=8", gain=1.5)
    assert (tried.state, tried.mend) == ("error", "export OMP_NUM_THREADS=8")
    ignored = timed({"OPENBLAS_NUM_THREADS": "8"}, effective=16)
    assert "OPENBLAS_NUM_THREADS=8" not in ignored.mend
    assert "sitecustomize" in ignored.mend


def test_an_openblas_with_openmp_is_not_told_to_obey_a_variable_that_it_ignores():
    openmp = replace(SOUND, threading="openmp", blas=openblas("SkylakeX", 4), environment={"OPENBLAS_NUM_THREADS": "2"})
    assert of_threads.threads(openmp, FAST).mend == "export OMP_NUM_THREADS=2"


def test_importing_numpy_that_pins_the_process_is_an_error_that_names_the_variable():
    pinned = replace(SOUND, pinned_to=1, environment={"OMP_PROC_BIND": "true"})
    assert (result("threads", pinned).state, result("threads", pinned).mend) == ("error", "unset OMP_PROC_BIND")


# --- what is wrong with NumPy itself ------------------------------------------------------------------


def test_a_wrong_product_is_the_first_finding_before_all_speed():
    wrong = {"tried": 9, "wrong": ["float32 A @ A.T ...: 1 of 9 elements are off, by up to 1", "float32 A @ B ..."]}
    found = findings(replace(STRAY, governor=("powersave", None)), replace(FAST, products=wrong, gflops=1.0))
    assert (found[0].check, found[0].state, found[0].mend) == ("product", "error", UNSET)
    assert "A @ A.T" in found[0].seen
    assert "1 more" in found[0].seen


def test_fp64_is_judged_by_half_of_the_peak_and_only_if_fp32_is_well():
    assert [found.check for found in findings(measured=replace(FAST, double_gflops=20.0))] == ["double"]
    assert [f.check for f in findings(measured=replace(FAST, gflops=30.0, double_gflops=20.0))] == ["speed"]


def test_above_the_peak_is_a_note_where_the_kernel_is_for_a_unit_beside_the_core():
    above = replace(FAST, gflops=1500.0)
    apple, accelerate = frozenset({"asimd", "sme"}), Blas("accelerate", None, None, None)
    assert "beside the core" in result("speed", replace(SOUND, blas=openblas("VORTEXM4"), flags=apple), above).seen
    assert "beside the core" in result("speed", replace(SOUND, blas=accelerate, flags=apple), above).seen
    assert "beside the core" not in result("speed", SOUND, above).seen
    assert "beside the core" not in result("speed", replace(SOUND, blas=accelerate), above).seen  # a Mac of Intel


@pytest.mark.parametrize(
    ("library", "variable", "factor", "state"),
    [
        ("mkl", "MKL_CBWR", 1.7, "error"), ("mkl", "MKL_DEBUG_CPU_TYPE", 1.0, "fine"),
        ("mkl", "MKL_ENABLE_INSTRUCTIONS", 0.8, "fine"), ("blis", "BLIS_ARCH_TYPE", 2.0, "error"),
        ("openblas", "MKL_CBWR", 1.7, "fine"),
    ],
)  # fmt: skip
def test_a_variable_is_a_finding_if_its_library_is_loaded_and_a_run_without_it_is_faster(
    library, variable, factor, state
):
    of = replace(SOUND, blas=Blas(library, None, None, 2), environment={variable: "5"})
    stray = {variable: Fix(f"unset {variable}", None, [factor] * 3)}
    found = result("variables", of, replace(FAST, stray=stray))
    assert (found.state, found.mend) == (state, f"unset {variable}" if state == "error" else "")


def test_a_product_that_a_variable_makes_slow_is_mended_by_unsetting_it_and_not_by_another_numpy():
    of = replace(SOUND, blas=Blas("mkl", None, None, 2), environment={"MKL_CBWR": "COMPATIBLE"})
    slow = replace(FAST, gflops=37.0, stray={"MKL_CBWR": Fix("unset MKL_CBWR", None, [2.4])})
    assert [found.mend for found in findings(of, slow)] == ["unset MKL_CBWR"] * 2


def test_threads_that_never_return_are_an_error_that_names_what_limits_them():
    hung = replace(SOUND, hangs="hung, and was ended after 6 s", environment={"OMP_THREAD_LIMIT": "1"})
    assert (result("threads", hung).state, result("threads", hung).mend) == ("error", "unset OMP_THREAD_LIMIT")
    died = replace(FAST, died="was ended by SIGSEGV", threads=None)
    assert result("threads", measured=died).mend == "export OPENBLAS_NUM_THREADS=1"


@pytest.mark.parametrize(("without", "state"), [(["X86_V3", "X86_V4"], "warning"), (["X86_V3"], "fine")])
def test_disabled_features_are_those_that_this_numpy_uses_without_the_variable_and_not_what_it_names(without, state):
    of = replace(SOUND, features=["X86_V3"], environment={"NPY_DISABLE_CPU_FEATURES": "AVX2 X86_V4"})
    fix = Fix("unset NPY_DISABLE_CPU_FEATURES", None, [1.3, 1.4, 1.3], without)
    found = result("features", of, replace(FAST, stray={"NPY_DISABLE_CPU_FEATURES": fix}))
    assert found.state == state
    assert state == "fine" or ("do not use X86_V4" in found.seen and "1.30 in np.einsum" in found.cost)


def test_two_openmp_runtimes_and_a_preloaded_library_are_findings_and_scipy_s_own_copy_is_a_note():
    assert result("others", replace(SOUND, others=["openblas 0.3.27"])).state == "fine"
    two = result("others", replace(SOUND, openmp=["libgomp", "libiomp5"], blas=Blas("mkl", None, None, 2)))
    assert (two.state, two.mend) == ("warning", "export MKL_THREADING_LAYER=GNU")
    ahead = replace(SOUND, preloaded=True, environment={"LD_PRELOAD": "x"})
    assert result("others", ahead).mend == "unset LD_PRELOAD"


def test_a_faster_kernel_than_the_chosen_one_is_a_finding_if_every_pair_says_so():
    faster = Fix("export OPENBLAS_CORETYPE=Haswell", "Haswell", [1.08, 1.07, 1.09])
    assert result("kernel", measured=replace(FAST, faster=faster)).mend == "export OPENBLAS_CORETYPE=Haswell"
    assert result("kernel", measured=replace(FAST, faster=replace(faster, factors=[1.3, 1.3, 1.0]))).state == "fine"


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("pip", "python -m pip install --force-reinstall"), ("no pip", "python -m ensurepip && python -m pip install"),
        ("conda", "conda install"), ("uv", "uv pip install --python python --reinstall"),
        ("pipx", "pipx runpip "), ("debian", "sudo apt install"), ("managed", "python -m venv fresh && "),
    ],
)  # fmt: skip
def test_the_command_that_reinstalls_is_that_of_whoever_manages_the_python(kind, command, monkeypatch):
    monkeypatch.setattr("labkit.doctor.install.python_of", lambda facts: "python")
    of = replace(SOUND, blas=Blas("none", None, None, None), install={"kind": kind, "python": "/opt/x/bin/python"})
    assert result("library", of).mend.startswith(command)


def test_a_numpy_to_which_a_variable_leads_is_not_mended_by_installing_another_behind_it():
    install = {"kind": "pip", "python": "python", "by": "PYTHONPATH"}
    found = result("library", replace(SOUND, blas=Blas("none", None, None, None), install=install))
    assert found.mend.startswith("unset PYTHONPATH && ")


def test_a_python_that_the_shell_does_not_find_by_name_is_named_by_its_path(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/python3" if name == "python3" else None)
    for path, name in (("/usr/bin/python3", "python3"), ("/opt/a b/python", "'/opt/a b/python'")):
        of = replace(SOUND, install={"kind": "pip", "python": path}, blas=Blas("none", None, None, None))
        assert result("library", of).mend.startswith(f"{name} -m pip")


# --- the machine ------------------------------------------------------------------------------------

FAULTS = [
    ("governor", {"governor": ("powersave", None)}, {"clock_ghz": None}),
    ("", {"governor": ("powersave", None), "driver": "intel_pstate"}, {"clock_ghz": None}),
    ("", {"governor": ("powersave", None)}, {}),  # the clock is what it should be
    ("", {"governor": ("ondemand", None)}, {"clock_ghz": None}),
    ("processor", {"emulated": "Rosetta"}, {}),
    ("processor", {"virtual": True, "flags": frozenset({"sse2", "avx"})}, {}),
    ("core", {}, {"core": {"seconds": 5.0, "readings": 500, "contended": 0.4, "now": 0.0, "speeds": {"Python": 0.6}}}),
    ("load", {}, {"busy": 0.7}),
    ("power", {"power": ("battery", None)}, {}),
    ("clock", {}, {"clock_ghz": 2.46}),
    ("steal", {}, {"steal": 0.2}),
    ("load", {"load": 2.5}, {}),
    ("quota", {"quota": 0.5}, {}),
    ("", {}, {"clock_ghz": 2.48}),  # within 5 % of the nominal clock
    ("features", {"environment": {"NPY_DISABLE_CPU_FEATURES": "AVX2"}}, {}),
]


@pytest.mark.parametrize(("check", "of", "measured"), FAULTS)
def test_each_fault_of_the_machine_is_one_warning_with_a_fix(check, of, measured):
    # With half of one core two threads are too many as well.
    found = [f for f in findings(replace(SOUND, **of), replace(FAST, **measured)) if f.check != "threads"]
    assert [finding.check for finding in found if finding.check != "kernel"] == ([check] if check else [])
    assert all(finding.mend for finding in found)


@pytest.mark.parametrize(
    ("check", "of", "measured"),
    [
        ("governor", {"governor": (None, "no cpufreq")}, {}),
        ("power", {"power": (None, "no battery")}, {}),
        ("clock", {"nominal_ghz": (None, "nobody tells")}, {}),
        ("steal", {}, {"steal": None}),
        ("load", {"load": None}, {"busy": None}),
        ("core", {}, {"core": None}),
        ("product", {}, {"products": None}),
    ],
)
def test_what_a_machine_does_not_tell_is_unknown_with_the_reason_and_no_finding(check, of, measured):
    of, measured = replace(SOUND, **of), replace(FAST, **measured)
    assert findings(of, measured) == []
    assert result(check, of, measured).state == "unknown"
    assert result(check, of, measured).seen


def test_before_a_run_a_stray_core_type_and_a_small_quota_are_found_without_timing(monkeypatch):
    (found,) = checks.preflight(STRAY)
    assert (found.check, found.state, found.cost, found.mend) == ("kernel", "warning", None, UNSET)
    (found,) = checks.preflight(replace(SOUND, quota=0.5))
    assert (found.check, "0.5 of one core" in found.seen) == ("quota", True)
    assert checks.preflight(replace(SOUND, quota=1.0)) == []
    monkeypatch.setattr("labkit.doctor.facts.look", lambda blas: replace(STRAY, blas=blas))
    (line,) = preflight_warnings(openblas("Katmai"))
    assert line.endswith(f"could use SkylakeX (AVX-512); {UNSET}")


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_recorded_machine_is_read_and_none_is_sick_by_the_name_of_its_governor(tmp_path, name):
    root = recorded.grow(tmp_path, recorded.files(name))
    seen = facts.look(openblas(None), {"OPENBLAS_CORETYPE": "Nehalem", "HOME": "there"}, root)
    assert seen.environment == {"OPENBLAS_CORETYPE": "Nehalem"}
    on_battery = ["power"] if name == "apple-m1-pro" else []
    assert [found.check for found in checks.preflight(seen)] == on_battery


def test_an_emulated_python_is_known_for_one_even_if_the_one_examined_was_ended_before_it_said_so(tmp_path):
    root = recorded.grow(tmp_path, {**recorded.files("i5-8250u"), "machine": "aarch64"})
    assert facts.look(openblas(None), {}, root).emulated == "QEMU"


def test_steal_is_a_fraction_of_the_time_wanted_and_idle_time_is_not_wanted():
    lines = ("cpu  100 0 100 5000 50 0 0 0 0 0", "cpu  160 0 120 9000 90 0 0 20 0 0")
    before, after = (cpu_ticks(line + "\ncpu0 1 2 3\n") for line in lines)
    assert steal_between(before, after) == pytest.approx(0.2)
    assert steal_between(before, before) is steal_between(None, before) is None
    assert cpu_ticks("cpu  1 2 x 4 5 6 7 8") is None
