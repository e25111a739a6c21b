"""The memory and the CPU time that a process is allowed, in containers above all."""

import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from machines.recorded import MIB

from labkit import limits
from labkit.limits import (
    Allowance,
    cpu_quota,
    memory_available,
    memory_limit,
    process_allowances,
    require_address_space,
)

MOUNT = "sys/fs/cgroup"
V2, V1 = f"{MOUNT}/memory.max", f"{MOUNT}/memory/memory.limit_in_bytes"
SELF = "proc/self/cgroup"
TOTAL = psutil.virtual_memory().total


def limit(root, own=()):
    return memory_limit(root, own)


@pytest.mark.parametrize("file", [V1, V2])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("268435456", 256 * MIB), ("max", TOTAL), ("9223372036854771712", TOTAL), (str(1 << 59), TOTAL), ("", TOTAL),
        ("0", TOTAL), ("-1", TOTAL), ("unknown", TOTAL), ("9" * 40, TOTAL),
    ],
)  # fmt: skip
def test_memory_is_the_container_s_limit_where_it_is_less_than_the_machine_s(tree, file, said, expected):
    assert limit(tree({file: said + "\n"})) == expected


def test_the_tighter_of_two_limits_holds(tree):
    assert limit(tree({V2: "200000000", V1: "100000000"})) == 100_000_000


@pytest.mark.parametrize("where", ["", "/user.slice", "/user.slice/job", "/user.slice/job/step"])
def test_a_limit_on_the_process_s_own_group_or_on_any_above_it_holds(tree, where):
    groups = {f"{MOUNT}/user.slice/job/step/memory.max": "max\n", f"{MOUNT}/user.slice/memory.max": "max\n"}
    root = tree({SELF: "0::/user.slice/job/step\n", **groups, f"{MOUNT}{where}/memory.max": "300000000\n"})
    assert limit(root) == 300_000_000


def test_a_limit_on_a_group_beside_or_below_the_process_s_own_is_none_of_its_business(tree):
    root = tree({SELF: "0::/a/b\n", f"{MOUNT}/a/c/memory.max": "1000\n", f"{MOUNT}/a/b/c/memory.max": "1000\n"})
    assert limit(root) == TOTAL


def test_version_1_is_read_by_the_path_of_its_own_controller(tree):
    lines = "9:name=systemd:/x\n4:memory:/docker/abc\n1:cpu,cpuacct:/y\n0::/z\n"
    groups = {f"{MOUNT}/memory/{name}/memory.limit_in_bytes": "400000000\n" for name in ("docker/abc", "x", "y")}
    groups[f"{MOUNT}/memory/x/memory.limit_in_bytes"] = groups[f"{MOUNT}/memory/y/memory.limit_in_bytes"] = "1000\n"
    assert limit(tree({SELF: lines, **groups})) == 400_000_000


def test_version_2_beside_version_1_is_found_where_it_is_mounted(tree):
    assert limit(tree({SELF: "0::/job\n", f"{MOUNT}/unified/job/memory.max": "500000000\n"})) == 500_000_000


def test_in_a_container_the_mount_s_root_holds_although_the_path_outside_is_not_there(tree):
    assert limit(tree({SELF: "0::/kubepods/pod1/abc\n4:memory:/docker/abc\n", V2: "600000000\n"})) == 600_000_000


@pytest.mark.parametrize("path", ["/../../other", "/..", "/a/../../../../secret"])
def test_a_group_outside_the_container_s_view_leads_nowhere_out_of_the_mount(tree, path):
    root = tree({SELF: f"0::{path}\n", "secret/memory.max": "1000", f"{MOUNT}/../memory.max": "1000", V2: "700000000"})
    assert limit(root) == 700_000_000


@pytest.mark.parametrize("lines", [b"", b"\xff\xfe", b"0", b"::::", b"0::/a\0b\n", b"\n\n", b"0::/" + b"x" * 9000])
def test_a_garbled_list_of_groups_leaves_the_mount_s_root(tree, lines):
    root = tree({SELF: "", V2: "800000000\n"})
    (root / SELF).write_bytes(lines)
    assert limit(root) == 800_000_000
    assert cpu_quota(root) is None


def test_a_folder_in_place_of_a_limit_is_no_limit(tree):
    root = tree({})
    (root / V2).mkdir(parents=True)
    assert limit(root) == TOTAL


def test_the_process_s_own_limit_holds_where_it_is_the_least(tree):
    root = tree({V2: "200000000"})
    assert limit(root, [Allowance(limit=100_000_000, used=0)]) == 100_000_000
    assert limit(root, [Allowance(limit=300_000_000, used=0)]) == 200_000_000


def test_what_is_available_is_what_the_tightest_limit_leaves(tree):
    root = tree({V2: "200000000", f"{MOUNT}/memory.current": "150000000"})
    assert memory_available(root, ()) == 50_000_000
    assert memory_available(root, [Allowance(limit=90_000_000, used=60_000_000)]) == 30_000_000


def test_the_group_with_the_least_room_need_not_be_the_one_with_the_least_limit(tree):
    root = tree({
        SELF: "0::/a/b\n", f"{MOUNT}/a/memory.max": "300000000", f"{MOUNT}/a/memory.current": "290000000",
        f"{MOUNT}/a/b/memory.max": "200000000", f"{MOUNT}/a/b/memory.current": "100000000",
    })  # fmt: skip
    assert limit(root) == 200_000_000
    assert memory_available(root, ()) == 10_000_000


def test_version_1_tells_its_use_under_another_name(tree):
    root = tree({V1: "200000000", f"{MOUNT}/memory/memory.usage_in_bytes": "120000000"})
    assert memory_available(root, ()) == 80_000_000


@pytest.mark.parametrize(
    ("limit", "used", "statistic"),
    [(V2, "memory.current", "inactive_file"), (V1, "memory/memory.usage_in_bytes", "total_inactive_file")],
)
def test_files_that_the_kernel_only_keeps_at_hand_do_not_count_as_used(tree, limit, used, statistic):
    folder = limit.rpartition("/")[0]
    stat = f"anon 1\n{statistic} 70000000\nfile 90000000\n"
    root = tree({limit: "200000000", f"{MOUNT}/{used}": "150000000", f"{folder}/memory.stat": stat})
    assert memory_available(root, ()) == 120_000_000


@pytest.mark.parametrize("used", ["", "unknown", "-5"])
def test_use_that_cannot_be_read_takes_nothing_off_the_limit(tree, used):
    assert memory_available(tree({V2: "2000000", f"{MOUNT}/memory.current": used}), ()) == 2_000_000


def test_more_used_than_allowed_leaves_nothing_and_no_debt(tree):
    assert memory_available(tree({V2: "1000000", f"{MOUNT}/memory.current": "1500000"}), ()) == 0


def test_more_kept_at_hand_than_used_does_not_make_room_beyond_the_limit(tree):
    files = {V2: "2000000", f"{MOUNT}/memory.current": "1000000", f"{MOUNT}/memory.stat": "inactive_file 1500000\n"}
    assert memory_available(tree(files), ()) == 2_000_000


def test_without_limits_what_is_free_on_the_machine_is_available(tree, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=3_000_000, available=1_000_000))
    assert memory_available(tree({}), ()) == 1_000_000
    assert memory_limit(tree({}), ()) == 3_000_000


def test_the_limits_of_this_very_process_count_unless_others_are_given(tree, monkeypatch):
    monkeypatch.setattr(limits, "process_allowances", lambda: [Allowance(limit=5_000_000, used=2_000_000)])
    assert memory_limit(tree({})) == 5_000_000
    assert memory_available(tree({})) == 3_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS takes no such limit")
@pytest.mark.parametrize("flag", ["-v", "-d"])
def test_a_limit_set_by_the_shell_is_seen(flag):
    code = "from labkit.limits import *; (a,) = process_allowances(); print(a.limit, 0 < a.used < a.limit)"
    said = subprocess.run(
        ["sh", "-c", f"ulimit -S {flag} 4000000 && exec {shlex.quote(sys.executable)} -c '{code}'"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [str(4_000_000 << 10), "True"]


def test_a_process_without_limits_has_no_allowances():
    assert all(a.limit > 0 for a in process_allowances())


CPU_V1 = f"{MOUNT}/cpu"


@pytest.mark.parametrize(
    ("contents", "cores"),
    [
        ({f"{MOUNT}/cpu.max": "150000 100000\n"}, 1.5),
        ({f"{MOUNT}/cpu.max": "max 100000\n"}, None),
        ({f"{CPU_V1}/cpu.cfs_quota_us": "50000\n", f"{CPU_V1}/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({f"{CPU_V1}/cpu.cfs_quota_us": "-1\n", f"{CPU_V1}/cpu.cfs_period_us": "100000\n"}, None),
        ({f"{CPU_V1}/cpu.cfs_quota_us": "50000\n"}, None),
        ({SELF: "0::/a/b\n", f"{MOUNT}/a/cpu.max": "20000 10000", f"{MOUNT}/a/b/cpu.max": "max 10000"}, 2.0),
        ({SELF: "0::/a/b\n", f"{MOUNT}/a/cpu.max": "20000 10000", f"{MOUNT}/a/b/cpu.max": "30000 10000"}, 2.0),
        ({SELF: "0::/a\n", f"{MOUNT}/b/cpu.max": "20000 10000"}, None),
        ({}, None),
    ],
)
def test_the_quota_is_the_least_of_the_process_s_group_and_those_above(tree, contents, cores):
    assert cpu_quota(tree(contents)) == cores


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_a_quota_on_joint_controllers_is_found_under_both_names_or_one(tree, mount):
    folder = f"{MOUNT}/{mount}/job"
    root = tree({SELF: "3:cpu,cpuacct:/job\n", f"{folder}/cpu.cfs_quota_us": "1", f"{folder}/cpu.cfs_period_us": "4"})
    assert cpu_quota(root) == 0.25


@pytest.mark.parametrize("said", ["", "max", "1", "0 100000", "100000 0", "a b", "1 2 3", "-1 100000", "1.5 2"])
def test_a_garbled_quota_is_no_quota(tree, said):
    assert cpu_quota(tree({f"{MOUNT}/cpu.max": said})) is None


@pytest.mark.parametrize(("mib", "goes_on"), [(None, True), (600, True), (599, False), (256, False)])
def test_too_little_address_space_is_one_line_and_status_2_before_anything_is_loaded(mib, goes_on, capsys):
    own = [] if mib is None else [Allowance(limit=mib << 20, used=0)]
    if goes_on:
        require_address_space("x.py", sys.stderr, own)
        return
    with pytest.raises(SystemExit) as stopped:
        require_address_space("x.py", sys.stderr, own)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said == f"x.py: {mib} MiB of memory is too little, 600 are needed: raise it (ulimit -v)\n"
