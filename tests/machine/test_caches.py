"""The caches that a machine reports, and those that it reports wrongly."""

import pytest
from recorded import KIB, MIB, cache_files

from labkit.machine.caches import Cache, caches

SOUND = ((1, "Data", "32K", "0"), (2, "Unified", "1M", "0"))
FOUND = [Cache(1, 32 * KIB, 1), Cache(2, MIB, 1)]


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
        ("apple-m2", {0}, [(1, 128 * KIB, None), (2, 16 * MIB, 4)]),
        ("apple-m1-pro", {0}, [(1, 128 * KIB, None), (2, 12 * MIB, 4)]),
        ("apple-m4-max", {0}, [(1, 128 * KIB, None), (2, 16 * MIB, 6)]),
    ],
)
def test_caches_are_those_of_the_fastest_core_that_is_allowed(tree, name, allowed, found):
    seen, why = caches(tree(name), allowed)
    assert [(cache.level, cache.bytes, cache.shared_by) for cache in seen] == found
    assert why is None


def test_an_intel_mac_has_its_third_level_too_and_one_that_reports_no_sizes_has_a_reason(tree):
    mac = "hw.l1dcachesize: 32768\nhw.l2cachesize: 262144\nhw.l3cachesize: 12582912\n"
    found = [(cache.level, cache.bytes) for cache in caches(tree({"sysctl": mac}))[0]]
    assert found == [(1, 32 * KIB), (2, 256 * KIB), (3, 12 * MIB)]
    assert caches(tree({"sysctl": "hw.l1dcachesize: 0\n"})) == ([], "no caches are reported")


def test_caches_are_in_order_of_level_and_a_level_listed_twice_is_the_nearer_one(tree):
    instructions, far = (1, "Instruction", "32K", "0"), (2, "Unified", "64M", "0-7")
    assert caches(tree(cache_files(*reversed(SOUND)))) == (FOUND, None)
    listed = (SOUND[0], instructions, SOUND[1], *[instructions] * 7, far)  # far is index10
    assert caches(tree(cache_files(*listed))) == (FOUND, None)


@pytest.mark.parametrize(
    ("listing", "count"), [("0", 1), ("0-3,8", 5), ("2-3,10-13", 6), ("", None), ("all", None), ("3-1", None)]
)
def test_sharers_of_a_cache_are_counted_with_both_ends_and_unknown_if_the_list_is_garbled(tree, listing, count):
    assert caches(tree(cache_files((1, "Data", "32K", listing))))[0] == [Cache(1, 32 * KIB, count)]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("garbled", ["", None, "unknown", "0", "-1"])
def test_a_cache_without_kind_level_or_size_is_left_out_with_a_reason_and_the_others_stay(tree, place, garbled):
    bad = list(SOUND[0])
    bad[place] = garbled
    seen, why = caches(tree(cache_files(bad, SOUND[1])))
    assert seen == FOUND[1:]
    assert why == "/sys does not tell kind, level and size of cache index0"


@pytest.mark.parametrize(
    ("said", "size"),
    [("32K", 32 * KIB), ("6144K", 6 * MIB), ("32M", 32 * MIB), ("1g", 1 << 30), ("512", 512)]
    + [(said, None) for said in ("", "K", "unknown", "32KB", "32 K", "1.5M", "-32K", "²K")],
)
def test_cache_sizes_are_powers_of_two_and_nothing_else_is_a_size(tree, said, size):
    found, why = caches(tree(cache_files((1, "Data", said, "0"))))
    assert (found, why is None) == ([Cache(1, size, 1)] if size else [], size is not None)
