"""The processor's counters: which are asked for, what is made of them, and silence where there are none."""

import os
import platform
import struct
import types

import pytest

from labkit.traffic import counters, measure
from labkit.traffic.hierarchy import shape

# Lines that a call of np.matmul may fetch, by raw number: unit mask << 8 | event, as in the makers' lists.
AMD = {0x5F44: 9_000_000, 0x5E44: 700_000, 0x4844: 0}
OLDER_AMD = {mask << 8 | code: n for mask, n in ((0x5F, 900), (0x5E, 70), (0x48, 3)) for code in (0x43, 0x59, 0x5A)}
INTEL = {0x0151: 9_000_000, 0x4F2E: 700_000, 0x412E: 300}
CORE = {0: 80_000_000, 1: 210_000_000}


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """A kernel whose perf_event_open knows these raw counters and these of all processors."""

    def made(vendor, family, raw, core=CORE, machine="x86_64"):
        def syscall(number, attribute, process, cpu, group, flags):
            kind, size, event, *_, switches = struct.unpack_from("=IIQQQQQ", attribute)
            assert (number, process, cpu, group, flags) == (298 if machine == "x86_64" else 241, 0, -1, -1, 0)
            assert (size, switches) == (64, 1 | 1 << 5 | 1 << 6), "off at first, user mode only"
            value = {0: core, 4: raw}[kind].get(event)
            if value is None:
                return -1
            reads, writes = os.pipe()
            os.write(writes, struct.pack("=Q", value))
            os.close(writes)
            return reads

        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setattr(platform, "system", lambda: "Linux")
        monkeypatch.setattr(counters.ctypes, "CDLL", lambda _: types.SimpleNamespace(syscall=syscall))
        monkeypatch.setattr("fcntl.ioctl", lambda handle, request: switched.append(request))
        switched.clear()
        (tmp_path / "proc").mkdir(exist_ok=True)
        (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\n")
        return tmp_path

    switched: list[int] = []
    made.switched = switched
    return made


@pytest.mark.parametrize(
    ("vendor", "family", "raw", "levels"),
    [
        ("AuthenticAMD", 0x17, OLDER_AMD, (2700, 210, 9)),  # Zen 2
        ("AuthenticAMD", 0x19, AMD, (9_000_000, 700_000, 0)),  # Zen 3 and 4
        ("AuthenticAMD", 0x1A, AMD, (9_000_000, 700_000, 0)),  # Zen 5
        ("GenuineIntel", 6, INTEL, (9_000_000, 700_000, 300)),
    ],
)
def test_each_maker_s_counters_of_lines_are_asked_for_by_their_numbers(processor, vendor, family, raw, levels):
    counted = counters.count(lambda: None, processor(vendor, family, raw))
    assert counted == {"cycles": 80_000_000, "instructions": 210_000_000} | dict(
        zip(("L1", "L2", "L3"), levels, strict=True)
    )


def test_counters_run_during_the_call_and_at_no_other_time(processor):
    seen, root = [], processor("GenuineIntel", 6, INTEL)
    counters.count(lambda: seen.append(list(processor.switched)), root)
    assert all(before.count(0x2400) == before.count(0x2401) + 1 for before in seen)
    assert processor.switched.count(0x2400) == processor.switched.count(0x2401) == len(seen)


@pytest.mark.parametrize("core", [{}, {0: 0, 1: 0}], ids=["none opens", "all stand still"])
def test_counters_that_do_not_open_or_stand_still_are_absent_without_a_word(processor, core, capfd):
    before = len(os.listdir("/proc/self/fd"))
    assert counters.count(lambda: None, processor("AuthenticAMD", 0x19, AMD, core)) == {}
    assert (len(os.listdir("/proc/self/fd")), capfd.readouterr()) == (before, ("", ""))


@pytest.mark.parametrize("raw", [{}, {0x0151: 5}], ids=["no line is counted", "only those into L1"])
def test_a_processor_that_counts_only_some_levels_gives_no_bytes(processor, monkeypatch, raw):
    root = processor("GenuineIntel", 6, raw)
    monkeypatch.setattr(measure.counters, "count", lambda call, count=counters.count: count(call, root))
    assert measure.by_counters([16], [shape(level, 1 << 15, 8) for level in (1, 2, 3)]) == []


def test_what_counters_tell_of_a_product_is_bytes_by_level_and_what_the_core_did(processor, monkeypatch):
    root = processor("AuthenticAMD", 0x19, AMD)
    monkeypatch.setattr(measure.counters, "count", lambda call, count=counters.count: count(call, root))
    found = measure.by_counters([16], [shape(level, 1 << 15, 8) for level in (1, 2, 3)])
    assert {k.kernel for k in found} == {"matmul", "einsum", "generated"}
    assert found[0].bytes == {"L1": 64 * 9_000_000, "L2": 64 * 700_000, "L3": 0}
    assert found[0].counts["instructions"] == 210_000_000
    assert {(k.instrument, k.state) for k in found} == {("counters", "warm")}


def test_this_machine_s_counters_count_a_call_or_are_absent_without_a_word(capfd):
    called = []
    counts = counters.count(lambda: called.append(1))
    assert set(counts) <= set(counters.events())
    assert bool(called) >= bool(counts)
    assert capfd.readouterr() == ("", "")
