"""What the command line asks for, and what it makes of the cells."""

import dataclasses

import experiment
import explain
import made_up
import pytest
from bench import METHODS, OPTIONAL_METHODS, make_operands
from experiment import Request, make_embedding

from labkit.doctor import health, vitals
from labkit.errors import LabError

KNOWN = {**METHODS, **OPTIONAL_METHODS}


def parse(sizes="64,128", methods="naive,matmul", quick=False, measure_all=False):
    return Request.parse(sizes, methods, quick, measure_all, known=KNOWN)


@pytest.mark.parametrize("sizes", ["0", "abc", "", "64,,128", "-4", "1.5", "64;128", "²"])
def test_sizes_that_are_none_are_refused_in_one_line(sizes):
    with pytest.raises(LabError, match="--sizes takes whole numbers") as caught:
        parse(sizes=sizes)
    assert "\n" not in str(caught.value)


def test_a_size_that_memory_cannot_hold_is_refused():
    with pytest.raises(LabError, match="GiB"):
        parse(sizes="9999999")


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(LabError, match=r"naive, blocked, einsum, matmul.*'nope'"):
        parse(methods="naive,nope")


def test_sizes_are_sorted_and_counted_once():
    assert parse(sizes="128, 64,128").sizes == (64, 128)


def test_pure_python_from_1024_on_is_extrapolated_unless_all_is_measured():
    assert parse().extrapolated("naive", 1024)
    assert parse().extrapolated("blocked", 2048)
    assert not parse().extrapolated("naive", 512)
    assert not parse().extrapolated("einsum", 2048)
    assert not parse(measure_all=True).extrapolated("naive", 1024)


def test_an_extrapolation_always_has_a_basis():
    assert list(parse(sizes="1024").measured_cells()) == [("naive", 128), ("matmul", 1024)]


def test_a_cell_needs_at_least_five_repetitions_and_a_second_but_for_the_longest():
    needed = parse().requirement("naive", 512)
    assert needed.repetitions >= 5
    assert needed.seconds >= 1.0
    assert parse(measure_all=True).requirement("naive", 1024).repetitions == 1


def test_one_method_of_each_kind_is_timed_under_a_second_name_at_its_smallest_size():
    assert list(parse().twins()) == [("naive", 64), ("matmul", 64)]
    assert list(parse(sizes="1024").twins()) == [("naive", 128), ("matmul", 1024)]
    assert list(parse(methods="einsum").twins()) == []


def test_both_names_of_a_method_are_the_same_call_and_stand_in_the_same_rounds(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment.Screen, "say", lambda self, line: None)
    lab = experiment.Experiment(parse(sizes="32"), tmp_path, 42, 64, make_operands)
    cells = {cell.workload.method: cell for cell in lab.cells}
    for name in ("naive", "matmul"):
        one, other = cells[name], cells[f"{name}_again"]
        assert one.family == other.family
        assert one.requirement == other.requirement
        assert one.workload.call.func is other.workload.call.func
        for mine, its in zip(one.workload.call.args, other.workload.call.args, strict=True):
            assert mine is its
        assert one.workload.call.keywords["out"] is other.workload.call.keywords["out"]


def test_the_lookup_is_76800_flop_and_the_projection_39_million():
    gather, one_hot, projection = make_embedding(42)
    assert (gather.flops, one_hot.flops, projection.flops) == (0, 76_800, 39_321_600)


def test_the_gather_and_the_one_hot_product_fetch_the_same_row():
    gather, one_hot, _ = make_embedding(42)
    assert (gather.call() == one_hot.call().copy()).all()


def test_a_governor_or_a_battery_that_the_lab_does_not_ask_for_is_said_at_the_top_and_kept_for_the_page(monkeypatch):
    seen = vitals.look(health.Blas("openblas"))
    monkeypatch.setattr(
        experiment.vitals,
        "look",
        lambda blas: dataclasses.replace(seen, governor=("powersave", None), power=("battery", None)),
    )
    found = experiment.preflight(made_up.manifest().blas)
    assert len(found) == 2
    assert "powersave" in found[0]
    assert "governor performance" in found[0]  # the command that mends it
    assert "battery" in found[1]
    manifest = made_up.manifest()
    manifest.config["warnings"] = found
    page = explain.render_page(made_up.results(), manifest)
    assert page.index(found[0]) < page.index("| N |")


def test_a_stray_core_type_is_said_before_anything_is_measured(monkeypatch):
    seen = vitals.look(health.Blas("openblas"))
    stray = dataclasses.replace(
        seen,
        blas=health.Blas("openblas", "0.3", "Prescott", 1),
        environment={"OPENBLAS_CORETYPE": "Prescott"},
        flags=frozenset({"sse2", "avx", "avx2", "fma"}),
    )
    monkeypatch.setattr(experiment.vitals, "look", lambda blas: stray)
    [warning] = experiment.preflight(made_up.manifest().blas)
    assert "OPENBLAS_CORETYPE=Prescott is set" in warning
    assert "unset OPENBLAS_CORETYPE" in warning
