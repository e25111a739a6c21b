"""The command line of bench.py."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from labkit import cli
from labkit.matmul import run
from labkit.matmul.declare import Benchmark, Request
from labkit.records import io


def main(benchmark: Benchmark, arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, or draw again; the exit status."""
    parser = cli.OneLineParser(
        prog=benchmark.script.name,
        description="Measure four matrix products and leave results.json, manifest.json, perf.png and README.md.",
        epilog="exit status: 0 measured, 1 a cell cannot be true, 2 could not run, 130 stopped",
        allow_abbrev=False,
    )
    optional = ", ".join(benchmark.optional_methods)
    parser.add_argument("--sizes", default=",".join(map(str, benchmark.sizes)), help="orders N, separated by commas")
    parser.add_argument(
        "--methods", default=",".join(benchmark.methods), help=f"methods, separated by commas; also {optional}"
    )
    parser.add_argument("--quick", action="store_true", help="stop after the first minute's pass")
    parser.add_argument(
        "--measure-all", action="store_true", help="run naive and blocked at N >= 1024 instead of extrapolating"
    )
    parser.add_argument("--fresh", action="store_true", help="start over: forget an unfinished run")
    parser.add_argument("--redraw", action="store_true", help="draw and render from the records alone")
    parser.add_argument(
        "--output", type=Path, default=benchmark.script.parent, help="where the artifacts go (default: beside bench.py)"
    )
    given = parser.parse_args(arguments)
    return cli.guarded(parser.prog, lambda: _run(benchmark, given))


def _run(benchmark: Benchmark, given: argparse.Namespace) -> int:
    known = {**benchmark.methods, **benchmark.optional_methods}
    request = Request.parse(given.sizes, given.methods, given.quick, given.measure_all, known)
    if given.redraw:
        from labkit.show import artifacts  # loads what draws: not into a process that measures

        with io.locked(given.output):
            print(f"Drawn again: {', '.join(artifacts.redraw(given.output))}")
        return 0
    return run.run(benchmark, request, given.output, given.fresh)
