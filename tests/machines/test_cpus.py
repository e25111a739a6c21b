"""Which CPUs a process may run on, which of them are fastest, and what they are called."""

import os

import pytest
from machines.recorded import CPUS, sysctl

from labkit import cpus, system

PERFORMANCE, EFFICIENCY = frozenset(range(12)), frozenset(range(12, 20))
BIG, LITTLE = frozenset({*range(5, 10), *range(15, 20)}), frozenset({*range(5), *range(10, 15)})


def capacities(*values):
    return {f"{CPUS}/cpu{cpu}/cpu_capacity": f"{value}\n" for cpu, value in enumerate(values)}


@pytest.mark.parametrize("name", ["i5-8250u", "epyc-7r32-guest", "graviton2", "raspberry-pi-5"])
def test_where_all_cpus_are_alike_all_that_are_allowed_are_fastest(machine_tree, name):
    root = machine_tree(name)
    assert cpus.fastest_cpus({2, 3}, root) == {2, 3}
    assert cpus.several_kinds(root, {2, 3}) is None


def test_equal_capacities_do_not_make_a_guest_a_machine_of_several_kinds(machine_tree):
    root = machine_tree("xeon-guest-260-mib-l3")
    assert cpus.fastest_cpus({0, 1}, root) == {0, 1}
    assert cpus.several_kinds(root) is None


@pytest.mark.parametrize(
    ("name", "fast", "slow"), [("i7-1370p", PERFORMANCE, EFFICIENCY), ("dgx-spark-gb10", BIG, LITTLE)]
)
def test_fast_cores_are_told_from_slow_ones_among_those_allowed(machine_tree, name, fast, slow):
    root = machine_tree(name)
    assert cpus.fastest_cpus(fast | slow, root) == fast
    assert cpus.fastest_cpus({max(fast), *slow}, root) == {max(fast)}
    assert cpus.fastest_cpus(slow, root) == slow
    assert cpus.several_kinds(root, slow) is None
    assert cpus.several_kinds(root, fast) is None


def test_the_phrase_about_kinds_names_the_fast_ones_first(machine_tree):
    root = machine_tree("i7-1370p")
    assert cpus.several_kinds(root, PERFORMANCE | EFFICIENCY) == "CPUs of 2 kinds, the fastest first: 0-11 and 12-19"
    assert cpus.several_kinds(root, {3, 4, 7, 13}) == "CPUs of 2 kinds, the fastest first: 3-4,7 and 13"


def test_three_kinds_of_a_phone_s_cores_are_three(tree):
    root = tree(capacities(280, 280, 280, 855, 855, 855, 855, 1024))
    assert cpus.fastest_cpus(range(8), root) == {7}
    assert cpus.fastest_cpus({0, 1, 4}, root) == {4}
    assert cpus.several_kinds(root) == "CPUs of 3 kinds, the fastest first: 7 and 3-6 and 0-2"


def test_cores_that_boost_a_little_higher_than_their_like_are_not_a_kind_of_their_own(tree):
    assert cpus.fastest_cpus(range(4), tree(capacities(997, 1017, 1024, 1017))) == {0, 1, 2, 3}


def test_a_cpu_whose_capacity_cannot_be_read_is_not_taken_for_the_fastest(tree):
    assert cpus.fastest_cpus({0, 1}, tree(capacities("unknown", 1024))) == {1}


@pytest.mark.parametrize("garbled", ["", "none", "7-3", "0-99999999999", "-1"])
def test_a_garbled_list_of_performance_cores_leaves_all_cpus_alike(tree, garbled):
    root = tree({"sys/devices/cpu_core/cpus": garbled, "sys/devices/cpu_atom/cpus": "4-7\n"})
    assert cpus.fastest_cpus(range(8), root) == set(range(8))


def test_a_mac_s_two_kinds_of_core_are_said_although_no_cpu_is_named(tree):
    kinds = cpus.several_kinds(tree({}), {0}, sysctl("apple-m2"))
    assert kinds == "CPUs of 2 kinds, among which macOS moves threads as it likes"
    assert cpus.several_kinds(tree({}), {0}, {"hw.nperflevels": "1"}.get) is None


def test_the_cpus_allowed_are_those_of_the_affinity_and_not_all(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 7}, raising=False)
    assert cpus.allowed_cpus() == {5, 7}


def test_without_affinity_every_cpu_is_allowed(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cpus.allowed_cpus() == set(range(os.cpu_count()))


def test_of_a_recorded_machine_the_cpus_that_it_has_are_allowed_and_not_those_at_hand(machine_tree):
    assert cpus.allowed_cpus(machine_tree("dgx-spark-gb10")) == set(range(20))


def test_nothing_allowed_has_nothing_fastest(tree):
    assert cpus.fastest_cpus(set(), tree({})) == set()


def test_facts_are_of_the_cpu_asked_for_or_of_the_first(machine_tree):
    root = machine_tree("dgx-spark-gb10")
    assert [cpus.cpu_facts(root, cpu)["CPU part"] for cpu in (0, 5, 19)] == ["0xd87", "0xd85", "0xd87"]


@pytest.mark.parametrize(
    ("listing", "named"),
    [("0", {0}), ("0-3", {0, 1, 2, 3}), ("0-3,8", {0, 1, 2, 3, 8}), ("0,4", {0, 4}), ("2-3,10-11", {2, 3, 10, 11})],
)
def test_a_list_of_cpus_is_read_with_both_ends_and_written_as_it_was(listing, named):
    assert system.cpu_list(listing) == named
    assert system.listed(named) == listing


@pytest.mark.parametrize("listing", [None, "", ",", "a", "1-", "-1", "3-1", "0-3,", "0-65536", "1 2", "٣"])
def test_what_is_not_a_list_of_cpus_names_none(listing):
    assert system.cpu_list(listing) is None


@pytest.mark.parametrize("said", [None, "", "max", "-1", "+1", "1_0", " 1", "1.5", "²", "9" * 5000])
def test_what_is_not_a_whole_number_is_not_taken_for_one(said):
    assert system.whole(said) is None


def test_a_file_that_is_a_folder_or_no_text_says_nothing(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe32K")
    assert [system.text(tmp_path / name) for name in ("binary", "", "missing", "a\0b")] == [None] * 4


def test_a_recorded_machine_is_never_asked_through_this_system_s_sysctl(monkeypatch, tmp_path):
    monkeypatch.setattr(system.sys, "platform", "darwin")
    monkeypatch.setattr(system, "_ask_sysctl", lambda name: "1")
    assert system.sysctl_of(system.ROOT)("hw.ncpu") == "1"
    assert system.sysctl_of(tmp_path)("hw.ncpu") is None


def test_a_system_without_the_sysctl_command_says_nothing_that_way(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system._ask_sysctl("hw.ncpu") is None
