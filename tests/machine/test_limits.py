"""The memory and the CPU time that a process is allowed, in containers above all."""

import contextlib
import shlex
import subprocess
import sys

import pytest
from recorded import MIB

from labkit.machine import limits
from labkit.machine.limits import cpu_quota, memory_available, memory_limit, process_limits, require_address_space

MOUNT = "sys/fs/cgroup"
LIMIT, USED = f"{MOUNT}/memory.max", f"{MOUNT}/memory.current"
SELF = "proc/self/cgroup"
TOTAL, FREE = 8 << 30, 5 << 30


@pytest.fixture(autouse=True)
def _eight_gib(monkeypatch):
    monkeypatch.setattr(limits, "machine_memory", lambda: (TOTAL, FREE))
    monkeypatch.setattr(limits, "process_limits", lambda: [])


NO_LIMIT = ["max", "9223372036854771712", "", "0", "-1", "unknown", "9" * 40]


@pytest.mark.parametrize(("said", "expected"), [("268435456", 256 * MIB), *((said, TOTAL) for said in NO_LIMIT)])
def test_memory_is_the_container_s_limit_if_it_is_less_than_the_machine_s(tree, said, expected):
    assert memory_limit(tree({LIMIT: said + "\n"})) == expected


@pytest.mark.parametrize("group", ["", "/user.slice", "/user.slice/job", "/user.slice/job/step"])
def test_a_limit_on_the_process_s_own_group_or_on_any_above_it_holds(tree, group):
    groups = {f"{MOUNT}/user.slice/job/step/memory.max": "max\n", f"{MOUNT}/user.slice/memory.max": "max\n"}
    root = tree({SELF: "0::/user.slice/job/step\n", **groups, f"{MOUNT}{group}/memory.max": "300000000\n"})
    assert memory_limit(root) == 300_000_000


def test_a_limit_on_a_group_beside_or_below_the_process_s_own_does_not_count(tree):
    root = tree({SELF: "0::/a/b\n", f"{MOUNT}/a/c/memory.max": "1000\n", f"{MOUNT}/a/b/c/memory.max": "1000\n"})
    assert memory_limit(root) == TOTAL


@pytest.mark.parametrize("where", [f"{MOUNT}/unified/job/memory.max", LIMIT])
def test_a_limit_is_found_beside_version_1_and_in_a_container_at_the_root_of_the_mount(tree, where):
    assert memory_limit(tree({SELF: "0::/job\n4:memory:/docker/abc\n", where: "500000000\n"})) == 500_000_000


@pytest.mark.parametrize(
    "lines", [b"", b"\xff\xfe", b"0", b"::::", b"0::/a\0b\n", b"0::/" + b"x" * 9000, b"0::/../other", b"0::/a/../../b"]
)
def test_a_list_of_groups_that_is_garbled_or_leads_out_of_the_mount_leaves_its_root(tree, lines):
    root = tree({SELF: "", LIMIT: "800000000\n", "sys/fs/other/memory.max": "1000", "sys/fs/b/memory.max": "1000"})
    (root / SELF).write_bytes(lines)
    assert memory_limit(root) == 800_000_000
    assert cpu_quota(root) is None


def test_what_is_available_is_what_the_tightest_limit_leaves(tree, monkeypatch):
    assert memory_available(tree({})) == FREE
    root = tree({LIMIT: "200000000", USED: "150000000"})
    assert memory_available(root) == 50_000_000
    monkeypatch.setattr(limits, "process_limits", lambda: [(90_000_000, 60_000_000)])
    assert (memory_limit(root), memory_available(root)) == (90_000_000, 30_000_000)


@pytest.mark.parametrize(
    ("used", "cached", "left"),
    [
        ("1500000", "700000", 1_200_000),  # files that the kernel only keeps at hand do not count as used
        ("1000000", "1500000", 2_000_000),  # no room beyond the limit
        ("2500000", "0", 0),  # no debt
        ("", "x", 2_000_000), ("unknown", "", 2_000_000), ("-5", "-5", 2_000_000),
    ],
)  # fmt: skip
def test_room_under_a_limit_counts_neither_cached_files_nor_what_is_garbled(tree, used, cached, left):
    stat = f"anon 1\ninactive_file {cached}\nfile 90000000\n"
    assert memory_available(tree({LIMIT: "2000000", USED: used, f"{MOUNT}/memory.stat": stat})) == left


def test_a_machine_that_does_not_tell_its_memory_is_unknown_unless_a_limit_holds(tree, monkeypatch):
    monkeypatch.setattr(limits, "machine_memory", lambda: (None, None))
    assert (memory_limit(tree({})), memory_available(tree({}))) == (None, None)
    assert memory_limit(tree({LIMIT: "1000000"})) == 1_000_000


def test_on_a_mac_pages_that_are_free_or_can_be_count_in_the_size_that_vm_stat_names(monkeypatch, tmp_path):
    monkeypatch.undo()
    said = [
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)",
        *("Pages free:  100.", "Pages active:  7000.", "Pages inactive:  20.", "Pages speculative:  3."),
    ]
    monkeypatch.setattr(limits, "ROOT", tmp_path)
    monkeypatch.setattr(limits, "of_macos", lambda *_: "\n".join(said))
    # A translated Python's own pages are smaller.
    monkeypatch.setattr(limits.os, "sysconf", {"SC_PHYS_PAGES": 40_000, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert limits.machine_memory() == (40_000 * 4096, 123 * 16384)
    said.clear()
    assert limits.machine_memory() == (40_000 * 4096, None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS takes no such limit")
@pytest.mark.parametrize("flag", ["-v", "-d"])
def test_a_limit_set_by_the_shell_is_seen_with_its_use(flag):
    code = "from labkit.machine.limits import *; [(limit, used)] = process_limits(); print(limit, 0 < used < limit)"
    command = f"ulimit -S {flag} 4000000 && exec {shlex.quote(sys.executable)} -c '{code}'"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(4_000_000 << 10), "True"]
    assert all(limit > 0 for limit, _ in process_limits())


@pytest.mark.parametrize(
    ("contents", "cores"),
    [
        ({f"{MOUNT}/cpu.max": "150000 100000\n"}, 1.5),
        ({f"{MOUNT}/cpu.max": "max 100000\n"}, None),
        ({f"{MOUNT}/cpu/cpu.cfs_quota_us": "50000\n", f"{MOUNT}/cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({f"{MOUNT}/cpu/cpu.cfs_quota_us": "-1\n", f"{MOUNT}/cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({f"{MOUNT}/cpu/cpu.cfs_quota_us": "50000\n"}, None),
        ({SELF: "0::/a/b\n", f"{MOUNT}/a/cpu.max": "20000 10000", f"{MOUNT}/a/b/cpu.max": "max 10000"}, 2.0),
        ({SELF: "0::/a/b\n", f"{MOUNT}/a/cpu.max": "20000 10000", f"{MOUNT}/a/b/cpu.max": "30000 10000"}, 2.0),
        ({SELF: "0::/a\n", f"{MOUNT}/b/cpu.max": "20000 10000"}, None),
        *(
            (
                {
                    SELF: "3:cpu,cpuacct:/job\n",
                    f"{MOUNT}/{mount}/job/cpu.cfs_quota_us": "1",
                    f"{MOUNT}/{mount}/job/cpu.cfs_period_us": "4",
                },
                0.25,
            )
            for mount in ("cpu,cpuacct", "cpu")
        ),
        *(({f"{MOUNT}/cpu.max": said}, None) for said in ("1", "0 100000", "1 0", "a b", "1 2 3", "-1 9", "1.5 2")),
    ],
)
def test_the_quota_is_the_least_of_the_process_s_group_and_those_above(tree, contents, cores):
    assert cpu_quota(tree(contents)) == cores


@pytest.mark.parametrize(("mib", "goes_on"), [(None, True), (600, True), (599, False)])
def test_too_little_address_space_is_one_line_and_status_2_before_anything_is_loaded(monkeypatch, mib, goes_on, capsys):
    monkeypatch.setattr(limits, "process_limits", lambda: [] if mib is None else [(mib << 20, 0)])
    with contextlib.nullcontext() if goes_on else pytest.raises(SystemExit, match="2"):
        require_address_space("x.py", sys.stderr)
    line = "x.py: 599 MiB of memory is too little, 600 are needed: raise it (ulimit -v)\n"
    assert capsys.readouterr().err == ("" if goes_on else line)
