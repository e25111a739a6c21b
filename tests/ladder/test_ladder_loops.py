"""The loops in the order i, k, j: right at any shape, and emitted as they were meant for every kind of machine."""

import re
from collections import Counter

import numpy as np
import pytest
from assembly import kind, multiply_adds
from hypothesis import given, settings
from hypothesis import strategies as st
from products import drawn, exact, whole_numbers, within_bound
from targets import HOST, TARGETS

from labkit.ladder.loops import UNROLL, loops_ir
from labkit.ladder.rungs import Rung, generated
from labkit.roofline.codegen import emit_assembly

VARIANTS = {
    "scalar": (),
    "128 bits": (4,),
    "full width": (HOST.lanes, HOST.fma),
    "blocks": (1, False, 3, 5),
    "blocks, full width": (HOST.lanes, HOST.fma, 7, 70),
}


@pytest.fixture(scope="module", params=VARIANTS)
def multiply(request):
    return Rung("", "", "", "", generated(*VARIANTS[request.param])).multiply


@pytest.mark.generated
@settings(deadline=None, max_examples=30)
@given(shape=st.tuples(*[st.integers(0, 9)] * 2, st.integers(0, 150)), seed=st.integers(0, 9))
def test_any_shape_gives_the_product_exactly_on_integers_and_within_the_bound(multiply, shape, seed):
    m, k, n = shape
    A, B = whole_numbers(m, k, n, seed)
    assert np.array_equal(multiply(A, B), exact(A, B))
    A, B = drawn(m, k, n, seed)
    assert within_bound(multiply(A, B), A, B)


def emitted(target, *loops):
    """(assembly, how many instructions of each kind stand in all of its loops)."""
    assembly = emit_assembly(loops_ir(*loops), target)
    lines = (line.strip().split("\t", 1) for line in assembly.splitlines() if "\t" in line.strip())
    return assembly, Counter(kind(*line) for line in lines)


@pytest.mark.parametrize("name", TARGETS)
def test_every_vector_is_of_the_full_width_with_as_many_instructions_as_were_written(name):
    """A loop that was split, joined or scalarised on the way to assembly would be another rung."""
    target = TARGETS[name]
    assembly, found = emitted(target, target.lanes, target.fma)
    for form, count in multiply_adds(target, target.lanes, UNROLL, target.fma).items():
        assert found[form] == count
    assert not re.search(r"^\s*(call\w*|blr?)\s", assembly, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.lanes > 4])
def test_narrower_loops_stay_as_narrow_as_they_say_where_more_would_do(name):
    target = TARGETS[name]
    for lanes, rest in ((1, 1), (4, 0)):  # scalars also finish the row, one by one
        assembly, found = emitted(target, lanes)
        for form, count in multiply_adds(target, lanes, UNROLL + rest, fma=False).items():
            assert found[form] == count
        assert not re.search(r"%[yz]mm", assembly)
