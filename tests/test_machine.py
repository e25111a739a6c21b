"""What a machine says of itself, on machines recorded as small trees of /proc and /sys."""

import re
import sys

import msgspec
import psutil
import pytest
from machines import recorded
from machines.recorded import KIB, MIB

from labkit import machine
from labkit.records import Blas, Cache, Cores

TELLABLE = ("cpu", "governor", "power", "virtualized", "caches")


@pytest.fixture
def seen(tmp_path):
    """What a recorded machine is seen as, with files added and only some of its CPUs allowed."""

    def see(name, added=(), allowed=None):
        root = recorded.grow(tmp_path, {**recorded.files(name), **dict(added)})
        return machine.hardware(root, allowed, recorded.sysctl(name))

    return see


def test_a_laptop_is_read_as_it_is(seen):
    laptop = seen("i5-8250u")
    assert (laptop.cpu, laptop.short_name) == ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", "i5-8250U")
    assert (laptop.governor, laptop.virtualized, laptop.cores.quota) == ("powersave", False, None)
    assert laptop.caches == [
        Cache(level=1, bytes=32 * KIB, shared_by=2),
        Cache(level=2, bytes=256 * KIB, shared_by=2),
        Cache(level=3, bytes=6 * MIB, shared_by=8),
    ]
    assert set(laptop.reasons) == {"power"}


def test_a_guest_is_known_for_one_and_its_container_s_limits_are_its_memory_and_its_cores(seen):
    limits = {"sys/fs/cgroup/memory.max": f"{512 * MIB}\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}
    guest = seen("epyc-7r32-guest", limits)
    assert (guest.short_name, guest.virtualized) == ("AMD EPYC 7R32", True)
    assert [(c.level, c.bytes) for c in guest.caches] == [(1, 32 * KIB), (2, 512 * KIB), (3, 16 * MIB)]
    assert (guest.memory_bytes, guest.cores.quota) == (512 * MIB, 1.5)
    assert guest.governor is None
    assert "virtual machine" in guest.reasons["governor"]


def test_a_third_level_cache_larger_than_any_core_s_share_is_believed(seen):
    guest = seen("xeon-guest-260-mib-l3")
    assert (guest.short_name, guest.virtualized) == ("Intel Xeon", True)
    assert guest.caches[-1] == Cache(level=3, bytes=260 * MIB, shared_by=2)


def test_a_raspberry_says_its_model_but_neither_cache_sizes_nor_a_hypervisor(seen):
    board = seen("raspberry-pi-4")
    assert board.short_name == "Raspberry Pi 4 Model B Rev 1.5"
    assert (board.caches, board.governor, board.virtualized) == ([], "ondemand", None)
    assert set(board.reasons) == {"power", "caches", "virtualized"}


def test_an_arm_server_has_caches_but_no_name(seen):
    server = seen("graviton2")
    assert (server.cpu, server.short_name, server.virtualized) == (None, "this machine", None)
    assert [cache.bytes for cache in server.caches] == [64 * KIB, MIB, 32 * MIB]


def test_a_mac_is_known_by_sysctl_alone(seen):
    mac = seen("apple-m2")
    assert (mac.cpu, mac.short_name) == ("Apple M2", "Apple M2")
    assert [cache.bytes for cache in mac.caches] == [128 * KIB, 16 * MIB]
    assert mac.reasons["governor"] == "macOS has none"


def test_a_hybrid_laptop_is_its_performance_cores_unless_only_the_others_are_allowed(seen):
    assert [cache.bytes for cache in seen("i7-1370p").caches] == [48 * KIB, 1280 * KIB, 24 * MIB]
    pinned = seen("i7-1370p", allowed={12})
    assert [cache.bytes for cache in pinned.caches] == [32 * KIB, 2 * MIB, 24 * MIB]
    assert pinned.cores.usable == 1


def test_a_machine_that_tells_nothing_is_null_with_a_reason_for_each(tmp_path):
    nothing = machine.hardware(tmp_path)
    assert [getattr(nothing, field) for field in TELLABLE] == [None, None, None, None, []]
    assert nothing.short_name == "this machine"
    assert set(nothing.reasons) == set(TELLABLE)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_null_has_a_reason_and_what_is_known_has_none(seen, name):
    found = seen(name)
    for field in TELLABLE:
        unknown = getattr(found, field) in (None, [])
        assert unknown == bool(found.reasons.get(field)), field


GARBAGE = [b"", b"0\n", b"-1\n", b"<unsupported>\n", b"\xff\xfe\x00", None]  # None: a folder


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_file_that_is_garbled_takes_away_what_it_says_and_changes_nothing_else(tmp_path, name):
    contents = recorded.files(name)
    root = recorded.grow(tmp_path, contents)
    sound = machine.hardware(root, None, recorded.sysctl(name))
    sizes = {(cache.level, cache.bytes) for cache in sound.caches}
    for path in map(root.joinpath, contents):
        text = path.read_bytes()
        for garbage in GARBAGE:
            path.unlink()
            path.mkdir() if garbage is None else path.write_bytes(garbage)
            found = machine.hardware(root, None, recorded.sysctl(name))
            machine.nominal_ghz(root)
            for field in ("cpu", "governor", "virtualized"):
                assert getattr(found, field) == getattr(sound, field) or found.reasons[field], (path, garbage)
            kept = {(cache.level, cache.bytes) for cache in found.caches}
            assert kept == sizes or (kept < sizes and found.reasons["caches"]), (path, garbage)
            path.rmdir() if garbage is None else path.unlink()
            path.write_bytes(text)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_no_record_names_a_person_or_tells_one_machine_from_its_like(name):
    for path, text in recorded.files(name).items():
        for secret in ("Serial\t", "/home/", "/Users/", "hostname", "hw.uuid", "@gmail"):
            assert secret not in path + text
        assert not re.search(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", text)


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


class Battery:
    def __init__(self, plugged):
        self.power_plugged = plugged


@pytest.mark.parametrize(("battery", "said"), [(Battery(True), "AC"), (Battery(False), "battery"), (None, None)])
def test_power_is_the_mains_or_the_battery_or_not_known(monkeypatch, battery, said):
    monkeypatch.setattr(sys, "platform", "darwin")  # Linux is asked through its own files: see test_health
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    supply, why = machine.power()
    assert (supply, why is None) == (said, said is not None)


def test_a_system_without_battery_sensors_is_not_an_error(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(psutil, "sensors_battery", raising=False)
    assert machine.power()[0] is None


def test_the_machine_at_hand_can_be_described():
    here = machine.hardware()
    assert here.short_name
    assert 0 < machine.memory_available() <= here.memory_bytes
    assert here.cores.usable == len(machine.allowed_cpus()) <= here.cores.logical
    assert machine.nominal_ghz()[1]
    assert machine.blas().library


def test_a_roof_is_bound_to_the_cpu_and_the_blas_kernel_and_not_to_a_drifting_clock(seen):
    library = Blas(library="openblas", version="0.3", kernel="Haswell", threads=1)
    other = Blas(library="openblas", version="0.3", kernel="Zen", threads=1)
    laptop = seen("i5-8250u")
    before = machine.identity(laptop, library)
    laptop.governor, laptop.power, laptop.memory_bytes = "performance", "AC", 1
    assert machine.identity(laptop, library) == before
    assert machine.identity(laptop, other) != before
    assert machine.identity(laptop, library, "1.0") != before
    laptop.cpu = "another"
    assert machine.identity(laptop, library) != before


def test_a_record_from_before_quotas_still_reads():
    assert msgspec.json.decode(b'{"logical": 2, "physical": null, "usable": 2}', type=Cores).quota is None
