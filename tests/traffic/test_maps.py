"""The maps of B: their accesses are those of the simulated loops, and the levels are those that the page explains."""

import numpy as np
import pytest

from labkit.gemm.blocks import Blocks
from labkit.gemm.tile import Tile
from labkit.traffic import maps, streams
from labkit.traffic.hierarchy import crossed, empty


@pytest.fixture(scope="module")
def found():
    return {found.kernel: found for found in maps.maps()}


def simulated(name, monkeypatch):
    """Lines that a cold and a warm call fetch and write back, by `streams`."""
    if name == "packed":
        tile = Tile(maps.MR, 1, maps.NR, True, "v")
        return streams.simulate_packed(maps.N, maps.CACHES, tile, Blocks(tile.mr, maps.KC, maps.N, 0, 0, 0))[0]
    monkeypatch.setitem(streams.LOOPS, "blocked", (*streams.LOOPS["blocked"][:1], maps.BLOCK, maps.BLOCK))
    return streams.simulate(name, maps.N, maps.CACHES)[0]


@pytest.mark.parametrize("name", maps.STREAMS)
def test_accesses_of_a_map_move_the_lines_that_those_of_the_loop_move(name, monkeypatch):
    address, store, number = (np.concatenate(kind) for kind in zip(*maps.STREAMS[name](), strict=True))
    state, calls = empty(maps.CACHES), []
    for _ in range(2):
        before = crossed(state)
        maps._serve(state, address, store, number)
        calls.append(crossed(state) - before)
    # The packed product keeps its rows of A some lines apart, and its packed B elsewhere.
    tolerance = {"rel": 0.1, "abs": 40} if name == "packed" else {"rel": 0.0, "abs": 0}
    assert np.array(calls) == pytest.approx(simulated(name, monkeypatch), **tolerance)


def test_columns_come_from_afar_rows_once_per_line_blocks_from_the_second_level(found):
    line = "3" + 15 * "1"
    assert set(found["naive"].rows) == {"3" * 64}
    assert set(found["i-k-j"].rows) == {4 * line}
    assert set(found["blocked"].rows) == {"2" * 64}
    assert set(found["packed"].rows) == {4 * line.replace("3", "2")}


def test_portions_are_of_all_reads_and_none_is_from_memory_in_a_warm_call(found):
    for each in found.values():
        assert sum(each.portions) == pytest.approx(1, abs=1e-3)
        assert each.portions[-1] == 0
    assert found["i-k-j"].portions[2] == 1 / 16
