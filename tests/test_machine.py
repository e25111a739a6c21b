"""What a machine says of itself, on machines recorded as small trees of /proc and /sys."""

import psutil
import pytest

from labkit import machine
from labkit.records import Blas, Cache

KIB, MIB = 1 << 10, 1 << 20
CACHE, FREQUENCY = "sys/devices/system/cpu/cpu0/cache", "sys/devices/system/cpu/cpu0/cpufreq"
V2, V1 = "sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"


def cache_files(*levels):
    """/sys's entries for (level, type, size, CPUs that share it)."""
    files = {}
    for i, level in enumerate(levels):
        for name, text in zip(("level", "type", "size", "shared_cpu_list"), level, strict=True):
            if text is not None:
                files[f"{CACHE}/index{i}/{name}"] = f"{text}\n"
    return files


LAPTOP = {
    "proc/cpuinfo": (
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\n"
        "model name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\ncpu MHz\t\t: 800.024\n"
        "flags\t\t: fpu vme sse2 sse4_2 avx f16c fma avx2\nbugs\t\t: spectre_v1\n\n"
        "processor\t: 1\nmodel name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\n"
    ),
    f"{FREQUENCY}/scaling_governor": "powersave\n",
    **cache_files(
        (1, "Data", "32K", "0,4"), (1, "Instruction", "32K", "0,4"), (2, "Unified", "256K", "0,4"),
        (3, "Unified", "6144K", "0-7"),
    ),
}  # fmt: skip
GUEST = {
    "proc/cpuinfo": (
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2445.406\n"
        "flags\t\t: fpu sse2 avx fma avx2 hypervisor topoext\n"
    ),
    V2: f"{512 * MIB}\n",
    # Out of order, as a directory may be listed.
    **cache_files((3, "Unified", "32M", "0-1"), (1, "Data", "32K", "0"), (2, "Unified", "512K", "0")),
}
RASPBERRY = {
    "proc/cpuinfo": (
        "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd08\n\n"
        "Hardware\t: BCM2835\nSerial\t\t: 0\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"
    ),
    f"{FREQUENCY}/scaling_governor": "ondemand\n",
    **cache_files((1, "Data", None, "0"), (2, "Unified", None, "0-3")),
}
EMPTY = {}
TREES = {"laptop": LAPTOP, "guest": GUEST, "raspberry": RASPBERRY, "empty": EMPTY}


@pytest.fixture
def tree(tmp_path):
    def grow(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return grow


def test_a_laptop_is_read_as_it_is(tree):
    seen = machine.hardware(tree(LAPTOP))
    assert (seen.cpu, seen.short_name) == ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", "i5-8250U")
    assert seen.governor == "powersave"
    assert seen.virtualized is False
    assert seen.caches == [
        Cache(level=1, bytes=32 * KIB, shared_by=2),
        Cache(level=2, bytes=256 * KIB, shared_by=2),
        Cache(level=3, bytes=6 * MIB, shared_by=8),
    ]
    assert set(seen.reasons) == {"power"}


def test_a_guest_is_known_for_one_and_its_container_s_limit_is_its_memory(tree):
    seen = machine.hardware(tree(GUEST))
    assert (seen.cpu, seen.short_name, seen.virtualized) == ("AMD EPYC", "AMD EPYC", True)
    assert [(c.level, c.bytes, c.shared_by) for c in seen.caches] == [
        (1, 32 * KIB, 1), (2, 512 * KIB, 1), (3, 32 * MIB, 2),
    ]  # fmt: skip
    assert seen.memory_bytes == 512 * MIB
    assert seen.governor is None
    assert "virtual machine" in seen.reasons["governor"]


def test_a_raspberry_says_its_model_but_neither_cache_sizes_nor_a_hypervisor(tree):
    seen = machine.hardware(tree(RASPBERRY))
    assert seen.short_name == "Raspberry Pi 4 Model B Rev 1.4"
    assert (seen.caches, seen.governor, seen.virtualized) == ([], "ondemand", None)
    assert set(seen.reasons) == {"power", "caches", "virtualized"}


def test_a_machine_that_tells_nothing_is_null_with_a_reason_for_each(tree):
    seen = machine.hardware(tree(EMPTY))
    assert (seen.cpu, seen.governor, seen.power, seen.virtualized, seen.caches) == (None, None, None, None, [])
    assert seen.short_name == "this machine"
    assert set(seen.reasons) == {"cpu", "governor", "power", "virtualized", "caches"}


@pytest.mark.parametrize("name", TREES)
def test_a_null_has_a_reason_and_what_is_known_has_none(tree, name):
    seen = machine.hardware(tree(TREES[name]))
    for field in ("cpu", "governor", "power", "virtualized", "caches"):
        unknown = getattr(seen, field) in (None, [])
        assert unknown == bool(seen.reasons.get(field)), field


NAMES = {
    "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz": "i5-8250U",
    "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz": "i7-1165G7",
    "13th Gen Intel(R) Core(TM) i9-13900K": "i9-13900K",
    "Intel(R) Core(TM) m3-7Y32 CPU @ 1.10GHz": "m3-7Y32",
    "Intel(R) Core(TM) Ultra 7 155H": "Core Ultra 7 155H",
    "Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz": "Core 2 Duo E8400",
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz": "Xeon E5-2680 v4",
    "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz": "Xeon Platinum 8370C",
    "AMD EPYC": "AMD EPYC",
    "AMD EPYC 7763 64-Core Processor": "AMD EPYC 7763",
    "AMD Ryzen 7 5800X 8-Core Processor": "Ryzen 7 5800X",
    "AMD Ryzen 5 3500U with Radeon Vega Mobile Gfx": "Ryzen 5 3500U",
    "Apple M2 Pro": "Apple M2 Pro",
    "Raspberry Pi 4 Model B Rev 1.4": "Raspberry Pi 4 Model B Rev 1.4",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_cpu_is_called_what_people_call_it(name):
    assert machine.short_name(name) == NAMES[name]


@pytest.mark.parametrize("name", [None, "", "(R)", "CPU @ 1.60GHz"])
def test_a_name_that_says_nothing_is_this_machine(name):
    assert machine.short_name(name) == "this machine"


@pytest.mark.parametrize(("text", "size"), [("32K", 32 * KIB), ("6144K", 6 * MIB), ("32M", 32 * MIB), ("512", 512)])
def test_cache_sizes_are_powers_of_two(text, size):
    assert machine.parse_size(text) == size


@pytest.mark.parametrize(("listing", "count"), [("0", 1), ("0-3", 4), ("0-3,8", 5), ("0,4", 2), ("2-3,10-13", 6)])
def test_a_list_of_cpus_is_counted_with_both_ends(tree, listing, count):
    (cache,) = machine.caches(tree(cache_files((1, "Data", "32K", listing))))
    assert cache.shared_by == count


def test_a_cache_that_does_not_say_who_shares_it_is_null_there(tree):
    assert machine.caches(tree(cache_files((2, "Unified", "1M", None)))) == [Cache(level=2, bytes=MIB, shared_by=None)]


@pytest.mark.parametrize("file", [V1, V2])
@pytest.mark.parametrize(
    ("text", "limit"),
    [("268435456", 256 * MIB), ("max", None), ("9223372036854771712", None), (str(1 << 59), None), ("", None)],
)
def test_memory_is_the_container_s_limit_where_it_is_less_than_the_machine_s(tree, file, text, limit):
    expected = limit or psutil.virtual_memory().total
    assert machine.memory_limit(tree({file: text + "\n"})) == expected


def test_the_tighter_of_two_limits_holds(tree):
    assert machine.memory_limit(tree({V2: "200000000", V1: "100000000"})) == 100_000_000


class Battery:
    def __init__(self, plugged):
        self.power_plugged = plugged


@pytest.mark.parametrize(("battery", "said"), [(Battery(True), "AC"), (Battery(False), "battery"), (None, None)])
def test_power_is_the_mains_or_the_battery_or_not_known(monkeypatch, battery, said):
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    supply, why = machine.power()
    assert (supply, why is None) == (said, said is not None)


def test_a_system_without_battery_sensors_is_not_an_error(monkeypatch):
    monkeypatch.delattr(psutil, "sensors_battery", raising=False)
    assert machine.power()[0] is None


def test_the_nominal_clock_is_read_in_ghz(tree, monkeypatch):
    monkeypatch.setattr(machine, "ROOT", tree(GUEST))
    assert machine.nominal_ghz() == pytest.approx(2.445406)


def test_a_clock_that_nobody_reports_is_null(tree, monkeypatch):
    monkeypatch.setattr(machine, "ROOT", tree(EMPTY))
    monkeypatch.setattr(psutil, "cpu_freq", lambda: None)
    assert machine.nominal_ghz() is None


def test_the_machine_at_hand_can_be_described():
    seen = machine.hardware()
    assert seen.short_name
    assert seen.memory_bytes > 0
    assert 1 <= seen.cores.usable <= seen.cores.logical
    assert machine.blas().library


def test_a_roof_is_bound_to_the_cpu_and_the_blas_kernel_and_not_to_a_drifting_clock(tree):
    library = Blas(library="openblas", version="0.3", kernel="Haswell", threads=1)
    other = Blas(library="openblas", version="0.3", kernel="Zen", threads=1)
    seen = machine.hardware(tree(LAPTOP))
    before = machine.identity(seen, library)
    seen.governor, seen.power, seen.memory_bytes = "performance", "AC", 1
    assert machine.identity(seen, library) == before
    assert machine.identity(seen, other) != before
    seen.cpu = "another"
    assert machine.identity(seen, library) != before
