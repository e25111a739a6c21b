"""The caches that a machine reports, and those that it reports wrongly."""

import pytest
from machines.recorded import CPUS, KIB, MIB, cache_files, sysctl

from labkit.caches import caches, caches_and_why, parse_size
from labkit.records import Cache

FIRST = f"{CPUS}/cpu0/cache/index0"
SOUND = ((1, "Data", "32K", "0"), (2, "Unified", "1M", "0"))
FOUND = [Cache(level=1, bytes=32 * KIB, shared_by=1), Cache(level=2, bytes=MIB, shared_by=1)]


@pytest.mark.parametrize(
    ("name", "allowed", "found"),
    [
        ("i5-8250u", None, [(1, 32 * KIB, 2), (2, 256 * KIB, 2), (3, 6 * MIB, 8)]),
        ("epyc-7r32-guest", None, [(1, 32 * KIB, None), (2, 512 * KIB, None), (3, 16 * MIB, None)]),
        ("xeon-guest-260-mib-l3", None, [(1, 48 * KIB, 1), (2, 2 * MIB, 1), (3, 260 * MIB, 2)]),
        ("graviton2", None, [(1, 64 * KIB, 1), (2, MIB, 1), (3, 32 * MIB, 64)]),
        ("raspberry-pi-5", None, [(1, 64 * KIB, 1), (2, 512 * KIB, 1), (3, 2 * MIB, 4)]),
        ("i7-1370p", None, [(1, 48 * KIB, 2), (2, 1280 * KIB, 2), (3, 24 * MIB, 20)]),
        ("i7-1370p", {12}, [(1, 32 * KIB, 1), (2, 2 * MIB, 4), (3, 24 * MIB, 20)]),
        ("dgx-spark-gb10", None, [(1, 64 * KIB, 1), (2, 2 * MIB, 1), (3, 8 * MIB, 10)]),
        ("dgx-spark-gb10", {0}, [(1, 64 * KIB, 1), (2, 512 * KIB, 1), (3, 8 * MIB, 10)]),
    ],
)
def test_caches_are_those_of_the_fastest_core_that_is_allowed(machine_tree, name, allowed, found):
    seen, why = caches_and_why(machine_tree(name), allowed)
    assert [(cache.level, cache.bytes, cache.shared_by) for cache in seen] == found
    assert why is None


def test_a_mac_s_caches_are_those_of_its_performance_cores_and_not_half_as_large(tree):
    assert caches(tree({}), {0}, sysctl("apple-m2")) == [
        Cache(level=1, bytes=128 * KIB, shared_by=None),
        Cache(level=2, bytes=16 * MIB, shared_by=4),
    ]


def test_an_intel_mac_has_its_third_level_too(tree):
    said = {"hw.l1dcachesize": "32768", "hw.l2cachesize": "262144", "hw.l3cachesize": "12582912"}
    assert [(c.level, c.bytes) for c in caches(tree({}), {0}, said.get)] == [
        (1, 32 * KIB), (2, 256 * KIB), (3, 12 * MIB),
    ]  # fmt: skip


@pytest.mark.parametrize("said", ["0", "", "unknown"])
def test_a_mac_that_tells_no_sizes_has_no_caches_and_a_reason(tree, said):
    assert caches_and_why(tree({}), {0}, {"hw.l1dcachesize": said}.get) == ([], "no caches are reported")


def test_caches_are_in_order_of_level_however_the_folder_lists_them(tree):
    assert caches(tree(cache_files(*reversed(SOUND)))) == FOUND


def test_a_cache_that_does_not_say_who_shares_it_is_null_there(tree):
    assert caches(tree(cache_files((2, "Unified", "1M", None)))) == [Cache(level=2, bytes=MIB, shared_by=None)]


@pytest.mark.parametrize(("listing", "count"), [("0", 1), ("0-3", 4), ("0-3,8", 5), ("0,4", 2), ("2-3,10-13", 6)])
def test_who_shares_a_cache_is_counted_with_both_ends(tree, listing, count):
    (cache,) = caches(tree(cache_files((1, "Data", "32K", listing))))
    assert cache.shared_by == count


@pytest.mark.parametrize("listing", ["", "all", "3-1", "0-"])
def test_who_shares_a_cache_is_null_if_the_list_is_garbled(tree, listing):
    (cache,) = caches(tree(cache_files((1, "Data", "32K", listing))))
    assert (cache.bytes, cache.shared_by) == (32 * KIB, None)


@pytest.mark.parametrize("bad", [
    (1, "Data", "unknown", "0"), (1, "Data", "", "0"), (1, "Data", "0K", "0"), (1, "Data", "-1K", "0"),
    (1, "Data", None, "0"), ("", "Data", "32K", "0"), (0, "Data", "32K", "0"), (None, "Data", "32K", "0"),
    (1, "", "32K", "0"), (1, None, "32K", "0"),
])  # fmt: skip
def test_a_cache_without_kind_level_or_size_is_left_out_with_a_reason_and_the_others_stay(tree, bad):
    seen, why = caches_and_why(tree(cache_files(bad, SOUND[1])))
    assert seen == FOUND[1:]
    assert why == "/sys does not tell kind, level and size of cache index0"


def test_a_kernel_that_knows_the_levels_but_no_size_has_no_caches_and_says_which(tree):
    seen, why = caches_and_why(tree(cache_files((1, "Data", None, "0"), (2, "Unified", None, "0-3"))))
    assert seen == []
    assert "index0 and index1" in why


@pytest.mark.parametrize("name", ["level", "size", "type", "shared_cpu_list"])
def test_a_folder_or_bytes_in_place_of_a_file_are_not_an_error(tree, name):
    root = tree(cache_files(*SOUND))
    (root / FIRST / name).write_bytes(b"\xff\xfe\x00")
    as_bytes = caches(root)
    (root / FIRST / name).unlink()
    (root / FIRST / name).mkdir()
    assert caches(root) == as_bytes
    assert as_bytes[-1] == FOUND[1]
    assert len(as_bytes) == (2 if name == "shared_cpu_list" else 1)


def test_a_file_in_place_of_the_folder_of_caches_is_no_caches(tree):
    assert caches_and_why(tree({f"{CPUS}/cpu0/cache": "32K"})) == ([], "no caches are reported")


def test_a_level_that_is_listed_twice_counts_once_and_is_the_nearer(tree):
    instructions = (1, "Instruction", "32K", "0")
    listed = (
        SOUND[0],
        instructions,
        SOUND[1],
        *[instructions] * 7,
        (2, "Unified", "64M", "0-7"),
    )  # the last is index10
    assert caches(tree(cache_files(*listed))) == FOUND


@pytest.mark.parametrize(
    ("said", "size"), [("32K", 32 * KIB), ("6144K", 6 * MIB), ("32M", 32 * MIB), ("1g", 1 << 30), ("512", 512)]
)
def test_cache_sizes_are_powers_of_two(said, size):
    assert parse_size(said) == size


@pytest.mark.parametrize("said", ["", "K", "unknown", "32KB", "32 K", "1.5M", "-32K", "²K"])
def test_what_is_not_a_size_is_none(said):
    assert parse_size(said) is None
