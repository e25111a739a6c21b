"""The shapes of the JSON files: what is written can be read, and what cannot be true is refused."""

import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import codec
from labkit.errors import LabError
from labkit.records import Results, Roofline

RATE = {"median": 2.0, "best": 4.0, "p90": 3.0, "low": 1.0, "high": 3.5, "interval": "ci95"}
IDENTITY = {"cpu": "a CPU", "microarchitecture": None, "isa": [], "caches": [], "numpy": "2", "blas": "one"}


def cell(**changed):
    """A measured cell of N = 10: 2000 flops in 0.5 us at best."""
    return {
        "method": "naive", "n": 10, "flops": 2000, "extrapolated": False, "extrapolated_from": None,
        "extrapolated_seconds": None, "calls_per_repetition": 3, "seconds_per_call": [1e-6, 5e-7, 2e-6],
        "rounds": [0, 1, 2], "total_seconds": 1.05e-5, "cpu_over_wall": [1.0, 1.0, 0.9], "gflops": dict(RATE),
        "voluntary_switches": [0, 0, 1], "involuntary_switches": [0, 2, 0], "steal_seconds": [None, 0.0, 0.1],
        "sentinel_gbs": [50.0, 51.0, None], "marks": [None, None, "preempted"],
        "roof": {"share": 0.5, "low": 0.4, "high": 0.6}, "noisy": False, "invalid": [], "notes": [], **changed,
    }  # fmt: skip


def extrapolated(**changed):
    return cell(
        extrapolated=True, extrapolated_from=5, extrapolated_seconds=1e-6, seconds_per_call=[], rounds=[],
        cpu_over_wall=[], voluntary_switches=[], involuntary_switches=[], steal_seconds=[], sentinel_gbs=[], marks=[],
        calls_per_repetition=0, total_seconds=0.0, **changed,
    )  # fmt: skip


def results(*cells, **changed):
    return {
        "schema": "matmul-perf/1", "status": "complete", "short_name": "a CPU",
        "protocol": {
            "seed": 42, "dtype": "float32", "sizes": [10], "methods": ["naive"], "block_size": 64, "warmup_calls": 1,
            "min_repetitions": 6, "min_seconds": 1.0, "measure_all": False, "quick": False,
            "clock_resolution_seconds": 1e-9,
        },
        "agreement": {"n": 64, "rtol": 1e-5, "atol": 1e-6, "integer_shapes": [[3, 5, 7]], "methods": {}, "worst": None},
        "cells": list(cells),
        "roof": {
            "peak_gflops": 100.0, "dram_gbs": 15.0, "ridge_flop_per_byte": 6.7, "crossover_n": 40.0,
            "statistic": "90th percentile",
            "sentinel": {"gbs": RATE, "peak_flop_per_sentinel_byte": {"value": 2.0, "low": 1.9, "high": 2.1}},
        },
        "noise": {"noisy": False, "visits": 12, "marks": {"preempted": 1}, "because": []},
        "same_twice": {"pairs": [], "floor": 0.0},
        "sanity": [], "speedup": None, "speedup_measured": None, "comparisons": [], "cube_law": [], "embedding": None,
        "harness": {"wall_seconds": 1.0, "call_seconds": 0.9, "roof_seconds": 0.0, "share": 0.1, "sessions": 1},
        **changed,
    }  # fmt: skip


def roofline(**peak):
    rate = {**RATE, "high": 3.5, **peak}
    return {
        "schema": "roofline/1", "machine": IDENTITY, "short_name": "a CPU",
        "peak": {
            "fp32_fma_gflops": rate, "instruction_set": "FMA", "lanes": 8, "accumulators": 10, "fma": True,
            "flops_per_cycle": 32.0, "latency_cycles": None, "steps_per_cycle": 2.0, "saturates_at": 8, "sweep": [],
        },
        "ceilings": [],
        "clock": {
            "ghz": RATE, "under_load_ghz": None, "nominal_ghz": None, "nominal_from": "not said", "verdict": None,
            "peak_from_nominal_gflops": None,
        },
        "levels": [{"level": 1, "bytes": 32768, "shared_by": None}], "levels_from": "staircase",
        "bandwidth": [], "staircase": [{"working_set_bytes": 4096, "gbs": RATE}], "ridge": [],
        "sentinel": {"gbs": RATE, "peak_flop_per_sentinel_byte": {"value": 2.0, "low": 1.9, "high": 2.1}},
        "kernels": [], "rounds": 60, "seconds": 1.0, "notes": [], "faults": [],
    }  # fmt: skip


def decode(document, kind=Results, name="results.json"):
    return codec.decode(json.dumps(document).encode(), kind, name)


@pytest.mark.parametrize("name", codec.SCHEMAS)
def test_the_exported_schemas_are_those_of_the_code(name):
    path = codec.SCHEMA_FOLDER / f"{name}.schema.json"
    assert path.read_bytes() == codec.schema(codec.SCHEMAS[name]), "run python -m labkit.records"


def test_every_schema_in_the_folder_is_of_a_record_that_exists():
    found = {path.name for path in codec.SCHEMA_FOLDER.iterdir()}
    assert found == {f"{name}.schema.json" for name in codec.SCHEMAS}


def test_export_writes_one_schema_a_kind_of_file(tmp_path):
    codec.export_schemas(tmp_path)
    assert len(list(tmp_path.glob("*.schema.json"))) == len(codec.SCHEMAS)


@pytest.mark.parametrize(
    ("document", "kind"), [(results(cell(), extrapolated(method="blocked")), Results), (roofline(), Roofline)]
)
def test_what_is_written_is_what_is_read(document, kind):
    record = decode(document, kind)
    raw = codec.encode(record)
    assert codec.decode(raw, kind, "x.json") == record
    assert json.loads(raw) == document
    assert raw.endswith(b"}\n")


def test_fields_that_a_newer_version_added_are_passed_over():
    document = results(cell(temperature=40), weather="fine")
    assert decode(document) == decode(results(cell()))


@settings(deadline=None)
@given(st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=8))
def test_arrays_of_numbers_stand_on_one_line_each_and_keep_every_bit(seconds):
    best = 2000 / min(seconds) / 1e9
    rate = {**RATE, "best": best}
    n = len(seconds)
    record = decode(
        results(
            cell(
                seconds_per_call=seconds,
                rounds=list(range(n)),
                cpu_over_wall=[1.0] * n,
                gflops=rate,
                voluntary_switches=[0] * n,
                involuntary_switches=[0] * n,
                steal_seconds=[None] * n,
                sentinel_gbs=[50.0] * n,
                marks=[*["second thread"] * (n - 1), None],
            )
        )
    )
    raw = codec.encode(record)
    for name in (b"seconds_per_call", b"steal_seconds", b"marks"):
        (line,) = [line for line in raw.splitlines() if b'"%s": [' % name in line]
        assert line.count(b",") == n  # between the figures, and one after the array
    assert codec.decode(raw, Results, "x.json").cells[0].seconds_per_call == seconds


FALSE_CELLS = {
    "an extrapolated cell with repetitions": (cell(extrapolated=True), "no repetitions"),
    "a measured cell without any": (extrapolated() | {"extrapolated": False}, "no repetitions"),
    "flops that are not 2 N^3": (cell(flops=1000), "not 2 N"),
    "a best rate that its seconds deny": (cell(gflops={**RATE, "best": 4.001}), "does not follow"),
    "a time of zero": (cell(seconds_per_call=[1e-6, 0.0, 2e-6]), "not positive"),
    "a negative time": (cell(seconds_per_call=[1e-6, -5e-7, 2e-6]), "not positive"),
    "fewer rounds than repetitions": (cell(rounds=[0, 1]), "differ in number"),
    "fewer CPU times than repetitions": (cell(cpu_over_wall=[1.0]), "differ in number"),
    "fewer marks than repetitions": (cell(marks=[None]), "differ in number"),
    "a mark that nobody knows": (cell(marks=[None, "haunted", None]), "haunted"),
    "a median above its interval": (cell(gflops={**RATE, "median": 3.6}), "does not hold the median"),
    "a median below its interval": (cell(gflops={**RATE, "median": 0.9}), "does not hold the median"),
    "an interval of an unknown kind": (cell(gflops={**RATE, "interval": "sigma"}), "interval"),
    "a rate that is not given": (cell(gflops={**RATE, "median": None}), "median"),
    "a cell without a method": ({k: v for k, v in cell().items() if k != "method"}, "method"),
}


@pytest.mark.parametrize("name", FALSE_CELLS)
def test_a_cell_that_cannot_be_true_is_refused_with_the_file_s_name(name):
    false, why = FALSE_CELLS[name]
    with pytest.raises(LabError, match=r"^results\.json is not a valid results record: ") as error:
        decode(results(false))
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_a_refused_cell_is_named():
    with pytest.raises(LabError, match="naive at N=10"):
        decode(results(cell(flops=1)))


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_none_are_not_read(text):
    raw = json.dumps(results(cell())).encode().replace(b'"median": 2.0', b'"median": ' + text, 1)
    with pytest.raises(LabError, match="not a valid results record"):
        codec.decode(raw, Results, "results.json")


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["median", "best", "p90", "low", "high"])
def test_numbers_that_are_none_are_not_written(field, value):
    record = decode(results(cell()))
    setattr(record.cells[0].gflops, field, value)
    with pytest.raises((ValueError, LabError)):
        codec.encode(record)


def test_what_would_be_refused_on_reading_is_not_written():
    record = decode(results(cell()))
    record.cells[0].flops = 1
    with pytest.raises((ValueError, LabError), match="2 N"):
        codec.encode(record)


@pytest.mark.parametrize(
    "peak", [{"low": 0.0}, {"low": 2.1}, {"high": 1.9}, {"best": 3.4}, {"median": -2.0, "low": -3.0}]
)
def test_a_roof_whose_interval_does_not_hold_its_median_or_tops_its_best_is_refused(peak):
    with pytest.raises(LabError, match=r"^kernels\.json is not a valid roofline record"):
        decode(roofline(**peak), Roofline, "kernels.json")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"schema": "matmul-perf/2"}', b"\xff"])
def test_what_is_no_record_is_one_clear_line(tmp_path, raw):
    path = tmp_path / "results.json"
    path.write_bytes(raw)
    with pytest.raises(LabError, match=r"^results\.json is not a valid results record") as error:
        codec.read(path, Results)
    assert "\n" not in str(error.value)


def test_a_record_that_is_not_there_is_one_clear_line_without_the_machine_s_path(tmp_path):
    with pytest.raises(LabError, match=r"^cannot read results\.json: No such file") as error:
        codec.read(tmp_path / "results.json", Results)
    assert str(tmp_path) not in str(error.value)


def test_a_cell_is_found_by_method_and_size():
    record = decode(results(cell(), cell(method="einsum")))
    assert record.cell("einsum", 10) is record.cells[1]
    assert record.cell("einsum", 11) is None


def test_every_schema_is_json_and_names_every_field_as_required_or_with_a_default():
    for kind in codec.SCHEMAS.values():
        schema = json.loads(codec.schema(kind))
        top = schema["$defs"][kind.__name__]
        assert set(top["required"]) == {f.encode_name for f in msgspec.structs.fields(kind) if f.required}
