"""Each record cut short, corrupted, emptied or replaced by a folder: read, or refused by its name in one line."""

import json
from collections import Counter

import made_up
import msgspec
import pytest
from damage import damaged_bytes, damaged_document, one_line, put, refusal_of

from labkit.errors import UserError
from labkit.records import find, io
from labkit.records.model import Ladder, Manifest, Repeat, Results, Roofline

RECORDS = {
    "results.json": (Results, lambda: made_up.results((64, 128), ("naive", "blocked", "matmul"))),
    "manifest.json": (Manifest, made_up.manifest),
    "kernels.json": (Roofline, made_up.roofline),
    "ladder.json": (Ladder, lambda: made_up.ladder_derive.derive(made_up.ladder_measurement((64,)))),
    "repeat.json": (Repeat, lambda: made_up.repeat(2)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_is_refused_by_its_name_in_one_line_or_can_be_written_again(tmp_path, name):
    kind, made = RECORDS[name]
    path, raw = tmp_path / name, io.encode(made())
    changed = damaged_document(json.loads(raw), others=1)
    ends = Counter()
    for what, content in (*damaged_bytes(raw), *((what, json.dumps(c).encode()) for what, c in changed)):
        put(path, content)
        refusal = refusal_of(lambda: io.encode(io.read(path, kind)), what)
        ends[refusal is None] += 1
        if refusal:
            assert one_line(refusal), what
            assert name in refusal, what
    assert ends[False] > 100
    put(path, raw)
    assert io.read(path, kind) == made()


def test_what_is_damaged_and_still_read_as_a_result_can_be_derived_from(tmp_path):
    record = made_up.results((64, 1024), ("naive", "blocked", "matmul"))
    folder = made_up.write(tmp_path / "lab", record)
    document = json.loads(io.encode(record))
    document["samples"], rest = document["samples"][:2], document["samples"][2:]
    read = 0
    for what, changed in damaged_document({key: document[key] for key in ("protocol", "limits", "samples", "cpus")}):
        whole = {**document, **changed}
        whole["samples"] = [*whole["samples"], *rest] if isinstance(whole.get("samples"), list) else None
        (folder / "results.json").write_text(json.dumps(whole))
        refusal = refusal_of(lambda: find.read_run(folder), what)
        read += refusal is None
        assert refusal is None or one_line(refusal), what
    assert read > 30


def samples(**changed):
    """A record whose first series is changed."""
    document = json.loads(io.encode(made_up.results((64, 128))))
    document["samples"][0].update(changed)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seconds": [0.1] * 11}, "the columns of naive at 64 differ in length"),
        ({"seconds": [0.0] + [0.1] * 11}, "seconds"),
        ({"seconds": [-0.1] + [0.1] * 11}, "seconds"),
        ({"rounds": []}, "naive at 64 lacks the rounds"),
        ({"probe": []}, "naive at 64 lacks the rounds"),
        ({"probe": [made_up.READINGS - 1] * 12}, "a reading that is not there"),
        ({"flops": 0}, "naive at 64 lacks the flops"),
        ({"n": 0}, "n"),
        ({"calls": [None] * 12}, "calls"),
        ({"n": 10**30}, "valid"),
    ],
)
def test_samples_from_which_nothing_could_follow_are_refused_and_named(changed, says):
    with pytest.raises(UserError, match=r"^results\.json is not a valid results record: ") as error:
        io.decode(samples(**changed), Results, "results.json")
    assert says in str(error.value)
    assert one_line(str(error.value))


@pytest.mark.parametrize("rate", [{"low": 0.0}, {"low": 90.0}, {"high": 70.0}, {"best": 70.0}, {"median": None}])
def test_a_rate_that_does_not_lie_in_its_interval_is_refused(rate):
    document = json.loads(io.encode(made_up.results((64, 128))))
    document["cells"][-1]["gflops"].update(rate)
    with pytest.raises(UserError, match="not a valid results record"):
        io.decode(json.dumps(document).encode(), Results, "results.json")


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"1e999"])
def test_numbers_that_are_none_are_neither_read_nor_written(text):
    raw = io.encode(made_up.results()).replace(b'"peak_gflops": 100.0', b'"peak_gflops": ' + text, 1)
    with pytest.raises(UserError, match="not a valid results record"):
        io.decode(raw, Results, "results.json")
    record = made_up.results()
    record.cells[0].gflops.best = float("nan")
    with pytest.raises(msgspec.ValidationError):
        io.encode(record)


def test_records_of_the_first_version_are_refused_in_one_line_that_says_what_to_do(tmp_path):
    for name, kind, schema in (
        ("results.json", Results, "matmul-perf/1"),
        ("kernels.json", Roofline, "roofline/1"),
        ("results.json", Ladder, "ladder/1"),
    ):
        (tmp_path / name).write_text(json.dumps({"schema": schema, "status": "complete", "cells": []}))
        with pytest.raises(UserError) as error:
            io.read(tmp_path / name, kind, fix="run it")
        assert str(error.value) == (
            f"{name} has the schema {schema}, of an older version: measure again, or restore it from git"
        )
    (tmp_path / "results.json").write_text(json.dumps({"schema": "ladder/2"}))
    with pytest.raises(UserError, match="has the schema ladder/2, and matmul-perf/2 is needed; run it"):
        io.read(tmp_path / "results.json", Results, fix="run it")
