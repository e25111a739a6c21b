"""The loops in the order i, k, j: right at any shape, and emitted as they were meant for every kind of machine."""

import re

import numpy as np
import pytest
import rungs
from codegen import emit_assembly, host_target
from hypothesis import given, settings
from hypothesis import strategies as st
from loops_ir import UNROLL, Loops, loops_ir
from products import drawn, whole_numbers, within_bound
from rungs import Rung
from targets import TARGETS

HOST = host_target()
VARIANTS = {
    "scalar": Loops(), "128 bits": Loops(4), "full width": Loops(HOST.lanes),
    "fused": Loops(HOST.lanes, fma=HOST.fma), "blocks": Loops(1, depth=3, columns=5),
    "blocks, full width": Loops(HOST.lanes, HOST.fma, depth=7, columns=70),
}  # fmt: skip


@pytest.fixture(scope="module", params=VARIANTS)
def multiply(request):
    return Rung("", "", "", "", rungs._generated(VARIANTS[request.param])).multiply


@settings(deadline=None, max_examples=40)
@given(shape=st.tuples(*[st.integers(0, 9)] * 2, st.integers(0, 150)), seed=st.integers(0, 9))
def test_any_shape_gives_the_product_exactly_on_integers_and_within_the_bound(multiply, shape, seed):
    m, k, n = shape
    A, B = whole_numbers(m, k, n, seed)
    assert np.array_equal(multiply(A, B), A @ B)
    A, B = drawn(m, k, n, seed)
    assert within_bound(multiply(A, B), A, B)


def test_the_source_that_the_page_shows_for_unit_stride_is_that_product():
    A, B = drawn(5, 7, 6)
    out = np.empty((5, 6), np.float32)
    shown = rungs.matmul_ikj(A, B, out)
    assert np.array_equal(shown, Rung("", "", "", "", rungs._generated(Loops())).multiply(A, B))


@pytest.mark.parametrize("name", TARGETS)
def test_every_vector_is_of_the_full_width_with_as_many_instructions_as_were_written(name):
    """A loop that was split, joined or scalarised on the way to assembly would be another rung."""
    target = TARGETS[name]
    assembly = emit_assembly(loops_ir(Loops(target.lanes, target.fma)), target)
    register = {16: "zmm", 8: "ymm", 4: "xmm"}[target.lanes]
    if target.arm:
        vector = re.compile(r"^\s*fmla(\.4s|\s+v\d+\.4s)", re.MULTILINE)
    elif target.fma:
        vector = re.compile(rf"^\s*vfn?madd\w*ps\s.*%{register}\d+$", re.MULTILINE)
    else:
        vector = re.compile(rf"^\s*v?mulps\s.*%{register}\d+$", re.MULTILINE)
    assert len(vector.findall(assembly)) == UNROLL
    assert not re.search(r"^\s*(call\w*|bl)\s", assembly, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.lanes > 4])
def test_128_bits_are_128_bits_where_more_would_do(name):
    target = TARGETS[name]
    assembly = emit_assembly(loops_ir(Loops(4)), target)
    assert len(re.findall(r"^\s*vmulps\s.*%xmm\d+$", assembly, re.MULTILINE)) == UNROLL
    assert not re.search(r"%[yz]mm", assembly)
