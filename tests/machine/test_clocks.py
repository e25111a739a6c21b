"""The nominal clock of a CPU, which is not the one it runs at, and its governor."""

import pytest
from recorded import CPUS, files

from labkit.machine.clocks import governor, nominal_ghz

COUNTER = "the rate of the time-stamp counter, from /proc/cpuinfo"
UNKNOWN = "neither the system nor the CPU's name tells it"
MAXIMUM_OF_CPU0 = "cpuinfo_max_freq of cpu0: the maximum, as the nominal clock is unknown"
BASE = f"{CPUS}/cpu0/cpufreq/base_frequency"
CPPC = f"{CPUS}/cpu0/acpi_cppc/nominal_freq"
MAXIMUM = f"{CPUS}/cpu0/cpufreq/cpuinfo_max_freq"
GOVERNOR = f"{CPUS}/cpu0/cpufreq/scaling_governor"


@pytest.mark.parametrize(
    ("name", "allowed", "ghz", "source"),
    [
        ("i5-8250u", None, 1.6, "the CPU's name"),
        ("epyc-7r32-guest", None, 2.799855, COUNTER),  # 'cpu MHz' says 1950
        ("xeon-guest-260-mib-l3", None, 2.299998, COUNTER),
        ("i7-1370p", None, 1.9, "base_frequency of cpu0"),
        ("i7-1370p", {12}, 1.4, "base_frequency of cpu12"),
        ("dgx-spark-gb10", None, 3.9, "acpi_cppc/nominal_freq of cpu5"),
        ("dgx-spark-gb10", {0}, 2.808, "acpi_cppc/nominal_freq of cpu0"),
        ("raspberry-pi-4", None, 1.8, MAXIMUM_OF_CPU0),
        ("raspberry-pi-5", None, 2.4, MAXIMUM_OF_CPU0),
        ("graviton2", None, None, UNKNOWN),
        ("apple-m2", None, None, UNKNOWN),
        ("mac-i7-6700k", None, 4.0, "the CPU's name"),
    ],
)
def test_the_nominal_clock_is_that_of_the_core_allowed_and_has_its_source(tree, name, allowed, ghz, source):
    found, why = nominal_ghz(tree(name), allowed)
    assert found == pytest.approx(ghz) if ghz else found is None
    assert why == source


def test_a_laptop_s_current_clock_is_not_taken_for_its_nominal_one(tree):
    laptop = files("i5-8250u")
    laptop["proc/cpuinfo"] = laptop["proc/cpuinfo"].replace(" @ 1.60GHz", "")
    assert nominal_ghz(tree(laptop))[0] == pytest.approx(1.8)  # the counter's rate; 'cpu MHz' says 1045


def test_a_clock_that_a_guest_can_govern_is_not_taken_for_the_counter_s_rate_nor_bogomips_without_a_counter(tree):
    info = "processor: 0\nflags: tsc hypervisor\ncpu MHz: 800.000\nbogomips: 4400.00\n"
    assert nominal_ghz(tree({"proc/cpuinfo": info}))[0] == pytest.approx(0.8)
    assert nominal_ghz(tree({GOVERNOR: "ondemand"}))[0] == pytest.approx(2.2)
    assert nominal_ghz(tree({"proc/cpuinfo": info.replace("tsc", "asimd")}))[0] is None


def test_each_source_is_used_only_if_those_before_it_are_unknown(tree):
    named, mac = "model name: X @ 2.10GHz\n", "hw.cpufrequency: 4500000000\n"
    contents = {BASE: "1900000\n", CPPC: "2000\n", "proc/cpuinfo": named, MAXIMUM: "5000000\n", "sysctl": mac}
    root, found = tree(contents), []
    for name in contents:
        found.append(nominal_ghz(root)[0])
        (root / name).unlink()
    assert found == [1.9, 2.0, 2.1, 5.0, 4.5]


@pytest.mark.parametrize("garbled", ["", "0", "unknown", "-1", "1", "nan", "1e3", "99999999999"])
def test_a_clock_that_is_garbled_or_not_credible_is_passed_over(tree, garbled):
    counter = f"processor: 0\nflags: tsc hypervisor\ncpu MHz: {garbled}\n"
    assert nominal_ghz(tree({BASE: garbled, CPPC: garbled, MAXIMUM: garbled, "proc/cpuinfo": counter})) == (
        None,
        UNKNOWN,
    )


def test_the_governor_is_that_of_the_cpu_allowed_and_not_of_cpu0(tree):
    assert governor(tree("dgx-spark-gb10"), {0, 5}) == ("performance", None)
    assert governor(tree({GOVERNOR: "a\n", GOVERNOR.replace("cpu0", "cpu1"): "b\n"}), {1}) == ("b", None)


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ({}, "no cpufreq under /sys (usual in a virtual machine)"),
        ({GOVERNOR: ""}, "cpufreq does not name one"),
        ({GOVERNOR: "<unknown>"}, "cpufreq does not name one"),
        ({"sysctl": "hw.ncpu: 8\n"}, "macOS has none"),
    ],
)
def test_a_governor_without_a_name_is_unknown_with_the_reason_and_a_mac_is_not_called_a_guest(tree, contents, why):
    assert governor(tree(contents)) == (None, why)
