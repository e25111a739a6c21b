"""What the command line asks for, and what is then timed."""

import numpy as np
import pytest
from bench import METHODS, OPTIONAL_METHODS, make_operands

from labkit.errors import UserError
from labkit.matmul import declare
from labkit.matmul.declare import Request

KNOWN = {**METHODS, **OPTIONAL_METHODS}


def parse(sizes="64,128", methods="naive,matmul", quick=False, measure_all=False):
    return Request.parse(sizes, methods, quick, measure_all, known=KNOWN)


@pytest.mark.parametrize("sizes", ["0", "abc", "", "64,,128", "-4", "1.5", "64;128", "²"])
def test_sizes_that_are_none_are_refused_in_one_line(sizes):
    with pytest.raises(UserError, match="--sizes takes whole numbers") as caught:
        parse(sizes=sizes)
    assert "\n" not in str(caught.value)


def test_a_size_that_memory_cannot_hold_and_an_unknown_method_are_refused():
    with pytest.raises(UserError, match="GiB"):
        parse(sizes="9999999")
    with pytest.raises(UserError, match=r"naive, blocked, einsum, matmul.*'nope'"):
        parse(methods="naive,nope")


def test_sizes_are_sorted_and_counted_once_and_methods_stand_in_their_own_order():
    asked = parse(sizes="128, 64,128", methods="matmul,naive, matmul")
    assert asked.sizes == (64, 128)
    assert list(asked.methods) == ["naive", "matmul"]


def test_pure_python_from_1024_on_is_extrapolated_unless_all_is_measured():
    assert parse().extrapolated("naive", 1024)
    assert parse().extrapolated("blocked_32", 2048)
    assert not parse().extrapolated("naive", 1023)
    assert not parse().extrapolated("einsum", 2048)
    assert not parse(measure_all=True).extrapolated("naive", 1024)


def test_an_extrapolation_always_has_a_basis_that_is_soon_measured():
    assert list(parse(sizes="1024").measured_cells()) == [("naive", 128), ("matmul", 1024)]
    assert ("naive", 128) in list(parse(sizes="512,1024").measured_cells())
    assert list(parse(sizes="64,1024").measured_cells()) == [("naive", 64), ("matmul", 64), ("matmul", 1024)]


def test_a_cell_needs_at_least_five_samples_and_a_second_but_for_the_longest():
    for method, n in (("naive", 512), ("matmul", 4096), ("einsum", 64)):
        needed = parse(measure_all=True).requirement(method, n)
        assert needed.samples >= 5
        assert needed.seconds >= 1.0
    assert parse(measure_all=True).requirement("naive", 1024).samples == 1


@pytest.fixture(scope="module")
def jobs():
    request = Request.parse("8,32", "naive,blocked,einsum,matmul,blocked_32", False, False, known=KNOWN)
    return {job.workload.key: job for job in declare.jobs(request, make_operands, 42)}


def test_what_is_timed_is_the_product_of_a_and_b_into_one_output_by_the_bare_method(jobs):
    A, B = make_operands(8)
    timed = [job.workload for (_, n), job in jobs.items() if n == 8]
    assert {w.name for w in timed} == {*METHODS, "blocked_32", "naive again", "matmul again"}
    for w in timed:
        C = w.call()
        assert pytest.approx(A @ B, abs=1e-5) == C
        assert w.flops == 2 * 8**3
        assert C is timed[0].call.keywords["out"]
        function = getattr(w.call.func, "func", w.call.func)
        assert not hasattr(function, "__wrapped__")  # the operands' check is not timed


def test_one_method_of_each_kind_is_timed_under_a_second_name_at_its_smallest_size_on_the_same_operands(jobs):
    assert {key for key in jobs if key[0].endswith(" again")} == {("naive again", 8), ("matmul again", 8)}
    for name in ("naive", "matmul"):
        one, other = jobs[name, 8], jobs[f"{name} again", 8]
        assert (one.family, one.requirement) == (other.family, other.requirement)
        assert one.workload.call.func is other.workload.call.func
        for mine, its in zip(one.workload.call.args, other.workload.call.args, strict=True):
            assert mine is its
    alone = [job.workload.name for job in declare.jobs(parse(methods="einsum"), make_operands, 42)]
    assert not [name for name in alone if name.endswith(" again")]


def test_the_python_methods_are_each_others_pairs(jobs):
    assert {jobs[name, 8].family for name in ("naive", "blocked", "blocked_32")} == {"python"}
    assert jobs["einsum", 8].family != jobs["matmul", 8].family


def test_the_gather_and_the_one_hot_product_fetch_the_same_row_each_by_itself():
    gather, one_hot, projection = declare.embedding(42)
    assert (gather.flops, one_hot.flops, projection.flops) == (0, 76_800, 39_321_600)
    fetched = gather.call().copy()  # both write into one array
    one_hot.call.keywords["out"][:] = 0
    assert np.array_equal(one_hot.call(), fetched)
    assert projection.call().shape == (32 * 16, 600)


@pytest.mark.parametrize(("name", "steps"), [("naive", 128), ("blocked", 64), ("blocked_32", 32)])
def test_a_slice_is_part_of_the_very_product_and_its_flops_are_those_that_it_does(name, steps):
    rng = np.random.default_rng(1)
    A, B = (rng.standard_normal((128, 128)).astype(np.float32) for _ in "AB")
    C = np.zeros_like(A)
    workload = declare.slices(name, declare.bare(KNOWN[name]), (A, B, C), seed=3)
    seen = set()
    for _ in range(30):
        C[:] = 0
        workload.call()
        done = C != 0
        assert workload.flops == 2 * steps * done.sum()
        seen.add(tuple(np.argwhere(done)[0]))
        if name == "naive":
            assert np.allclose(C[done], (A @ B)[done], rtol=1e-3, atol=1e-3)
    assert len(seen) > 3  # they lie all over the matrices
