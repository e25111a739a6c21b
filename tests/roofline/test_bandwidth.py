"""Working sets of made-up and of recorded machines, and levels read off made-up bandwidths. No memory is touched."""

import itertools
import random

import pytest
import recorded
from hypothesis import given
from hypothesis import strategies as st
from recorded import KIB, MIB

from labkit.machine.caches import Cache
from labkit.machine.caches import caches as caches_of
from labkit.roofline.bandwidth import (
    DRAM,
    DRAM_LEAST,
    DRAM_MOST,
    DRAM_UNREPORTED,
    TIMES_BELOW,
    dram_bytes,
    level_sets,
    memory_allowed,
    read_levels,
    sizes,
)

GIB = 1 << 30


def caches(*bytes_of_levels):
    return [Cache(level, size, None) for level, size in enumerate(bytes_of_levels, 1)]


LAPTOP = caches(32 * KIB, 256 * KIB, 6 * MIB)
GUEST = caches(48 * KIB, 2 * MIB, 260 * MIB)

# --- working sets -----------------------------------------------------------------------------------


def sets_and_notes(reported, allowed):
    return level_sets(reported, allowed, dram_bytes(reported, allowed))


def check_sets(reported, allowed):
    """What holds of any machine: each set inside its level, none too large, and a note on whatever is in doubt."""
    sets, notes = sets_and_notes(reported, allowed)
    assert all(size <= allowed for size in sets.values())
    assert list(sets)[-1] == DRAM
    below = 0
    for cache in sorted(reported, key=lambda c: c.level):
        name = f"L{cache.level}"
        said = [note for note in notes if note.startswith(f"{name} was not measured")]
        assert len(said) == (name not in sets)
        if size := sets.get(name):
            assert size < cache.bytes
            assert not below or size <= TIMES_BELOW * below
            if 3 * cache.bytes > 4 * below + 4:  # otherwise there is hardly room between the two
                assert size > below
        below = cache.bytes
    shared = any(cache.level >= 3 for cache in reported)
    last = max((cache.bytes for cache in reported), default=0)
    # Where no shared cache is reported there may be one all the same.
    enough = sets[DRAM] >= 0.9 * 4 * last and (shared or sets[DRAM] >= DRAM_UNREPORTED)
    assert any(note.startswith("DRAM was measured over") for note in notes) != enough
    return sets, notes


@pytest.mark.parametrize("allowed", [DRAM_MOST, 4 * MIB, 8 * KIB, 0])
@pytest.mark.parametrize("name", recorded.NAMES)
def test_every_level_of_every_recorded_machine_has_a_working_set(tmp_path, name, allowed):
    reported, _ = caches_of(recorded.grow(tmp_path, recorded.files(name)))
    sets, notes = check_sets(reported, allowed)
    if allowed == DRAM_MOST:
        assert list(sets) == [*(f"L{cache.level}" for cache in reported or caches(1)), DRAM]
        assert sets[DRAM] >= max([DRAM_LEAST, *(4 * cache.bytes for cache in reported)])
        assert notes == []


@given(st.lists(st.integers(1, 1 << 31), max_size=4, unique=True), st.integers(0, DRAM_MOST), st.randoms())
def test_no_set_is_beyond_its_cache_or_what_is_allowed_in_whatever_order_caches_are_reported(found, allowed, rng):
    reported = caches(*sorted(found))
    check_sets(reported, allowed)
    assert sets_and_notes(rng.sample(reported, len(reported)), allowed) == sets_and_notes(reported, allowed)


def test_a_set_is_half_of_an_own_cache_and_a_quarter_of_a_shared_one_within_eight_times_the_level_below():
    assert sets_and_notes(caches(32 * KIB, 256 * KIB, 4 * MIB), GIB)[0] == {
        "L1": 16 * KIB,
        "L2": 128 * KIB,
        "L3": MIB,
        DRAM: 64 * MIB,
    }
    assert sets_and_notes(GUEST, GIB)[0]["L3"] == 8 * 2 * MIB  # the part of a huge cache that a guest may have
    assert 512 * KIB < sets_and_notes(caches(512 * KIB, 768 * KIB), GIB)[0]["L2"] < 768 * KIB


def test_what_memory_has_no_room_for_is_noted_and_measured_over_less_or_left_out():
    allowed = memory_allowed(256 * MIB, 200 * MIB)
    sets, (note,) = check_sets(GUEST, allowed)
    assert sets[DRAM] == allowed == 32 * MIB
    assert "DRAM was measured over 32 MiB, as memory allowed" in note
    assert "260 MiB" in note

    sets, notes = check_sets(LAPTOP, 512 * KIB)
    assert list(sets) == ["L1", "L2", DRAM]
    assert notes[0] == "L3 was not measured: a working set of 1.5 MiB is more than this process may use"
    # Where caches are read off, DRAM's memory was laid out before.
    laid_out = dram_bytes([], DRAM_MOST)
    sets, (note,) = level_sets(caches(32 * KIB, MIB, GIB), DRAM_MOST, laid_out)
    assert sets[DRAM] == laid_out
    assert "DRAM was measured over" in note
    assert level_sets(LAPTOP, DRAM_MOST, laid_out)[1] == []


def test_an_eighth_of_the_memory_is_taken_a_third_of_what_is_free_and_2_gib_at_most():
    assert memory_allowed(256 * MIB, 255 * MIB) == 32 * MIB
    assert memory_allowed(1024 * GIB, 1000 * GIB) == 2 * GIB
    assert memory_allowed(16 * GIB, 300 * MIB) == 100 * MIB
    assert memory_allowed(GIB, 0) == 0
    assert memory_allowed(None, None) == DRAM_UNREPORTED


# --- levels read off bandwidth by working-set size ----------------------------------------------------


@given(st.integers(4 * KIB, 4 * GIB))
def test_sizes_go_from_4_kib_to_the_largest_set_two_per_octave(largest):
    steps = sizes(largest)
    assert steps[0] == 4 * KIB
    assert steps[-1] <= largest < 1.4143 * steps[-1]
    assert all(b / a == pytest.approx(2**0.5, rel=1e-3) for a, b in itertools.pairwise(steps))


def curve(*levels, dram, largest=256 * MIB):
    """Clean steps: (bytes of the level, GB/s) and what lies beyond."""
    return [(size, next((gbs for end, gbs in levels if size <= end), dram)) for size in sizes(largest)]


def ends(points):
    return [cache.bytes for cache in read_levels(dict(points))]


def last_inside(size):
    return max(s for s in sizes(GIB) if s <= size)


SERVER = ((48 * KIB, 250.0), (2 * MIB, 130.0), (16 * MIB, 30.0))
OLD = ((32 * KIB, 60.0), (256 * KIB, 30.0), (8 * MIB, 18.0))
MACHINES = [(SERVER, 15.0), (OLD, 9.0), (((64 * KIB, 40.0), (MIB, 15.0)), 4.0), (((32 * KIB, 10.0),), 2.0), ((), 12.0)]


@pytest.mark.parametrize(("levels", "dram"), MACHINES)
def test_levels_end_where_clean_steps_fall_and_within_a_size_of_it_through_noise_of_8_percent(levels, dram):
    found = read_levels(dict(curve(*levels, dram=dram)))
    assert [cache.bytes for cache in found] == [last_inside(size) for size, _ in levels]
    assert [cache.level for cache in found] == list(range(1, len(levels) + 1))
    for seed in range(10):
        rng = random.Random(seed)
        noisy = ends([(size, gbs * rng.uniform(0.92, 1.08)) for size, gbs in curve(*levels, dram=dram)])
        for end, (size, _) in zip(noisy, levels, strict=True):
            assert 0.70 * last_inside(size) < end < 1.42 * last_inside(size)


def test_a_last_size_that_is_a_little_slower_is_inside_its_level_and_one_that_is_far_slower_is_not():
    for slower, end in ((0.94, 256 * KIB), (0.8, last_inside(255 * KIB))):
        points = [(size, gbs * (slower if size == 256 * KIB else 1)) for size, gbs in curve(*OLD, dram=9.0)]
        assert ends(points)[1] == end


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("first", range(1, 26, 2))
def test_a_dip_that_larger_sets_recover_from_is_no_level(first, width):
    points = curve(*SERVER, dram=15.0)
    sound = ends(points)
    # A dip ends before its level does: the set at the edge has the level's bandwidth.
    levels = [next((end for end in sound if size <= end), None) for size, _ in points]
    if levels[first - 1] == levels[first + width]:
        for i in range(first, first + width):
            points[i] = (points[i][0], 0.5 * points[i][1])
    assert ends(points) == sound


# A guest with 48 KiB, 2 MiB, and part of 260 MiB. KiB: GB/s.
MEASURED = """
4:248.7 5:252.2 8:256.9 11:259.5 16:259.8 22:261.4 32:260.2 45:233.8 64:134.3 90:134.7 128:135.4 181:135.5 256:135.7
362:135.5 512:134.5 724:133.7 1024:134.4 1448:114.6 2048:57.5 2896:31.9 4096:29.7 5792:28.8 8192:30.0 11585:30.0
16384:29.4 23170:28.8 32768:25.0 46340:20.9 65536:25.4 92681:18.1 131072:18.3 185363:17.1 262144:16.6 370727:15.0
524288:15.3 741455:15.1 1048576:15.2
"""


def test_the_levels_of_a_curve_that_was_measured_are_those_that_the_machine_reports():
    points = [pair.split(":") for pair in MEASURED.split()]
    first, second, *others = ends((int(size) * KIB, float(gbs)) for size, gbs in points)
    assert 32 * KIB <= first <= 48 * KIB
    assert MIB <= second <= 2 * MIB
    assert len(others) <= 1  # of the last level a guest has a part: no more than one edge is seen
    assert all(8 * MIB <= end <= 260 * MIB for end in others)


@given(st.lists(st.floats(0.1, 1000), max_size=40), st.randoms())
def test_levels_read_off_any_curve_in_any_order_are_numbered_from_1_and_grow(rates, rng):
    points = list(zip(sizes(4 * GIB), rates, strict=False))
    found = read_levels(dict(points))
    assert [cache.level for cache in found] == list(range(1, len(found) + 1))
    assert [cache.bytes for cache in found] == sorted({cache.bytes for cache in found})
    assert read_levels(dict(rng.sample(points, len(points)))) == found
