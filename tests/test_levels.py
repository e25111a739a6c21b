"""Working sets of made-up and of recorded machines, and levels read off made-up staircases. No memory is touched."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from levels import (
    DRAM,
    DRAM_LEAST,
    DRAM_MOST,
    DRAM_UNREPORTED,
    TIMES_BELOW,
    dram_bytes,
    level_of,
    memory_for_probes,
    read_levels,
    stair_sizes,
    working_sets,
)
from machines import recorded
from machines.recorded import KIB, MIB
from made_up import rate

from labkit.caches import caches as caches_of
from labkit.records import Cache, Stair

GIB = 1 << 30


def caches(*sizes):
    return [Cache(level=level, bytes=size, shared_by=None) for level, size in enumerate(sizes, 1)]


LAPTOP = caches(32 * KIB, 256 * KIB, 6 * MIB)
GUEST = caches(48 * KIB, 2 * MIB, 260 * MIB)

# --- working sets -----------------------------------------------------------------------------------


def check_sets(reported, allowed):
    """What holds of any machine: each set in its place, none too large, and a word on whatever is amiss."""
    found = working_sets(reported, allowed)
    assert all(size <= allowed for size in found.sets.values())
    assert list(found.sets)[-1] == DRAM
    below = 0
    for cache in sorted(reported, key=lambda c: c.level):
        name = f"L{cache.level}"
        said = [note for note in found.notes if note.startswith(f"{name} was not measured")]
        assert len(said) == (name not in found.sets)
        if size := found.sets.get(name):
            assert size < cache.bytes
            assert not below or size <= TIMES_BELOW * below
            if 3 * cache.bytes > 4 * below + 4:  # otherwise there is hardly room between the two
                assert size > below
        below = cache.bytes
    shared = any(cache.level >= 3 for cache in reported)
    last = max((cache.bytes for cache in reported), default=0)
    # Where no shared cache is reported there may be one all the same.
    enough = found.sets[DRAM] >= 0.9 * 4 * last and (shared or found.sets[DRAM] >= DRAM_UNREPORTED)
    assert any(note.startswith("DRAM was measured over") for note in found.notes) != enough
    assert not any("\n" in note for note in found.notes)
    return found


@pytest.mark.parametrize("allowed", [DRAM_MOST, 32 * MIB, 4 * MIB, 64 * KIB, 8 * KIB, 0])
@pytest.mark.parametrize("name", recorded.NAMES)
def test_the_levels_of_every_recorded_machine_have_working_sets_of_their_own(tmp_path, name, allowed):
    root = recorded.grow(tmp_path, recorded.files(name))
    reported = caches_of(root, None, recorded.sysctl(name))
    found = check_sets(reported, allowed)
    if allowed == DRAM_MOST:
        assert list(found.sets) == [*(f"L{cache.level}" for cache in reported or caches(1)), DRAM]
        assert found.sets[DRAM] >= max([DRAM_LEAST, *(4 * cache.bytes for cache in reported)])
        assert found.notes == []


sizes = st.integers(1, 1 << 31)


@given(st.lists(sizes, max_size=4, unique=True), st.integers(0, DRAM_MOST))
def test_whatever_caches_are_reported_no_set_is_beyond_its_cache_or_what_is_allowed(reported, allowed):
    check_sets(caches(*sorted(reported)), allowed)


@given(st.permutations(GUEST))
def test_the_order_in_which_caches_are_reported_does_not_matter(shuffled):
    assert working_sets(shuffled, GIB) == working_sets(GUEST, GIB)


def test_a_set_is_half_of_an_own_cache_and_a_quarter_of_a_shared_one():
    sets = working_sets(caches(32 * KIB, 256 * KIB, 4 * MIB), GIB).sets
    assert sets == {"L1": 16 * KIB, "L2": 128 * KIB, "L3": MIB, DRAM: 64 * MIB}


def test_the_set_of_a_huge_cache_stays_within_the_part_of_it_that_a_guest_may_have():
    assert working_sets(GUEST, GIB).sets["L3"] == 8 * 2 * MIB


def test_a_level_hardly_larger_than_the_one_below_is_measured_between_the_two():
    assert 512 * KIB < working_sets(caches(512 * KIB, 768 * KIB), GIB).sets["L2"] < 768 * KIB


@pytest.mark.parametrize("last", [260 * MIB, GIB])
def test_a_limit_of_256_mib_holds_however_large_the_last_cache_seems(last):
    allowed = memory_for_probes(256 * MIB, 200 * MIB)
    found = check_sets(caches(48 * KIB, 2 * MIB, last), allowed)
    assert found.sets[DRAM] == allowed == 32 * MIB
    (note,) = found.notes
    assert "DRAM was measured over 32 MiB, as memory allowed: less than 4 times " in note
    assert f"the last cache of {last // MIB} MiB" in note


def test_a_cache_of_a_gib_has_a_dram_of_2_gib_and_a_note_on_a_machine_with_memory_to_spare():
    found = check_sets(caches(48 * KIB, 2 * MIB, GIB), memory_for_probes(64 * GIB, 60 * GIB))
    assert found.sets[DRAM] == 2 * GIB
    assert len(found.notes) == 1


def test_a_level_that_memory_has_no_room_for_is_left_out_with_a_note_and_the_others_stay():
    found = check_sets(LAPTOP, 512 * KIB)
    assert list(found.sets) == ["L1", "L2", DRAM]
    assert found.notes[0] == "L3 was not measured: a working set of 1.5 MiB is more than this process may use"


def test_a_machine_that_reports_no_caches_still_has_a_first_level_and_dram():
    found = working_sets([], DRAM_MOST)
    assert set(found.sets) == {"L1", DRAM}
    # Nobody knows how large its last cache is.
    assert found.sets[DRAM] >= DRAM_LEAST


def test_dram_is_what_its_memory_was_laid_out_for_where_caches_are_read_off_a_staircase():
    laid_out = dram_bytes([], DRAM_MOST)
    found = working_sets(caches(32 * KIB, MIB, GIB), DRAM_MOST, laid_out)
    assert found.sets[DRAM] == laid_out
    assert "DRAM was measured over" in found.notes[0]
    assert working_sets(LAPTOP, DRAM_MOST, laid_out).notes == []


@pytest.mark.parametrize(
    ("limit", "free", "allowed"),
    [
        (256 * MIB, 255 * MIB, 32 * MIB),
        (16 * GIB, 15 * GIB, 2 * GIB),
        (1024 * GIB, 1000 * GIB, 2 * GIB),
        (16 * GIB, 300 * MIB, 100 * MIB),
        (GIB, 0, 0),
    ],
)
def test_the_roof_takes_an_eighth_of_the_memory_a_third_of_what_is_free_and_2_gib_at_most(limit, free, allowed):
    assert memory_for_probes(limit, free) == allowed


# --- the staircase ----------------------------------------------------------------------------------


@given(st.integers(4 * KIB, 4 * GIB))
def test_stairs_climb_from_4_kib_to_the_largest_set_two_an_octave(largest):
    steps = stair_sizes(largest)
    assert steps[0] == 4 * KIB
    assert steps[-1] <= largest < 1.4143 * steps[-1]
    assert all(b / a == pytest.approx(2**0.5, rel=1e-3) for a, b in itertools.pairwise(steps))


def stairs(curve):
    """The staircase of (bytes, GB/s)."""
    return [Stair(working_set_bytes=size, gbs=rate(gbs / 1.02)) for size, gbs in curve]  # `best` is 1.02 of it


def curve(*levels, dram, largest=256 * MIB):
    """Clean steps: (bytes of the level, GB/s) and what lies beyond."""
    return [(size, next((gbs for end, gbs in levels if size <= end), dram)) for size in stair_sizes(largest)]


def ends(points):
    return [cache.bytes for cache in read_levels(stairs(points))]


def stair_below(size):
    return max(s for s in stair_sizes(GIB) if s <= size)


SERVER = ((48 * KIB, 250.0), (2 * MIB, 130.0), (16 * MIB, 30.0))
OLD = ((32 * KIB, 60.0), (256 * KIB, 30.0), (8 * MIB, 18.0))
TWO = ((64 * KIB, 40.0), (MIB, 15.0))
ONE = ((32 * KIB, 10.0),)
MACHINES = [(SERVER, 15.0), (OLD, 9.0), (TWO, 4.0), (ONE, 2.0), ((), 12.0)]


@pytest.mark.parametrize(("levels", "dram"), MACHINES)
def test_levels_end_where_clean_steps_fall(levels, dram):
    found = read_levels(stairs(curve(*levels, dram=dram)))
    assert [cache.bytes for cache in found] == [stair_below(size) for size, _ in levels]
    assert [cache.level for cache in found] == list(range(1, len(levels) + 1))
    assert all(cache.shared_by is None for cache in found)


@pytest.mark.parametrize(("levels", "dram"), MACHINES)
@pytest.mark.parametrize("seed", range(20))
def test_levels_are_found_to_within_a_stair_through_noise_of_8_percent(levels, dram, seed):
    rng = random.Random(seed)
    noisy = [(size, gbs * rng.uniform(0.92, 1.08)) for size, gbs in curve(*levels, dram=dram)]
    found = ends(noisy)
    assert len(found) == len(levels)
    for end, (size, _) in zip(found, levels, strict=True):
        assert 0.70 * stair_below(size) < end < 1.42 * stair_below(size)


def test_a_last_stair_that_is_a_few_percent_slower_is_inside_its_level_and_one_that_is_far_slower_is_not():
    inside = [(size, gbs * (0.94 if size == 256 * KIB else 1)) for size, gbs in curve(*OLD, dram=9.0)]
    assert ends(inside)[1] == 256 * KIB
    outside = [(size, gbs * (0.8 if size == 256 * KIB else 1)) for size, gbs in curve(*OLD, dram=9.0)]
    assert ends(outside)[1] == stair_below(255 * KIB)


@given(st.permutations(stairs(curve(*SERVER, dram=15.0))))
def test_the_order_of_the_stairs_does_not_matter(shuffled):
    assert [cache.bytes for cache in read_levels(shuffled)] == [stair_below(size) for size, _ in SERVER]


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("first", range(1, 26))
def test_a_dip_that_larger_sets_recover_from_is_no_level(first, width):
    points = curve(*SERVER, dram=15.0)
    sound = ends(points)
    # A dip ends before its level does: the set at the edge has the level's bandwidth.
    levels = [next((end for end in sound if size <= end), None) for size, _ in points]
    if levels[first - 1] == levels[first + width]:
        for i in range(first, first + width):
            points[i] = (points[i][0], 0.5 * points[i][1])
    assert ends(points) == sound


@pytest.mark.parametrize("octaves", [1, 2, 3, 4, 6])
def test_a_last_slope_however_gradual_adds_one_level_at_most_where_it_begins(octaves):
    begin = 16 * MIB

    def slope(size):
        return 0.5 ** min(1.0, max(0.0, math.log2(size / begin) / octaves))

    points = [(size, gbs * slope(size)) for size, gbs in curve(*SERVER, dram=30.0, largest=2 * GIB)]
    found = ends(points)
    assert found[:2] == [stair_below(48 * KIB), 2 * MIB]
    assert found[2:] in ([], [begin])
    # Half of the bandwidth lost within two octaves is an edge, within four it is none.
    assert octaves > 2 or found[2:] == [begin]
    assert octaves < 4 or found[2:] == []


# This kind of machine itself: 48 KiB, 2 MiB, and of 260 MiB the part that a guest gets. KiB: GB/s.
RECORDED = """
4:248.7 5:252.2 8:256.9 11:259.5 16:259.8 22:261.4 32:260.2 45:233.8 64:134.3 90:134.7 128:135.4 181:135.5 256:135.7
362:135.5 512:134.5 724:133.7 1024:134.4 1448:114.6 2048:57.5 2896:31.9 4096:29.7 5792:28.8 8192:30.0 11585:30.0
16384:29.4 23170:28.8 32768:25.0 46340:20.9 65536:25.4 92681:18.1 131072:18.3 185363:17.1 262144:16.6 370727:15.0
524288:15.3 741455:15.1 1048576:15.2
"""


def test_the_levels_of_a_curve_that_was_measured_are_those_that_the_machine_reports():
    points = [pair.split(":") for pair in RECORDED.split()]
    first, second, *others = ends((int(size) * KIB, float(gbs)) for size, gbs in points)
    assert 32 * KIB <= first <= 48 * KIB
    assert MIB <= second <= 2 * MIB
    # Of the last level a guest has a part, and no more than one edge is seen.
    assert len(others) <= 1
    assert all(8 * MIB <= end <= 260 * MIB for end in others)


@pytest.mark.parametrize("count", range(4))
def test_a_staircase_of_a_few_stairs_shows_no_levels_and_no_error(count):
    assert ends(curve(dram=10.0)[:count]) == []


@given(st.lists(st.floats(0.1, 1000), max_size=40))
def test_levels_read_off_any_curve_are_numbered_from_1_and_each_is_larger_than_the_one_below(rates):
    found = read_levels(stairs(zip(stair_sizes(4 * GIB), rates, strict=False)))
    assert [cache.level for cache in found] == list(range(1, len(found) + 1))
    assert [cache.bytes for cache in found] == sorted({cache.bytes for cache in found})


def test_levels_that_were_read_off_have_working_sets_like_those_reported():
    read = read_levels(stairs(curve(*SERVER, dram=15.0)))
    check_sets(read, GIB)
    assert list(working_sets(read, GIB).sets) == ["L1", "L2", "L3", DRAM]


# --- what a kernel's operands live in ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "level"),
    [
        (1, "L1"),
        (32 * KIB, "L1"),
        (32 * KIB + 1, "L2"),
        (256 * KIB, "L2"),
        (MIB, "L3"),
        (6 * MIB, "L3"),
        (6 * MIB + 1, DRAM),
        (GIB, DRAM),
    ],
)
def test_a_working_set_lives_in_the_first_level_that_holds_it(size, level):
    assert level_of(size, LAPTOP[::-1], ["L1", "L2", "L3", DRAM]) == level


def test_a_level_that_was_not_measured_is_passed_over_for_the_next():
    assert level_of(MIB, LAPTOP, ["L1", "L2", DRAM]) == DRAM
    assert level_of(KIB, LAPTOP, ["L2", "L3", DRAM]) == "L2"
    assert level_of(KIB, [], [DRAM]) == DRAM
