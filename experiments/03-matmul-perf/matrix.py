"""What do the Pythons of this machine make of the loop? The quick protocol under each, in turns, side by side."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]
if __name__ == "__main__":
    from labkit.threads import require_one_thread

    require_one_thread(say=sys.stdout)

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Protocol

import numpy as np
import pooling
import pythons
import typer
from experiment import MEASURING_CODE
from pythons import Python
from rooms import DONE, REQUIREMENTS, Rooms, UnusableError

from labkit import codec, console, pages, provenance, runs, store
from labkit.comparison import figure, page, words
from labkit.errors import LabError
from labkit.records import ComparedRow, LeftOut, Matrix

RECORD, FIGURE, PAGE = "matrix.json", "matrix.png", "matrix.md"
TEMPLATE = HERE / "matrix.md.j2"
ROUNDS, FEWEST_PYTHONS = 1, 2
SEED = 42
LOOPS = ("naive", "blocked")  # what the interpreter runs; the rest is compiled, and the same under each Python
# In .state/: what an unfinished matrix has measured, and what that holds for.
FOLDER, RUNS_FOLDER, KEY = "matrix", "runs", "key"


class Measuring(Protocol):
    """Where Pythons are measured; `Rooms` really does it."""

    def furnish(self) -> None: ...
    def prepare(self, python: Python) -> None: ...
    def measure(self, python: Python, output: Path) -> None: ...


def main(
    named: Annotated[
        str,
        typer.Option("--pythons", help="Versions, commands or paths, separated by commas.", show_default="all here"),
    ] = "",
    rounds: Annotated[int, typer.Option(help="Runs under each Python, in turns, a minute each.")] = ROUNDS,
    redraw: Annotated[bool, typer.Option("--redraw", help="Draw and render from the record alone.")] = False,
    output: Annotated[Path, typer.Option(help="Where the artifacts go.", show_default="beside matrix.py")] = HERE,
) -> int:
    """Run the lab's quick protocol under each Python found here and leave matrix.json, matrix.png and matrix.md."""
    if rounds < 1:
        raise LabError("--rounds takes a whole number of at least 1")
    with store.locked(output):
        if redraw:
            publish(output, codec.read(output / RECORD, Matrix, codec.MEASURE_AGAIN))
            print(f"Drawn again from {RECORD}: {FIGURE} and {PAGE}")
            return 0
        store.check_writable(output)
        found, left_out = pythons.find(os.environ.get("PATH", ""), Path.home())
        chosen = pythons.named([name.strip() for name in named.split(",")], found) if named else found
        record = measure(output, chosen, rounds, [] if named else left_out)
        publish(output, record)
        shutil.rmtree(store.state_folder(output) / FOLDER / RUNS_FOLDER, ignore_errors=True)
    for line in summary(record):
        print(line)
    return 0


def measure(
    output: Path,
    chosen: Sequence[Python],
    rounds: int,
    left_out: Sequence[LeftOut] = (),
    measuring: Callable[[Path], Measuring] = Rooms,
) -> Matrix:
    """So many runs under each Python, in turns; a Python under which it cannot be done is left out, and named."""
    _enough(chosen, left_out)
    hardware, library, git = provenance.observe()
    folder = _folder(output)
    rooms, out, remaining = measuring(folder), list(left_out), list(chosen)
    rooms.furnish()

    def attempt(python: Python, act: Callable[[], None]) -> None:
        try:
            act()
        except UnusableError as why:
            remaining.remove(python)
            out.append(LeftOut(python=f"CPython {python.version}", why=str(why)))
            print(f"Python {python.version} is left out: {why}", flush=True)

    for python in chosen:
        attempt(python, partial(rooms.prepare, python))
    _enough(remaining, out)
    rng = np.random.default_rng(SEED)
    for number in range(1, rounds + 1):
        for i in rng.permutation(len(chosen)):
            python = chosen[i]
            place = _place(folder, number, python)
            if python in remaining and not (place / DONE).exists():
                print(f"Round {number} of {rounds}: Python {python.version}", flush=True)
                attempt(python, partial(rooms.measure, python, place))
    _enough(remaining, out)
    measured = {p.version: runs.gather([_place(folder, k, p) for k in range(1, rounds + 1)]) for p in remaining}
    config = {"rounds": rounds, "pythons": list(measured)}
    manifest = provenance.manifest("03-matmul-perf/matrix", SEED, config, hardware, library, git)
    return Matrix(
        schema="matrix/1",
        short_name=hardware.short_name,
        rounds=rounds,
        left_out=out,
        comparison=pooling.compare_pythons(measured, git, runs.repeat_in(HERE, manifest)),
        manifest=manifest,
    )


def _enough(remaining: Sequence[Python], out: Sequence[LeftOut]) -> None:
    """A LabError, in a line that says what to do, if there are not two Pythons to compare."""
    if len(remaining) < FEWEST_PYTHONS:
        there = f"only Python {remaining[0].version}" if remaining else "no Python"
        mend = f"mend {', '.join(left.python for left in out)}, or " if out else ""
        raise LabError(
            f"{there} can be measured here, and it takes two to compare: {mend}install another "
            "(3.11 or newer; PATH, pyenv and uv are looked at), or name it with --pythons"
        )


def _place(folder: Path, number: int, python: Python) -> Path:
    return folder / RUNS_FOLDER / f"{number}-{python.version}"


def _folder(output: Path) -> Path:
    """Where environments and runs are kept; the runs only while the same code measures on the same machine."""
    folder = store.state_folder(output) / FOLDER
    facts = {"hardware": repr(provenance.observe()[:2]), "requirements": store.digest(REQUIREMENTS.read_bytes())}
    key = provenance.fingerprint(MEASURING_CODE, facts)
    if not (folder / KEY).exists() or (folder / KEY).read_text() != key:
        for held in (RUNS_FOLDER, "lab"):
            shutil.rmtree(folder / held, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        store.write_atomically(folder / KEY, key.encode())
    return folder


def publish(output: Path, record: Matrix) -> None:
    """Make and put in place the record, the figure and the page."""
    compared = record.comparison
    made = {
        RECORD: codec.encode(record),
        FIGURE: figure.draw(compared, f"What Pythons make of the loop, on {record.short_name}"),
        PAGE: render(record).encode(),
    }
    store.put(output, made)


def render(record: Matrix) -> str:
    """The page, from the record alone."""
    compared = record.comparison
    return pages.render(
        TEMPLATE,
        r=record,
        c=compared,
        m=record.manifest,
        words=words,
        loops=[row for row in compared.rows if row.method in LOOPS and any(c.repetitions for c in row.cells)],
        product=(product := words.telling_row(compared, "matmul")),
        apart=differing(product),
        differences=page.differences(compared),
        measured=page.measured(compared),
    )


def summary(record: Matrix) -> list[str]:
    """What the Pythons make of the loop, a line each; and a warning where compiled code differs too."""
    compared = record.comparison
    loop, product = words.telling_row(compared, "naive"), words.telling_row(compared, "matmul")
    lines = [f"The loop at N={loop.n}, over its speed under {compared.runs[0].name}:"]
    for run, held in zip(compared.runs, loop.gflops, strict=True):
        if held:
            lines.append(f"  {run.name}: {words.said(held)}")
    if differing(product):
        lines.append(f"np.matmul at N={product.n} differs too, and should not: the machine moved meanwhile.")
    return lines


def differing(row: ComparedRow) -> bool:
    """Whether any Python's share of the roof is told apart from the first's."""
    return any(held is not None and held.verdict in ("higher", "lower") for held in row.share)


if __name__ == "__main__":
    console.run("matrix.py", main)
