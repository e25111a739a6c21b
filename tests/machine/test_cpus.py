"""The CPUs that a process may run on, which of them are fastest, and what they are called."""

import os

import pytest
from recorded import CPUS, files

from labkit.machine import clocks, cpus, system

HYBRIDS = [  # the fast CPUs, the slow ones
    ("i7-1370p", {*range(12)}, {*range(12, 20)}),
    ("dgx-spark-gb10", {*range(5, 10), *range(15, 20)}, {*range(5), *range(10, 15)}),
]


def capacities(*values):
    return {f"{CPUS}/cpu{cpu}/cpu_capacity": f"{value}\n" for cpu, value in enumerate(values)}


@pytest.mark.parametrize(
    ("name", "allowed", "kinds"),
    [
        *((name, {0, 1}, [{0, 1}]) for name in ("i5-8250u", "epyc-7r32-guest", "graviton2", "raspberry-pi-5")),
        *((name, fast | slow, [fast, slow]) for name, fast, slow in HYBRIDS),
        *((name, {max(fast), *slow}, [{max(fast)}, slow]) for name, fast, slow in HYBRIDS),
        *((name, slow, [slow]) for name, _, slow in HYBRIDS),
    ],
)
def test_fast_cores_are_told_from_slow_ones_among_those_allowed(tree, name, allowed, kinds):
    root = tree(name)
    assert cpus.kinds_of_cpu(root, allowed) == kinds
    assert (cpus.several_kinds(root, allowed) is None) == (len(kinds) == 1)


def test_the_kinds_are_listed_with_the_fast_ones_first(tree):
    kinds = cpus.several_kinds(tree("i7-1370p"), {0, 3, 4, 7, 13})
    assert kinds == "CPUs of 2 kinds, the fastest first: 0,3-4,7 and 13"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("apple-m1-pro", "8 performance and 2 efficiency"),  # which has no names of its own
        ("apple-m2", "4 performance and 4 efficiency"),
        ("apple-m4-max", "12 performance and 4 efficiency"),
        ("apple-m5", "4 super and 6 efficiency"),
    ],
)
def test_apple_s_kinds_of_core_are_counted_and_named_as_the_system_has_them(tree, name, kinds):
    assert cpus.several_kinds(tree(name)) == f"CPUs of 2 kinds: {kinds} cores, among which macOS moves threads"


def test_a_mac_with_cores_of_one_kind_has_no_kinds_to_tell(tree):
    assert cpus.several_kinds(tree("mac-i7-6700k")) is None


def test_three_kinds_are_three_and_cores_that_boost_a_little_higher_are_not_a_kind_of_their_own(tree):
    root = tree(capacities(280, 280, 280, 855, 855, 855, 855, 1024))
    assert cpus.kinds_of_cpu(root) == [{7}, {3, 4, 5, 6}, {0, 1, 2}]
    assert cpus.kinds_of_cpu(tree(capacities(997, 1017, 1024, 1017)), set(range(4))) == [{0, 1, 2, 3}]


def test_compact_cores_are_told_by_their_highest_clock_and_a_preferred_core_s_is_no_kind_of_its_own(tree):
    """As AMD states for two Zen 4 cores beside four Zen 4c; Linux gives them no capacity."""

    def clocked(*mhz):
        return tree({f"{CPUS}/cpu{cpu}/cpufreq/cpuinfo_max_freq": f"{clock}000" for cpu, clock in enumerate(mhz)})

    assert cpus.kinds_of_cpu(clocked(*[5000] * 4, *[3700] * 8)) == [{*range(4)}, {*range(4, 12)}]
    assert cpus.several_kinds(clocked(*[5700, 5400] * 6)) is None


@pytest.mark.parametrize("garbled", ["", "none", "7-3", "0-99999999999", "-1"])
def test_a_garbled_capacity_is_not_taken_for_the_fastest_nor_a_garbled_list_for_a_kind(tree, garbled):
    assert cpus.first_cpu(tree(capacities(garbled, 1024)), {0, 1}) == 1
    root = tree({"sys/devices/cpu_core/cpus": garbled, **capacities(1, 1)})
    assert cpus.kinds_of_cpu(root, {0, 1}) == [{0, 1}]


def test_the_cpus_allowed_are_those_of_the_affinity_and_of_a_recorded_machine_its_own(monkeypatch, tree):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 7}, raising=False)
    assert cpus.allowed_cpus() == {5, 7}
    assert cpus.allowed_cpus(tree("dgx-spark-gb10")) == set(range(20))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpus.allowed_cpus() == set(range(os.cpu_count()))


def test_facts_and_flags_are_of_the_cpu_asked_for_or_of_the_first(tree):
    root = tree("dgx-spark-gb10")
    assert [cpus.cpu_facts(root, cpu)["CPU part"] for cpu in (0, 5, 19)] == ["0xd87", "0xd85", "0xd87"]
    assert {"avx2", "fma"} <= cpus.cpu_flags(tree("i5-8250u"))
    assert {"sse4_2", "avx", "avx2", "fma"} <= cpus.cpu_flags(tree("mac-i7-6700k"))
    assert cpus.cpu_flags(tree("apple-m2")) == {"asimd"}
    assert cpus.cpu_flags(tree("apple-m4-max")) == {"asimd", "sme"}
    assert cpus.cpu_flags(tree({})) == set()


@pytest.mark.parametrize(("said", "virtual"), [("1", True), ("0", False), (None, None)])
def test_a_mac_in_a_virtual_machine_is_known_by_what_macos_tells(tree, said, virtual):
    assert cpus.guest(tree({"sysctl": f"kern.hv_vmm_present: {said}\n"} if said else {})) is virtual


HOST_NAME = {"i5-8250u": "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", "raspberry-pi-4": "Raspberry Pi 4 Model B Rev 1.5"}


@pytest.mark.parametrize(
    ("name", "own", "foreign"), [("i5-8250u", "x86_64", "aarch64"), ("raspberry-pi-4", "aarch64", "x86_64")]
)
def test_what_an_emulator_shows_of_its_host_is_not_taken_for_the_cpu_that_it_emulates(tree, name, own, foreign):
    root = tree({**files(name), "machine": own})
    sound = cpus.cpu_flags(root)
    assert (cpus.emulated(own, root), cpus.cpu_name(root)) == (None, HOST_NAME[name])
    assert len(sound) > 2
    (root / "machine").write_text(foreign)
    assert (cpus.emulated(foreign, root), cpus.cpu_name(root)) == ("QEMU", f"QEMU {foreign} on {HOST_NAME[name]}")
    assert cpus.cpu_flags(root) == ({"asimd"} if foreign == "aarch64" else {"sse2"})
    assert cpus.guest(root) is None


def test_a_whole_machine_that_is_emulated_has_a_cpuinfo_of_its_own(tree):
    info = "processor: 0\nvendor_id: GenuineIntel\nmodel name: QEMU TCG CPU version 2.5+\nflags: sse2 avx\n"
    root = tree({"proc/cpuinfo": info, "machine": "x86_64"})
    assert cpus.emulated("x86_64", root) == "QEMU"
    assert (cpus.cpu_name(root), cpus.cpu_flags(root)) == ("QEMU TCG CPU version 2.5+", {"sse2", "avx"})


ROSETTA = {
    "sysctl": "hw.optional.neon: 1\nsysctl.proc_translated: 1\nhw.cpufrequency: 2400000000\n"
    "machdep.cpu.features: FPU SSE SSE2 SSE4.1 SSE4.2\nmachdep.cpu.brand_string: Apple M1\n"
}
ROSETTA_IN_A_CONTAINER = {"proc/cpuinfo": "processor: 0\nmodel name: VirtualApple @ 2.50GHz\nflags: fpu sse2 sse4_2\n"}


@pytest.mark.parametrize("files", [ROSETTA, ROSETTA_IN_A_CONTAINER])
def test_what_rosetta_shows_is_a_translator_s_with_no_clock_of_its_own_and_no_flags_of_arm(tree, files):
    root = tree(files)
    assert cpus.emulated("x86_64", root) == "Rosetta"
    assert clocks.nominal_ghz(root)[0] is None
    assert "sse4_2" in cpus.cpu_flags(root)
    assert "asimd" not in cpus.cpu_flags(root)


def test_sve_has_the_length_that_the_system_sets_and_none_where_the_cpu_does_not_list_it(tree):
    length = {"proc/sys/abi/sve_default_vector_length": "32\n"}
    assert [cpus.sve_bits(tree(name)) for name in ("graviton3", "dgx-spark-gb10", "ampere-one", "i5-8250u")] == [
        256,
        None,
        None,
        None,
    ]
    assert cpus.sve_bits(tree({**files("graviton2"), **length})) is None
    assert cpus.sve_bits(tree({**files("graviton3"), **length, "machine": "x86_64"})) is None


def test_hardware_threads_of_one_core_count_as_one_core(tree):
    siblings = {f"{CPUS}/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}\n" for cpu in range(4)}
    assert cpus.physical_cores(tree(siblings)) == 2
    assert cpus.physical_cores(tree("apple-m2")) == 8


@pytest.mark.parametrize("listing", [None, "", ",", "a", "1-", "-1", "3-1", "0-3,", "0-999999", "1 2", "٣"])
def test_what_is_not_a_list_of_cpus_names_none(listing):
    assert system.cpu_list(listing) is None


@pytest.mark.parametrize("said", [None, "", "max", "-1", "+1", "1_0", " 1", "1.5", "²", "9" * 5000])
def test_what_is_not_a_whole_number_is_not_taken_for_one(said):
    assert system.whole(said) is None


def test_a_file_that_is_a_folder_or_no_text_reads_as_unknown(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe32K")
    assert [system.text(tmp_path / name) for name in ("binary", "", "missing", "a\0b")] == [None] * 4


def test_only_the_running_mac_is_asked_by_sysctl_and_a_missing_command_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr(system.sys, "platform", "darwin")
    monkeypatch.setattr(system, "printed", lambda *command: " ".join(command))
    assert system.of_macos(system.ROOT, "sysctl", "hw.ncpu") == "sysctl hw.ncpu"
    monkeypatch.setattr(system, "printed", lambda *command: "hw.ncpu: 8\nhw.ncpu_more: 9")
    assert system.sysctl(system.ROOT, "hw.ncpu") == "8"
    assert system.sysctl(tmp_path, "hw.ncpu") is None
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system.printed("sysctl", "hw.ncpu") is None
