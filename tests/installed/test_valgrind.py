"""Compiled code under Valgrind: bytes that are known, the simulator beside it, and what is said where it is missing."""

import json
import shutil

import pytest

from labkit.gemm.blocks import choose_blocks
from labkit.gemm.tile import Tile
from labkit.machine.caches import caches
from labkit.traffic import valgrind
from labkit.traffic.called import whole
from labkit.traffic.hierarchy import shape
from labkit.traffic.streams import simulate, simulate_packed

pytestmark = pytest.mark.skipif(not shutil.which("valgrind"), reason="Valgrind is not installed")
FIRST, LAST = shape(1, 32 << 10, 8), shape(2, 64 << 10, 8)
N, BYTES = 192, 2 << 20  # N in whole MC
SLICES = (72, 144)
PROGRAM = f"""
import dataclasses, json, os
import numpy as np
from labkit.gemm import matmul
from labkit.gemm.tile import choose_tile
from labkit.roofline.codegen import host_target
from labkit.traffic.called import begin_counting, operands
print(json.dumps(dataclasses.asdict(choose_tile(host_target()))))
x, y, z = (np.ones({BYTES} // 4, np.float32) for _ in "xyz")
A, B, C = operands({N})
def einsum(): return np.einsum("ik,kj->ij", A, B, out=C)
def generated(): return matmul(A, B, C)
generated()
begin_counting()
some = [lambda rows=rows: matmul(A[:rows], B, C[:rows]) for rows in {SLICES}]
streams = [lambda: x @ y, lambda: np.copyto(y, x), lambda: np.add(x, y, out=z)]
for call in (*streams, einsum, einsum, generated, generated, *some):
    os.getppid()
    call()
os.getppid()
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts")
    assert valgrind.start(["-c", PROGRAM], FIRST, LAST, folder).wait() == 0, (folder / "errors").read_text()
    return valgrind.counts(folder)[1:], Tile(**json.loads((folder / "said").read_text()))


def test_streams_of_numpy_move_the_bytes_that_are_known(counted):
    for (first, last, _), arrays in zip(counted[0], (2, 2, 3), strict=False):
        assert 64 * first == pytest.approx(arrays * BYTES, rel=0.02)
        assert 64 * last == pytest.approx(arrays * BYTES, rel=0.02)


def test_a_copy_and_a_sum_write_back_the_array_that_they_store_and_a_dot_product_none(counted):
    dot, copy, added = (64 * back for _, _, back in counted[0][:3])
    assert (copy, added) == pytest.approx((BYTES, BYTES), rel=0.05)
    assert dot < 0.05 * BYTES


def test_two_slices_of_the_generated_product_tell_what_the_whole_fetches(counted):
    few, more = (lines[:2] for lines in counted[0][7:9])
    told = [whole(N, SLICES, lines) for lines in zip(few, more, strict=True)]
    assert told == pytest.approx(counted[0][6][:2], rel=0.02)


def test_the_simulator_and_valgrind_agree_on_the_loop_that_einsum_is(counted):
    warm = simulate("i-k-j", N, [FIRST, LAST])[0][1, :, 0].tolist()
    assert counted[0][4][:2] == pytest.approx(warm, rel=0.05)


def test_the_simulator_and_valgrind_agree_on_the_generated_product_with_the_tile_that_runs_there(counted):
    tile = counted[1]
    warm = simulate_packed(N, [FIRST, LAST], tile, choose_blocks(tile, caches()[0]))[0][1, :, 0].tolist()
    assert counted[0][6][:2] == pytest.approx(warm, rel=0.05)
