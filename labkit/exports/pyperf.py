"""A run as pyperf's JSON: `pyperf stats`, `show`, `check` and `compare_to` read it. pyperf itself is not needed."""

import json

from labkit.errors import LabError
from labkit.exports import cells
from labkit.records import Cell
from labkit.runs import Run

# The version that pyperf has written since its own 1.0.
FORMAT_VERSION = "1.0"
# What an impossible cell is called besides: pyperf then compares it with no cell that is possible.
INVALID = " (invalid)"

Metadata = dict[str, str | int | float]


def export(run: Run) -> str:
    """One benchmark a timed cell, its values in seconds a call; a LabError if nothing was timed."""
    timed = [cell for cell in run.results.cells if not cell.extrapolated]
    if not timed:
        raise LabError("no cell of this result was timed: there is nothing that pyperf could read")
    document = {
        "version": FORMAT_VERSION,
        "metadata": _of_run(run),
        "benchmarks": [{"runs": [_run_of(cell)]} for cell in timed],
    }
    return json.dumps(document, indent=1) + "\n"


def remarks(run: Run) -> list[str]:
    """What the file does not hold, or holds under another name."""
    extrapolated, invalid = cells.of_extrapolated(run), cells.of_invalid(run)
    said = [f"left out, as not timed but extrapolated: {', '.join(extrapolated)}"] if extrapolated else []
    return said + [f"named{INVALID}, as they cannot be true: {', '.join(invalid)}"] * bool(invalid)


def _of_run(run: Run) -> Metadata:
    """What holds for every benchmark: pyperf's own keys where it has one, the lab's words elsewhere."""
    source, results, manifest = cells.source(run), run.results, run.manifest
    versions = manifest.versions
    found: Metadata = {
        "unit": "second",
        "cpu_model_name": source["CPU"],
        "cpu_count": manifest.hardware.cores.logical,
        "platform": source["system"],
        "python_implementation": versions.get("implementation", "").lower(),
        "python_version": versions.get("python", ""),
        "python_compiler": versions.get("compiler", ""),
        "numpy": source["NumPy"],
        "blas": source["BLAS"],
        "blas_kernel": source["BLAS kernel"],
        "commit": source["commit"],
        "recorded": manifest.created,
        "protocol": source["protocol"],
        "status": source["status"],
        "warmup_calls": results.protocol.warmup_calls,
        "peak_gflops": results.roof.peak_gflops,
        "noisy_run": "; ".join(results.noise.because),
        "left_out": "; ".join(cells.of_extrapolated(run)),
    }
    return _present(found)


def _run_of(cell: Cell) -> dict[str, object]:
    """The repetitions of a cell, all of one process. Its warm-up call was not timed, so there is no value of it."""
    metadata: Metadata = {
        "name": cells.name(cell) + INVALID * bool(cell.invalid),
        "loops": cell.calls_per_repetition,
        "gflops": cell.gflops.median,
        "gflops_low": cell.gflops.low,
        "gflops_high": cell.gflops.high,
        "share_of_roof": cell.roof.share,
        "noisy": "yes" if cell.noisy else "",
        "invalid": "; ".join(cell.invalid),
        "notes": "; ".join(cell.notes),
    }
    return {"values": cell.seconds_per_call, "metadata": _present(metadata)}


def _present(metadata: Metadata) -> Metadata:
    """Without empty texts, which pyperf refuses, and each text on one line, as it asks."""
    on_one_line = {key: " ".join(value.split()) if isinstance(value, str) else value for key, value in metadata.items()}
    return {key: value for key, value in on_one_line.items() if value != ""}
