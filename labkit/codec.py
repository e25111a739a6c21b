"""Records as JSON: validated on reading and on writing, their schemas exported.

`python -m labkit.codec` exports the JSON Schemas into `schemas/` beside this file.
"""

import inspect
import math
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from labkit.errors import LabError, os_error
from labkit.records import Cell, Ladder, Manifest, Matrix, Record, Repeat, Results, Roofline, RunComparison

T = TypeVar("T", bound=Record)


def encode(record: Record) -> bytes:
    """The record as indented JSON, after the same checks that reading makes."""
    raw = msgspec.json.encode(record)
    _check(msgspec.json.decode(raw, type=type(record)))
    return _on_one_line(msgspec.json.format(raw, indent=1)) + b"\n"


# A number, null, or the few words of a mark.
_ENTRY = rb'(?:[-+\d.eE]+|null|"[a-z ]*")'
_ARRAY = re.compile(rb"\[\n\s*(" + _ENTRY + rb"(?:,\n\s*" + _ENTRY + rb")*)\n\s*\]")


def _on_one_line(text: bytes) -> bytes:
    """Arrays of numbers or of marks on one line each: a record is read by people too."""
    return _ARRAY.sub(lambda m: b"[" + re.sub(rb",\n\s*", b", ", m[1]) + b"]", text)


def decode(raw: bytes, kind: type[T], name: str) -> T:
    """A record of the given kind, or a LabError that says what is wrong with the file called `name`."""
    try:
        record = msgspec.json.decode(raw, type=kind)
        _check(record)
    except (ValueError, RecursionError, OverflowError) as error:
        why = " ".join(str(error).split())  # on one line, whatever text of the file it quotes
        raise LabError(f"{name} is not a valid {kind.__name__.lower()} record: {why}") from None
    return record


def read(path: Path, kind: type[T], mend: str = "") -> T:
    """The record in a file; a LabError, with what mends it, if it is not there, cannot be read or is not valid."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LabError(_with_mend(str(os_error(f"read {path.name}", error)), mend)) from None
    try:
        return decode(raw, kind, path.name)
    except LabError as error:
        raise LabError(_with_mend(str(error), mend)) from None


# What mends a record that should have been drawn again.
MEASURE_AGAIN = "measure again, or bring it back from git"


def _with_mend(complaint: str, mend: str) -> str:
    return f"{complaint}; {mend}" if mend else complaint


def _check(record: Record) -> None:
    """What types alone do not say: rates follow from seconds, intervals hold their medians."""
    if isinstance(record, Results):
        for cell in record.cells:
            _check_cell(cell)
    if isinstance(record, Roofline):
        rate = record.peak.fp32_fma_gflops
        if not 0 < rate.low <= rate.median <= rate.high <= rate.best:
            raise ValueError("the peak's interval does not hold its median")


def _check_cell(cell: Cell) -> None:
    name = f"{cell.method} at N={cell.n}"
    if cell.extrapolated != (not cell.seconds_per_call):
        raise ValueError(f"{name}: an extrapolated cell has no repetitions, and a measured one has some")
    if cell.flops != 2 * cell.n**3:
        raise ValueError(f"{name}: {cell.flops} flops is not 2 N^3")
    of_each = (
        cell.cpu_over_wall, cell.rounds, cell.voluntary_switches, cell.involuntary_switches, cell.steal_seconds,
        cell.sentinel_gbs, cell.marks,
    )  # fmt: skip
    if any(len(one) != len(cell.seconds_per_call) for one in of_each):
        raise ValueError(f"{name}: repetitions and what is said of each differ in number")
    if any(not (s > 0 and math.isfinite(s)) for s in cell.seconds_per_call):
        raise ValueError(f"{name}: a time that is not positive")
    if cell.seconds_per_call:
        best = cell.flops / min(cell.seconds_per_call) / 1e9
        if not math.isclose(best, cell.gflops.best, rel_tol=1e-9):
            raise ValueError(f"{name}: best GFLOPS {cell.gflops.best} does not follow from its seconds ({best})")
    if not cell.gflops.low <= cell.gflops.median <= cell.gflops.high:
        raise ValueError(f"{name}: the interval does not hold the median")


SCHEMAS: dict[str, type[Record]] = {
    "results": Results,
    "manifest": Manifest,
    "kernels": Roofline,
    "repeat": Repeat,
    "ladder": Ladder,
    "comparison": RunComparison,
    "matrix": Matrix,
}
SCHEMA_FOLDER = Path(__file__).parent / "schemas"


def schema(kind: type[Record]) -> bytes:
    """The JSON Schema of a record."""
    made = msgspec.json.schema(kind)
    for definition in made["$defs"].values():
        if "description" in definition:
            # From Python 3.13 on docstrings are stored without their indentation, before with it.
            definition["description"] = inspect.cleandoc(definition["description"])
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def export_schemas(folder: Path = SCHEMA_FOLDER) -> None:
    """Write one JSON Schema a kind of file."""
    for name, kind in SCHEMAS.items():
        (folder / f"{name}.schema.json").write_bytes(schema(kind))


if __name__ == "__main__":
    export_schemas()
