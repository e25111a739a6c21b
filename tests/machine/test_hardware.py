"""What a machine says of itself, on machines recorded as small trees of /proc and /sys."""

import re
from dataclasses import replace

import pytest
import recorded
from recorded import KIB, MIB

from labkit.machine import clocks, hardware, limits, power
from labkit.machine.blas import Blas, loaded_blas
from labkit.machine.caches import Cache
from labkit.machine.cpus import first_cpu

FIELDS = ("cpu", "isa", "caches", "governor", "power", "virtualized")


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """What a recorded machine is seen as, with files added and only some of its CPUs allowed."""
    monkeypatch.setattr(hardware, "_archspec", lambda: ((None, "archspec is not installed"), frozenset()))

    def see(name, added=(), allowed=None):
        root = recorded.grow(tmp_path / str(name), {**(recorded.files(name) if name else {}), **dict(added)})
        return hardware.hardware(root, allowed)

    return see


def test_a_laptop_is_read_as_it_is(seen):
    laptop = seen("i5-8250u")
    assert (laptop.cpu, laptop.short_name) == ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", "i5-8250U")
    assert (laptop.governor, laptop.virtualized, laptop.cores.quota) == ("powersave", False, None)
    assert laptop.isa == ["sse2", "sse4_2", "avx", "f16c", "fma", "avx2"]
    assert laptop.caches == [Cache(1, 32 * KIB, 2), Cache(2, 256 * KIB, 2), Cache(3, 6 * MIB, 8)]
    assert set(laptop.reasons) == {"power", "microarchitecture", "cores.physical"}


def test_a_guest_is_known_for_one_and_its_container_s_limits_are_its_memory_and_its_cores(seen):
    files = {"sys/fs/cgroup/memory.max": f"{512 * MIB}\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}
    guest = seen("epyc-7r32-guest", files)
    assert (guest.short_name, guest.virtualized) == ("AMD EPYC 7R32", True)
    assert (guest.memory_bytes, guest.cores.quota) == (512 * MIB, 1.5)
    assert guest.governor is None
    assert "virtual machine" in guest.reasons["governor"]


def test_arm_boards_servers_and_macs_are_named_as_far_as_they_name_themselves(seen):
    board, server, mac = seen("raspberry-pi-4"), seen("graviton2"), seen("apple-m2")
    assert (seen("graviton3").isa, seen("ampere-one").isa) == (["asimd", "sve"], ["asimd"])
    assert (board.short_name, board.caches) == ("Raspberry Pi 4 Model B Rev 1.5", [])
    assert "asimd" in board.isa
    assert (server.cpu, server.short_name, server.virtualized) == (None, "this machine", None)
    assert (mac.cpu, mac.isa, mac.reasons["governor"]) == ("Apple M2", ["asimd"], "macOS has none")
    assert seen("apple-m4-max").isa == ["asimd", "sme"]
    assert seen("mac-i7-6700k").isa == ["sse2", "sse4_2", "avx", "f16c", "fma", "avx2"]


@pytest.mark.parametrize("name", [None, *recorded.NAMES])
def test_a_null_has_a_reason_and_what_is_known_has_none(seen, name):
    found = seen(name)
    for field in FIELDS:
        unknown = getattr(found, field) in (None, [])
        assert unknown == bool(found.reasons.get(field)), field
    assert found.short_name


GARBAGE = [b"", b"0\n", b"-1\n", b"<unsupported>\n", b"\xff\xfe\x00", None]  # None: a folder


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_garbled_file_takes_away_what_it_says_and_changes_nothing_else(seen, tmp_path, name):
    sound, contents, root = seen(name), recorded.files(name), tmp_path / name
    sizes = {(cache.level, cache.bytes) for cache in sound.caches}
    # Those of the CPU that is reported, and of files that differ in a number alone the last.
    last = {re.sub(r"\d+", "#", path): path for path in contents}.values()
    for path in (root / path for path in contents if f"/cpu{first_cpu(root)}/" in path or path in last):
        text = path.read_bytes()
        for garbage in GARBAGE:
            path.unlink()
            path.mkdir() if garbage is None else path.write_bytes(garbage)
            found = hardware.hardware(root)
            clocks.nominal_ghz(root)
            for field in ("cpu", "governor", "virtualized"):
                assert getattr(found, field) == getattr(sound, field) or found.reasons[field], (path, garbage)
            kept = {(cache.level, cache.bytes) for cache in found.caches}
            assert kept == sizes or (kept < sizes and found.reasons["caches"]), (path, garbage)
            path.rmdir() if garbage is None else path.unlink()
            path.write_bytes(text)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_no_recorded_machine_names_a_person_or_can_be_told_from_its_like(name):
    for path, text in recorded.files(name).items():
        for secret in ("Serial\t", "/home/", "/Users/", "hostname", "hw.uuid", "@gmail"):
            assert secret not in path + text
        assert not re.search(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", text)


NAMES = {
    "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz": "i5-8250U",
    "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz": "i7-1165G7",
    "Intel(R) Core(TM) m3-7Y32 CPU @ 1.10GHz": "m3-7Y32",
    "Intel(R) Core(TM) Ultra 7 155H": "Core Ultra 7 155H",
    "Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz": "Core 2 Duo E8400",
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz": "Xeon E5-2680 v4",
    "AMD EPYC 7763 64-Core Processor": "AMD EPYC 7763",
    "AMD Ryzen 7 5800X 8-Core Processor": "Ryzen 7 5800X",
    "AMD Ryzen 5 3500U with Radeon Vega Mobile Gfx": "Ryzen 5 3500U",
    "Raspberry Pi 4 Model B Rev 1.4": "Raspberry Pi 4 Model B Rev 1.4",
    **dict.fromkeys([None, "", "(R)", "CPU @ 1.60GHz"], "this machine"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_cpu_is_called_what_people_call_it(name):
    assert hardware.short_name(name) == NAMES[name]


SUPPLY = "sys/class/power_supply"
DISCHARGING = {"BAT0/type": "Battery", "BAT0/status": "Discharging"}


@pytest.mark.parametrize(
    ("files", "supply"),
    [
        ({**DISCHARGING, "AC/type": "Mains", "AC/online": "0"}, "battery"),
        ({**DISCHARGING, "AC/type": "Mains", "AC/online": "1"}, "AC"),
        ({"BAT0/type": "Battery", "BAT0/status": "Full"}, "AC"),
        ({**DISCHARGING, "BAT0/scope": "Device"}, None),
        ({"BAT0/type": "Battery", "BAT0/status": "Unknown"}, None),
        ({}, None),
    ],
)
def test_power_is_the_mains_or_the_machine_s_own_battery_and_not_its_mouse_s(tmp_path, files, supply):
    root = recorded.grow(tmp_path, {f"{SUPPLY}/{name}": text + "\n" for name, text in files.items()})
    found, why = power.power(root)
    assert (found, why is None) == (supply, supply is not None)


@pytest.mark.parametrize(("name", "supply"), [("apple-m1-pro", "battery"), ("apple-m4-max", "AC"), ("apple-m5", None)])
def test_a_mac_s_power_is_what_pmset_prints(seen, name, supply):
    mac = seen(name)
    assert (mac.power, "power" in mac.reasons) == (supply, supply is None)


@pytest.mark.parametrize(
    ("first", "supply", "then"),
    [("AC", "AC", "80%; AC attached; not charging"), ("UPS", "battery", "87%; discharging; (no estimate)")],
)
def test_a_mac_that_holds_its_charge_is_on_the_mains_and_one_on_its_ups_is_not(seen, first, supply, then):
    said = f"Now drawing from '{first} Power'\n -'Battery Power' (id=1)\t{then} present: true\n"
    assert seen("apple-m5", {"pmset": said}).power == supply


def test_the_machine_at_hand_can_be_described():
    here = hardware.hardware()
    assert here.short_name
    assert 0 < limits.memory_available() <= here.memory_bytes
    assert 0 < here.cores.usable <= here.cores.logical
    assert clocks.nominal_ghz()[1]


def test_a_roofline_is_bound_to_the_cpu_and_the_blas_kernel_and_not_to_a_drifting_clock(seen):
    library, other = Blas("openblas", "0.3", "Haswell", 1), Blas("openblas", "0.3", "Zen", 1)
    laptop = seen("i5-8250u")
    before = hardware.identity(laptop, library)
    laptop.governor, laptop.power, laptop.memory_bytes = "performance", "AC", 1
    assert hardware.identity(laptop, library) == before
    assert hardware.identity(laptop, other) != before
    assert hardware.identity(laptop, library, "1.0") != before
    for field, other in (("cpu", "another"), ("caches", []), ("isa", ["sse2"]), ("microarchitecture", "zen5")):
        assert hardware.identity(replace(laptop, **{field: other}), library) != before
    assert loaded_blas().library
