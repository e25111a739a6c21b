"""`labkit export`: a result in the format of another tool: pyperf's JSON, Bencher's Metric Format, CSV."""

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from statistics import median

from labkit.errors import UserError, os_error
from labkit.records.facts import facts
from labkit.records.find import Run, locate, read_run
from labkit.records.io import write_atomically
from labkit.records.model import Cell
from labkit.show.tables import harmless

# Ends the name of a cell that cannot be true: pyperf then compares it with no cell that can.
INVALID = " (invalid)"

Fields = dict[str, str | int | float]


def run(args: argparse.Namespace) -> int:
    """The command: `args.folder`, `args.format` and `args.output` (standard output if None)."""
    result = read_run(locate(args.folder))
    if all(cell.extrapolated or cell.invalid for cell in result.analysis.cells):
        raise UserError("no cell of this result was timed and can be true: there is nothing to export")
    text = {"pyperf": pyperf, "bencher": bencher, "csv": spreadsheet}[args.format](result)
    fate = "left out" if args.format == "bencher" else f"named{INVALID}"
    said = {
        "left out, as not timed but extrapolated": [c for c in result.analysis.cells if c.extrapolated],
        f"{fate}, as it cannot be true": result.analysis.invalid,
    }
    for what, cells in said.items():
        if cells and args.format != "csv":  # which says it of each cell itself
            print(f"labkit export: {what}: {', '.join(map(name, cells))}", file=sys.stderr)
    _write(text.encode(), args.output)
    return 0


def _write(data: bytes, output: Path | None) -> None:
    """To standard output, or into a file that is replaced in one step; a pipe or a device is written into."""
    if output is None:
        sys.stdout.buffer.write(data)
    elif output.exists() and not output.is_file():
        try:
            output.write_bytes(data)
        except OSError as error:
            raise os_error(f"write {output.name}", error) from None
    else:
        write_atomically(output.resolve(), data)


# --- what every format takes ---------------------------------------------------------------------------


def name(cell: Cell) -> str:
    """A cell as a benchmark is called, the same in every run."""
    return f"{cell.method} N={cell.n}"


def _source(result: Run) -> Fields:
    """Where a run comes from: machine, software, commit, protocol; no host, no user."""
    return {what.lower().replace(" ", "_"): text for what, text in facts(result).items()}


def _seconds(cell: Cell) -> list[float]:
    """A call's median time, s, between the ends of its interval; of an extrapolated cell what its rate makes of it."""
    ends = [cell.flops / rate / 1e9 for rate in (cell.gflops.high, cell.gflops.low)]
    return sorted([*ends, median(cell.seconds_per_call or [cell.call_seconds])])


def _fields(cell: Cell) -> Fields:
    """A cell as a row of a table, units in the columns' names."""
    rate, fraction, (low, middle, high) = cell.gflops, cell.peak_fraction, _seconds(cell)
    return {
        "method": cell.method,
        "n": cell.n,
        "flops": cell.flops,
        "seconds_per_call_median": middle,
        "seconds_per_call_low": low,
        "seconds_per_call_high": high,
        **{f"gflops_{which}": getattr(rate, which) for which in ("median", "low", "high", "best")},
        "interval": "95 % of the median" if rate.interval == "ci95" else "range",
        "peak_fraction": fraction.value,
        "peak_fraction_low": fraction.low,
        "peak_fraction_high": fraction.high,
        "samples": len(cell.seconds_per_call),
        "timed_seconds": cell.total_seconds,
        "extrapolated": "yes" if cell.extrapolated else "no",
        "extrapolated_from_n": cell.extrapolated_from or "",
        "noisy": "yes" if cell.noisy else "no",
        "invalid": "; ".join(cell.invalid),
        "notes": "; ".join(cell.notes),
    }


def _calls(result: Run) -> dict[tuple[str, int], int]:
    """How many calls a sample of each workload has."""
    return {(s.name, s.n): max(s.calls, default=1) for s in result.results.samples}


# --- the formats ---------------------------------------------------------------------------------------


def pyperf(result: Run) -> str:
    """One benchmark per timed cell, its values in seconds per call: `pyperf stats`, `show`, `compare_to` read it."""
    calls, benchmarks = _calls(result), []
    for cell in result.analysis.cells:
        if cell.extrapolated:
            continue
        named = name(cell) + INVALID * bool(cell.invalid)
        metadata = {"name": named, "loops": calls[cell.method, cell.n], **_fields(cell)}
        benchmarks.append({"runs": [{"values": cell.seconds_per_call, "metadata": _present(metadata)}]})
    source, manifest = _source(result), result.manifest
    of_run: Fields = {  # by pyperf's own keys where it has one
        **source,
        "unit": "second",
        "cpu_model_name": source["cpu"],
        "cpu_count": manifest.hardware.cores.logical,
        "platform": source["system"],
        "python_implementation": manifest.versions.get("implementation", "").lower(),
        "python_version": manifest.versions.get("python", ""),
        "python_compiler": manifest.versions.get("compiler", ""),
        "recorded": manifest.created,
        "warmup_calls": result.results.protocol.warmup_calls,
        "peak_gflops": result.results.roof.peak_gflops,
        "noisy_run": "; ".join(result.analysis.noise),
        "left_out": "; ".join(name(cell) for cell in result.analysis.cells if cell.extrapolated),
    }
    document = {"version": "1.0", "metadata": _present(of_run), "benchmarks": benchmarks}  # what pyperf itself writes
    return json.dumps(document, indent=1) + "\n"


def _present(metadata: Fields) -> Fields:
    """Without empty texts, which pyperf refuses, and each text on one line, as it asks."""
    one_line = {key: " ".join(value.split()) if isinstance(value, str) else value for key, value in metadata.items()}
    return {key: value for key, value in one_line.items() if value != ""}


def bencher(result: Run) -> str:
    """{benchmark: {measure: {value, lower_value, upper_value}}}, of cells that were timed and can be true.

    The measures: `latency` in ns per call, `gflops`, and `peak-fraction`, which is 1 at the measured peak.
    """
    made = {}
    for cell in result.analysis.cells:
        if cell.extrapolated or cell.invalid:
            continue
        rate, fraction = cell.gflops, cell.peak_fraction
        measures = {
            "latency": [1e9 * s for s in _seconds(cell)],
            "gflops": [rate.low, rate.median, rate.high],
            "peak-fraction": [fraction.low, fraction.value, fraction.high],
        }
        keys = ("lower_value", "value", "upper_value")
        made[name(cell)] = {measure: dict(zip(keys, values, strict=True)) for measure, values in measures.items()}
    return json.dumps(made, indent=1) + "\n"


def spreadsheet(result: Run) -> str:
    """CSV, a row per cell, units in the columns' names, machine and versions in every row."""
    calls = _calls(result)
    of_run = {f"run_{what}": text for what, text in _source(result).items()}
    of_run["run_created"] = result.manifest.created
    rows = [
        {**_fields(cell), "calls_per_sample": calls.get((cell.method, cell.n), ""), **of_run}
        for cell in result.analysis.cells
    ]
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: harmless(field) for column, field in row.items()} for row in rows)
    return table.getvalue()
