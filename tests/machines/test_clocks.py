"""The clock that a CPU is sold with, which is not the one it runs at, and its governor."""

import pytest
from machines.recorded import CPUS, files, sysctl

from labkit.clocks import governor, nominal_ghz

COUNTER = "the rate of the time-stamp counter, from /proc/cpuinfo"
BASE = f"{CPUS}/cpu0/cpufreq/base_frequency"
CPPC = f"{CPUS}/cpu0/acpi_cppc/nominal_freq"
MAXIMUM = f"{CPUS}/cpu0/cpufreq/cpuinfo_max_freq"


@pytest.mark.parametrize(
    ("name", "allowed", "ghz", "source"),
    [
        ("i5-8250u", None, 1.6, "the CPU's name"),
        ("epyc-7r32-guest", None, 2.799855, COUNTER),
        ("xeon-guest-260-mib-l3", None, 2.299998, COUNTER),
        ("i7-1370p", None, 1.9, "base_frequency of cpu0"),
        ("i7-1370p", {12}, 1.4, "base_frequency of cpu12"),
        ("dgx-spark-gb10", None, 3.9, "acpi_cppc/nominal_freq of cpu5"),
        ("dgx-spark-gb10", {0}, 2.808, "acpi_cppc/nominal_freq of cpu0"),
        ("raspberry-pi-4", None, 1.8, "cpuinfo_max_freq of cpu0: the maximum, as no nominal clock is told"),
        ("raspberry-pi-5", None, 2.4, "cpuinfo_max_freq of cpu0: the maximum, as no nominal clock is told"),
        ("graviton2", None, None, "neither the system nor the CPU's name tells it"),
        ("apple-m2", None, None, "neither the system nor the CPU's name tells it"),
    ],
)
def test_the_nominal_clock_is_that_of_the_core_allowed_and_says_where_it_is_from(
    machine_tree, name, allowed, ghz, source
):
    found, why = nominal_ghz(machine_tree(name), allowed, sysctl(name))
    assert found == pytest.approx(ghz) if ghz else found is None
    assert why == source


def test_a_laptop_s_clock_of_the_moment_is_not_taken_for_its_nominal_one(tree):
    laptop = files("i5-8250u")
    laptop["proc/cpuinfo"] = laptop["proc/cpuinfo"].replace(" @ 1.60GHz", "")
    assert nominal_ghz(tree(laptop))[0] == pytest.approx(1.8)  # the counter's rate; 'cpu MHz' says 1045


def test_a_guest_that_can_tell_its_clock_of_the_moment_is_not_believed_either(machine_tree):
    found, _ = nominal_ghz(machine_tree("epyc-7r32-guest"))
    assert found == pytest.approx(2.8, rel=1e-3)  # 'cpu MHz' says 1950


def test_a_clock_that_a_guest_itself_can_govern_is_not_taken_for_the_counter_s_rate(tree):
    info = "processor: 0\nflags: tsc hypervisor\ncpu MHz: 800.000\nbogomips: 4400.00\n"
    assert nominal_ghz(tree({"proc/cpuinfo": info}))[0] == pytest.approx(0.8)
    assert nominal_ghz(tree({f"{CPUS}/cpu0/cpufreq/scaling_governor": "ondemand"}))[0] == pytest.approx(2.2)


def test_without_a_time_stamp_counter_bogomips_are_no_clock(tree):
    info = "processor: 0\nflags: fp asimd\nbogomips: 2000.00\n"
    governed = {f"{CPUS}/cpu0/cpufreq/scaling_governor": "ondemand"}
    assert nominal_ghz(tree({"proc/cpuinfo": info, **governed}))[0] is None


def test_each_source_is_asked_only_if_those_before_it_say_nothing(tree):
    contents = {BASE: "1900000\n", CPPC: "2000\n", MAXIMUM: "5000000\n", "proc/cpuinfo": "model name: X @ 2.10GHz\n"}
    told = []
    for name in (BASE, CPPC, "proc/cpuinfo", MAXIMUM, None):
        root = tree(contents)
        told.append(nominal_ghz(root, None, {"hw.cpufrequency": "4500000000"}.get)[0])
        if name:
            (root / name).unlink()
            del contents[name]
    assert told == [1.9, 2.0, 2.1, 5.0, 4.5]


@pytest.mark.parametrize("garbled", ["", "0", "unknown", "<unsupported>", "-1", "1", "99999999999"])
@pytest.mark.parametrize("name", [BASE, CPPC, MAXIMUM])
def test_a_clock_that_is_garbled_or_beyond_belief_is_passed_over(tree, name, garbled):
    assert nominal_ghz(tree({name: garbled}))[0] is None


@pytest.mark.parametrize("said", ["", "0.000", "unknown", "nan", "1e3"])
def test_a_garbled_line_of_cpuinfo_is_no_clock(tree, said):
    assert nominal_ghz(tree({"proc/cpuinfo": f"processor: 0\nflags: tsc hypervisor\ncpu MHz: {said}\n"}))[0] is None


def test_bytes_and_folders_in_place_of_files_are_no_clock(tree):
    root = tree({BASE: "", "proc/cpuinfo": ""})
    (root / "proc/cpuinfo").write_bytes(b"model name: X @ 2.10GHz \xff\n")
    (root / BASE).unlink()
    (root / BASE).mkdir()
    assert nominal_ghz(root) == (None, "neither the system nor the CPU's name tells it")


@pytest.mark.parametrize(
    ("name", "allowed", "said"),
    [("i5-8250u", None, "powersave"), ("raspberry-pi-5", None, "ondemand"), ("dgx-spark-gb10", {0, 5}, "performance")],
)
def test_the_governor_is_named(machine_tree, name, allowed, said):
    assert governor(machine_tree(name), allowed) == (said, None)


def test_the_governor_is_that_of_the_cpu_allowed_and_not_of_cpu0(tree):
    root = tree({f"{CPUS}/cpu{cpu}/cpufreq/scaling_governor": f"{name}\n" for cpu, name in enumerate(("a", "b"))})
    assert governor(root, {1}) == ("b", None)


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ({}, "no cpufreq under /sys (usual in a virtual machine)"),
        ({f"{CPUS}/cpu0/cpufreq/scaling_governor": ""}, "cpufreq does not name one"),
        ({f"{CPUS}/cpu0/cpufreq/scaling_governor": "<unknown>"}, "cpufreq does not name one"),
    ],
)
def test_a_governor_that_is_not_named_is_null_with_the_reason(tree, contents, why):
    assert governor(tree(contents)) == (None, why)


def test_a_mac_has_no_governor_and_is_not_called_a_virtual_machine_for_it(tree):
    assert governor(tree({}), {0}, sysctl("apple-m2")) == (None, "macOS has none")
