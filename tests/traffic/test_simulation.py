"""The simulated caches: against a reference of some lines, against bytes that are known, against closed forms."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from labkit.gemm.blocks import Blocks
from labkit.gemm.tile import Tile
from labkit.measure.sampling import Arena
from labkit.traffic.hierarchy import access, crossed, empty, shape, shapes
from labkit.traffic.streams import LOOPS, addresses, simulate, simulate_packed

KIB = 1024
# As a core of a server has them.
LEVELS = [shape(1, 32 * KIB, 8), shape(2, 512 * KIB, 8), shape(3, 32 * KIB * KIB, 16)]
SMALL = [shape(1, KIB, 4), shape(2, 4 * KIB, 8), shape(3, 16 * KIB, 16)]


class Reference:
    """The same caches, least recently used first: for each set a line and whether it was written."""

    def __init__(self, levels):
        self.levels = [(c.ways, [OrderedDict() for _ in range(c.bytes // 64 // c.ways)]) for c in levels]
        self.lines = [[0, 0] for _ in levels]

    def access(self, line, store):
        for at, (ways, sets) in enumerate(self.levels):
            found = sets[line % len(sets)]
            hit = line in found
            found[line] = found.pop(line, False) or bool(store and at == 0)
            if hit:
                return at
            self.lines[at][0] += 1
            if len(found) > ways:
                old, written = found.popitem(last=False)
                if written:
                    self.write_back(old, at)
        return len(self.levels)

    def write_back(self, line, at):
        self.lines[at][1] += 1
        if at + 1 < len(self.levels):
            sets = self.levels[at + 1][1]
            below = sets[line % len(sets)]
            if line in below:
                below[line] = True
            else:
                self.write_back(line, at + 1)


@given(
    accesses=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1)), max_size=300),
    sizes=st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 4)), min_size=1, max_size=3),
)
def test_every_access_is_served_by_the_level_that_a_reference_of_some_lines_names(accesses, sizes):
    levels = [shape(at, 64 * sets * ways, ways) for at, (sets, ways) in enumerate(sizes, 1)]
    h, reference = empty(levels), Reference(levels)
    for line, store in accesses:
        assert access(h, 64 * line + 4, store) == reference.access(line, store)
    assert crossed(h).tolist() == reference.lines


@njit
def stream(h, loads, stores, arrays, size):
    for at in range(0, size, 4):
        for array in range(loads + stores):
            access(h, array * arrays + at, 1 if array >= loads else 0)


@pytest.mark.parametrize(("name", "loads", "stores"), [("dot", 2, 0), ("copy", 1, 1), ("triad", 2, 1)])
def test_a_stream_moves_the_bytes_that_are_known(name, loads, stores):
    h, size = empty(SMALL), 4 * KIB * KIB
    stream(h, loads, stores, 2 * size + 1024, size)
    for bytes_ in 64 * crossed(h):
        assert bytes_ == pytest.approx([(loads + stores) * size, stores * size], rel=0.02), name


def layer_condition(name, n, lines, cold):
    """Lines that naive or i-k-j fetch into `lines` places: what is touched again has stayed if all between fits."""
    row, matrix = n // 16, n * n // 16
    if 3 * matrix <= lines:
        return 3 * matrix if cold else 0
    a, b, c, each = matrix, matrix, 2 * matrix, matrix  # C is set to zero, and has gone when it is added to
    if name == "naive" and n + row + 1 > lines:  # a column of B, a line wide, and a row of A from one j to the next
        a, each = n * matrix, n * n
    if name == "i-k-j" and 2 * row + 1 > lines:  # a row of B and one of C from one k to the next
        c = (1 + n) * matrix
    if matrix + 2 * row > lines:  # B from one i to the next
        b = n * each
    return a + b + c


@pytest.mark.parametrize("name", ["naive", "i-k-j"])
@pytest.mark.parametrize("lines", [4, 40, 128, 400, 1000], ids="{} lines".format)
def test_what_naive_and_ikj_fetch_is_what_their_layer_conditions_say(name, lines):
    for state, cold in zip(simulate(name, 64, [shape(1, 64 * lines, lines)])[0], (True, False), strict=True):
        assert state[0, 0] == pytest.approx(layer_condition(name, 64, lines, cold), rel=0.02, abs=4)


def fetched(found):
    """Lines that a warm call fetches, by level."""
    return found[0][1, :, 0].tolist()


def test_rows_a_power_of_two_apart_miss_the_first_level_in_every_step_and_others_do_not():
    resonant, spread = (fetched(simulate("blocked", n, LEVELS, n**3 // 8))[0] for n in (512, 496))
    assert resonant > 0.95 * 512**3
    assert spread < 0.1 * 496**3


def test_blocks_of_the_ladder_fetch_each_matrix_as_often_as_they_pass_over_it():
    n, second = 512, [shape(1, 256 * KIB, 64)]  # which holds a block of B, 64 x 256, with rows of A and C beside it
    a, b, c = 512 // 256, 1, 1 + 512 // 64  # C is set to zero first
    found = fetched(simulate("i-k-j blocks", n, second))[0]
    assert found == pytest.approx((a + b + c) * n * n / 16, rel=0.02)


def test_blocks_cut_what_crosses_the_second_level_and_not_what_crosses_the_first():
    levels = [LEVELS[0], shape(2, 256 * KIB, 8)]  # a quarter of B
    naive, blocked = (fetched(simulate(name, 512, levels, 1 << 22)) for name in ("naive", "blocked"))
    assert naive[1] > 100 * blocked[1]
    assert naive[0] == pytest.approx(blocked[0], rel=0.05)


@pytest.mark.parametrize("name", LOOPS)
def test_a_cold_call_fetches_each_matrix_once_from_memory_and_a_warm_one_nothing(name):
    cold, warm = simulate(name, 128, LEVELS)[0]
    assert (cold[2, 0], warm[2, 0]) == (3 * 128 * 128 // 16, 0)


def test_packing_moves_a_matrix_more_with_each_pass_that_smaller_blocks_make_over_c_or_over_a():
    n, matrix, tile = 256, 256 * 256 // 16, Tile(6, 2, 8, True, "x")

    def moves(kc, nc):
        return fetched(simulate_packed(n, LEVELS, tile, Blocks(tile.mr, kc, nc, 64, 512, 512)))[0]

    for passes in (2, 4):
        assert moves(n // passes, n) - moves(n, n) == pytest.approx((passes - 1) * matrix, rel=0.1)
        assert moves(n, n // passes) - moves(n, n) == pytest.approx((passes - 1) * matrix, rel=0.1)


def test_operands_lie_as_the_benchmark_lays_them_out():
    arena = Arena(3, 3 * 100 * 100)
    real = [arena.square(100, which).ctypes.data for which in range(3)]
    assert np.diff(real).tolist() == np.diff(addresses(100)[:3]).tolist()
    assert (real[0] - addresses(100)[0]) % Arena.HUGE_BYTES == 0


def test_a_machine_that_tells_nothing_gets_usual_caches_and_notes_say_so(tmp_path):
    _, notes = shapes(tmp_path)
    assert "sizes are assumed" in " ".join(notes)
    assert "the ways of L3 are not told: 16 are assumed" in notes
    odd = shape(3, 36 * KIB * KIB, 12)
    assert (odd.bytes, odd.ways) == (36 * KIB * KIB, 18), "its sets are a power of two"
