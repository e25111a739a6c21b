"""What is wrong with a NumPy and what is not, from facts that are made up or recorded."""

from dataclasses import replace

import pytest
from machines import recorded

from labkit import power
from labkit.doctor import health, kernels, vitals
from labkit.doctor.health import Blas, Facts, Finding, Fine, Measured, NotKnown, Remedy

AVX2 = frozenset({"sse2", "avx", "avx2", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
SOUND = Facts(
    blas=Blas("openblas", "0.3.31", "SkylakeX", 2),
    environment={},
    flags=AVX512,
    cpus=2,
    quota=None,
    governor=("performance", None),
    power=("AC", None),
    load=0.1,
    nominal_ghz=(2.6, "the CPU's name"),
)
FAST = Measured(n=1024, gflops=100.0, peak_gflops=120.0, clock_ghz=3.7, steal=0.0)


def openblas(kernel, threads=2):
    return Blas("openblas", "0.3.31", kernel, threads)


def verdict(check, facts=SOUND, measured=FAST):
    return next(verdict for verdict in health.verdicts(facts, measured) if verdict.check == check)


def findings(facts=SOUND, measured=FAST):
    return [verdict for verdict in health.verdicts(facts, measured) if isinstance(verdict, Finding)]


def test_a_sound_numpy_on_a_quiet_machine_has_no_finding_and_eleven_checks():
    said = health.verdicts(SOUND, FAST)
    assert all(isinstance(verdict, Fine) for verdict in said)
    assert len({verdict.check for verdict in said}) == len(said) == 11
    assert health.preflight(SOUND) == []


# --- the kernel -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "kernel", "below"),
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
def test_a_kernel_is_below_the_cpu_by_what_the_cpu_lists_and_nothing_is_guessed_of_one_not_known(flags, kernel, below):
    said = health.kernel(replace(SOUND, blas=openblas(kernel), flags=flags))
    assert isinstance(said, Finding if below else Fine)
    assert (health.remedy_for(replace(SOUND, blas=openblas(kernel), flags=flags)) is not None) == below


STRAY = replace(SOUND, blas=openblas("Katmai"), environment={"OPENBLAS_CORETYPE": "Prescott"})


def test_a_stray_core_type_is_named_with_what_it_costs_and_the_command_that_mends_it():
    assert health.remedy_for(STRAY) == ("unset OPENBLAS_CORETYPE", "")
    said = health.kernel(STRAY, Remedy("unset OPENBLAS_CORETYPE", "SkylakeX", (2.4, 2.6, 2.5)))
    assert (said.level, said.mend) == ("error", "unset OPENBLAS_CORETYPE")
    for word in ("OPENBLAS_CORETYPE=Prescott", "Katmai (SSE)", "SkylakeX (AVX-512)"):
        assert word in said.seen
    assert "a factor of 2.50 in np.matmul (median of 3 pairs of processes, 2.40 to 2.60)" in said.cost


def test_one_disturbed_pair_does_not_move_the_factor_and_a_single_pair_is_said_to_be_one():
    assert "2.50" in health.kernel(STRAY, Remedy("unset", "SkylakeX", (2.5, 9.0, 2.4))).cost
    assert health.kernel(STRAY, Remedy("unset", "SkylakeX", (1.0, 9.0, 1.01))).level == "warning"
    assert "one pair" in health.kernel(STRAY, Remedy("unset", "SkylakeX", (2.5,))).cost


@pytest.mark.parametrize(("factors", "word"), [((1.02, 1.0, 1.04), "nothing"), ((0.9, 0.9, 0.9), "none, it gains")])
def test_a_stray_core_type_that_costs_nothing_is_a_warning_all_the_same_and_says_so(factors, word):
    facts = replace(SOUND, blas=openblas("Haswell"), environment={"OPENBLAS_CORETYPE": "Haswell"})
    said = health.kernel(facts, Remedy("unset OPENBLAS_CORETYPE", "SkylakeX", factors))
    assert (said.level, said.mend) == ("warning", "unset OPENBLAS_CORETYPE")
    assert word in said.cost


def test_a_stray_core_type_is_found_without_timing_and_its_cost_is_then_not_known():
    (said,) = health.preflight(STRAY)
    assert (said.check, said.level, said.cost, said.mend) == ("kernel", "warning", None, "unset OPENBLAS_CORETYPE")


def test_a_core_type_that_changes_nothing_or_asks_for_the_higher_kernel_is_no_finding():
    same = replace(SOUND, environment={"OPENBLAS_CORETYPE": "Cooperlake"})
    assert "changes nothing" in health.kernel(same, Remedy("unset", "SkylakeX", (1.2, 1.2, 1.2))).seen
    assert isinstance(health.kernel(same, Remedy("unset", "Haswell", (0.7, 0.7, 0.7))), Fine)
    assert isinstance(health.kernel(same, Remedy("unset", "Haswell", (1.3, 1.3, 1.3))), Finding)


LOWER = replace(SOUND, blas=openblas("Haswell"))


def test_a_library_that_does_not_know_the_cpu_is_mended_by_naming_the_core_if_that_is_faster():
    assert health.remedy_for(LOWER) == ("export OPENBLAS_CORETYPE=SkylakeX", "SkylakeX")
    said = health.kernel(LOWER, Remedy("export OPENBLAS_CORETYPE=SkylakeX", "SkylakeX", (1.6, 1.7, 1.5)))
    assert (said.level, said.mend) == ("error", "export OPENBLAS_CORETYPE=SkylakeX")
    assert isinstance(health.kernel(LOWER, Remedy("export", "SkylakeX", (0.9, 0.91, 0.9))), Fine)


def test_a_library_built_without_the_kernel_is_mended_by_another_build():
    said = health.kernel(LOWER, Remedy("export OPENBLAS_CORETYPE=SkylakeX", "Haswell", (1.0, 1.0, 1.0)))
    assert "without dynamic kernels" in said.seen
    assert (said.cost, said.mend) == (None, kernels.UPGRADE)


@pytest.mark.parametrize("blas", [Blas("mkl", "2024.2", None, 2), Blas("accelerate"), Blas(None), openblas(None)])
def test_a_library_that_names_no_kernel_is_not_suspected(blas):
    facts = replace(SOUND, blas=blas, environment={"OPENBLAS_CORETYPE": "Prescott"})
    assert isinstance(health.kernel(facts), NotKnown)


# --- speed ------------------------------------------------------------------------------------------


def test_less_than_half_of_the_peak_is_a_finding_with_the_factor_and_the_kernel_s_mend_where_that_is_slow():
    slow = replace(FAST, gflops=50.0)
    assert verdict("speed", measured=slow).level == "error"
    assert "2.4" in verdict("speed", measured=slow).cost
    assert verdict("speed", STRAY, slow).mend == "unset OPENBLAS_CORETYPE"
    assert isinstance(verdict("speed", measured=replace(FAST, gflops=61.0)), Fine)


def test_a_small_core_is_measured_by_its_own_peak_and_not_by_a_large_one_s():
    assert isinstance(verdict("speed", measured=replace(FAST, gflops=6.0, peak_gflops=8.0)), Fine)


def test_without_a_peak_ten_gflops_are_what_tells_a_blas_from_a_loop():
    unknown = replace(FAST, peak_gflops=None, clock_ghz=None, why_no_peak="run `make doctor`")
    assert isinstance(verdict("speed", measured=unknown), NotKnown)
    assert "run `make doctor`" in verdict("speed", measured=unknown).seen
    assert isinstance(verdict("speed", measured=replace(unknown, gflops=9.0)), Finding)
    assert isinstance(verdict("clock", measured=unknown), NotKnown)


def test_no_blas_and_the_reference_blas_are_errors_but_a_plain_name_with_speed_behind_it_is_not():
    slow = replace(FAST, gflops=2.0)
    for library in (None, "blas", "netlib"):
        found = findings(replace(SOUND, blas=Blas(library)), slow)
        assert [finding.check for finding in found] == ["library", "speed"]
        assert all("pip install" in finding.mend for finding in found)
    assert isinstance(verdict("library", replace(SOUND, blas=Blas("blas"))), Fine)
    assert isinstance(verdict("library", replace(SOUND, blas=Blas("unknown"))), NotKnown)


# --- threads, quota ---------------------------------------------------------------------------------


def threads(asked, effective=2, cpus=2, quota=None, library="openblas"):
    blas = replace(SOUND.blas, library=library, threads=effective)
    return health.threads(replace(SOUND, blas=blas, environment=asked, cpus=cpus, quota=quota))


@pytest.mark.parametrize(
    ("effective", "cpus", "quota", "room"),
    [(2, 2, None, None), (4, 2, None, 2), (2, 4, 1.0, 1), (2, 4, 1.5, None), (3, 4, 1.5, 2), (2, 1, 3.0, 1)],
)
def test_more_threads_than_cpus_or_than_the_quota_s_whole_cores_is_an_error(effective, cpus, quota, room):
    said = threads({}, effective, cpus, quota)
    assert isinstance(said, Fine) if room is None else said.mend == f"export OPENBLAS_NUM_THREADS={room}"


def test_the_mend_is_for_the_variable_that_the_library_obeys():
    assert threads({"OMP_NUM_THREADS": "4"}, 4).mend == "export OMP_NUM_THREADS=2"
    both = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "4"}
    assert threads(both, 4).mend == "export OPENBLAS_NUM_THREADS=2"
    assert threads({}, 4, library="mkl").mend == "export MKL_NUM_THREADS=2"


def test_asking_for_more_than_there_is_room_for_is_a_warning_even_where_the_library_takes_less():
    said = threads({"OMP_NUM_THREADS": "64", "MKL_NUM_THREADS": "2"})
    assert (said.level, said.mend) == ("warning", "export OMP_NUM_THREADS=2")
    assert "OMP_NUM_THREADS=64" in said.seen


def test_more_threads_than_asked_for_is_a_warning_and_fewer_is_none():
    assert threads({"OPENBLAS_NUM_THREADS": "1"}).level == "warning"
    assert isinstance(threads({"OMP_NUM_THREADS": "1"}, 1), Fine)
    assert isinstance(threads({"OMP_NUM_THREADS": "2"}, 1), Fine)


@pytest.mark.parametrize("said", ["", "0", "-3", "many", "2,4", " 2 "])
def test_what_is_no_number_asks_for_nothing_and_nested_levels_count_by_the_outermost(said):
    assert isinstance(threads({"OMP_NUM_THREADS": said}), Fine)


def test_a_library_that_does_not_tell_its_threads_is_not_known():
    assert isinstance(threads({}, None, library="accelerate"), NotKnown)


def test_a_quota_below_one_core_stops_a_run_before_it_begins():
    half = replace(SOUND, quota=0.5)
    (said,) = health.preflight(half)
    assert (said.check, said.level) == ("quota", "warning")
    assert "0.5 of one core" in said.seen
    assert health.preflight(replace(SOUND, quota=1.0)) == []


# --- the machine ------------------------------------------------------------------------------------

FAULTS = [
    ("governor", {"governor": ("powersave", None)}, {}),
    ("power", {"power": ("battery", None)}, {}),
    ("clock", {}, {"clock_ghz": 2.4}),
    ("steal", {}, {"steal": 0.2}),
    ("load", {"load": 2.5}, {}),
    ("features", {"environment": {"NPY_DISABLE_CPU_FEATURES": "AVX2"}}, {}),
]


@pytest.mark.parametrize(("check", "facts", "measured"), FAULTS)
def test_each_fault_of_the_machine_is_one_warning_with_a_mend(check, facts, measured):
    (said,) = findings(replace(SOUND, **facts), replace(FAST, **measured))
    assert (said.check, said.level) == (check, "warning")
    assert said.mend


@pytest.mark.parametrize(
    ("check", "facts", "measured"),
    [
        ("governor", {"governor": (None, "no cpufreq")}, {}),
        ("power", {"power": (None, "no battery")}, {}),
        ("clock", {"nominal_ghz": (None, "nobody tells")}, {}),
        ("steal", {}, {"steal": None}),
        ("load", {"load": None}, {}),
    ],
)
def test_what_a_machine_does_not_tell_is_not_known_with_the_reason_and_no_finding(check, facts, measured):
    facts, measured = replace(SOUND, **facts), replace(FAST, **measured)
    assert findings(facts, measured) == []
    said = verdict(check, facts, measured)
    assert isinstance(said, NotKnown)
    assert said.seen


@pytest.mark.parametrize(("ghz", "throttled"), [(2.4, True), (2.46, True), (2.48, False), (2.6, False), (3.9, False)])
def test_a_clock_five_per_cent_below_nominal_is_throttled_and_one_above_it_is_boosted(ghz, throttled):
    assert isinstance(verdict("clock", measured=replace(FAST, clock_ghz=ghz)), Finding if throttled else Fine)


# --- recorded machines ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in recorded.NAMES if name != "apple-m2"])
def test_a_recorded_machine_is_read_and_only_its_governor_can_be_held_against_it(tmp_path, name):
    root = recorded.grow(tmp_path, recorded.files(name))
    facts = vitals.look(Blas("openblas", "0.3.31", None, 1), {}, root)
    found = health.preflight(facts)
    assert {finding.check for finding in found} <= {"governor"}
    assert bool(found) == (facts.governor[0] not in (None, "performance"))


def test_a_laptop_with_avx2_is_told_that_its_sse_kernel_is_slow(tmp_path):
    root = recorded.grow(tmp_path, recorded.files("i5-8250u"))
    facts = vitals.look(openblas("Nehalem"), {"OPENBLAS_CORETYPE": "Nehalem", "HOME": "there"}, root)
    assert facts.environment == {"OPENBLAS_CORETYPE": "Nehalem"}
    said = health.kernel(facts)
    assert "Haswell (AVX2)" in said.seen


SUPPLY = "sys/class/power_supply"


@pytest.mark.parametrize(
    ("files", "supply"),
    [
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "AC/type": "Mains", "AC/online": "0"}, "battery"),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "AC/type": "Mains", "AC/online": "1"}, "AC"),
        ({"BAT0/type": "Battery", "BAT0/status": "Full"}, "AC"),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/scope": "Device"}, None),
        ({"BAT0/type": "Battery", "BAT0/status": "Unknown"}, None),
        ({}, None),
    ],
)
def test_power_is_the_mains_or_the_machine_s_own_battery_and_not_its_mouse_s(tmp_path, files, supply):
    root = recorded.grow(tmp_path, {f"{SUPPLY}/{name}": text + "\n" for name, text in files.items()})
    said, why = power.power(root)
    assert (said, why is None) == (supply, supply is not None)


def test_steal_is_a_share_of_the_time_wanted_and_idle_time_is_not_wanted(tmp_path):
    looks = []
    for line in ("cpu  100 0 100 5000 50 0 0 0 0 0", "cpu  160 0 120 9000 90 0 0 20 0 0"):
        root = recorded.grow(tmp_path, {"proc/stat": line + "\ncpu0 1 2 3\n"})
        looks.append(vitals.stolen(root))
    assert vitals.steal_between(*looks) == pytest.approx(0.2)
    assert vitals.steal_between(looks[0], looks[0]) is None
    assert vitals.stolen(recorded.grow(tmp_path, {"proc/stat": "cpu  1 2 x 4 5 6 7 8"})) is None
    assert vitals.steal_between(None, looks[0]) is None
