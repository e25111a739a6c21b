"""What stays the same when the lab is run again? Quick runs one after the other, one beside a busy process."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]
if __name__ == "__main__":
    from labkit.threads import require_one_thread

    require_one_thread(say=sys.stdout)

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Annotated

import typer
from artifacts import RESULTS
from experiment import MEASURING_CODE
from repeating import BUSY, METHODS, SIZES, reduce_repeat

from labkit import codec, console, cpus, pages, provenance, store
from labkit.errors import LabError
from labkit.records import Repeat, Results

RECORD, FIGURE, PAGE = "repeat.json", "repeat.png", "repeat.md"
TEMPLATE = HERE / "repeat.md.j2"
RUNS, FEWEST_RUNS = 5, 2
SEED = 42
# In .state/: the runs of an unfinished study, and what they hold for.
RUNS_FOLDER, KEY = "repeat", "key"


def main(
    runs: Annotated[int, typer.Option(help="Quick runs one after the other, half a minute each.")] = RUNS,
    redraw: Annotated[bool, typer.Option("--redraw", help="Draw and render from the record alone.")] = False,
    output: Annotated[Path, typer.Option(help="Where the artifacts go.", show_default="beside repeat.py")] = HERE,
) -> int:
    """Run the lab's quick protocol again and again and leave repeat.json, repeat.png and repeat.md."""
    if runs < FEWEST_RUNS:
        raise LabError(f"--runs takes at least {FEWEST_RUNS}: one run repeats nothing")
    with store.locked(output):
        if redraw:
            publish(output, codec.read(output / RECORD, Repeat, codec.MEASURE_AGAIN))
            print(f"Drawn again from {RECORD}: {FIGURE} and {PAGE}")
            return 0
        store.check_writable(output)
        record = measure(output, runs)
        publish(output, record)
        shutil.rmtree(store.state_folder(output) / RUNS_FOLDER, ignore_errors=True)
    for line in summary(record):
        print(line)
    return 0


def measure(output: Path, runs: int) -> Repeat:
    """The study: so many runs alone and, where there is a second CPU, one beside a busy process."""
    hardware, library, git = provenance.observe()
    folder = _folder(output)
    others = sorted(cpus.allowed_cpus())[1:]
    names = [str(k) for k in range(1, runs + 1)] + ([BUSY] if others else [])
    results: dict[str, Results] = {}
    for name in names:
        if not (folder / name / RESULTS).exists():
            print(f"Run {len(results) + 1} of {len(names)}{', beside a busy process' * (name == BUSY)}", flush=True)
            with busy(others[-1]) if name == BUSY else contextlib.nullcontext():
                _run(folder / name)
        results[name] = codec.read(folder / name / RESULTS, Results)
    config = {"runs": runs, "methods": list(METHODS), "sizes": list(SIZES)}
    manifest = provenance.manifest("03-matmul-perf/repeat", SEED, config, hardware, library, git)
    return reduce_repeat(results, hardware.short_name, manifest)


def _folder(output: Path) -> Path:
    """Where the runs are kept until the study is whole; emptied if other code or another machine made them."""
    folder = store.state_folder(output) / RUNS_FOLDER
    key = provenance.fingerprint(MEASURING_CODE, {"hardware": repr(provenance.observe()[:2])})
    if not (folder / KEY).exists() or (folder / KEY).read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        store.write_atomically(folder / KEY, key.encode())
    return folder


def _run(folder: Path) -> None:
    """One quick run into a folder of its own, put in place when it is whole."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(HERE / "bench.py"), "--quick", "--output", str(folder)],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode == console.INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        (folder / RESULTS).unlink(missing_ok=True)
        raise LabError("a run of bench.py --quick failed, as said above: mend that and run this again")


@contextlib.contextmanager
def busy(cpu: int) -> Iterator[None]:
    """A process of ours that keeps this CPU busy meanwhile, where CPUs can be chosen."""
    choose = getattr(os, "sched_setaffinity", None)
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        if choose:
            with contextlib.suppress(OSError):
                choose(process.pid, {cpu})
        yield
    finally:
        process.kill()
        process.wait()


def publish(output: Path, record: Repeat) -> None:
    """Make and put in place the record, the figure and the page."""
    import repeat_figure

    made = {
        RECORD: codec.encode(record),
        FIGURE: repeat_figure.draw(record),
        PAGE: pages.render(TEMPLATE, r=record, m=record.manifest, busy=_busy_index(record)).encode(),
    }
    store.put(output, made)


def _busy_index(record: Repeat) -> int | None:
    return next((i for i, run in enumerate(record.runs) if run.beside != "nothing"), None)


def summary(record: Repeat) -> list[str]:
    """What moved and what stayed, in a line or two."""
    gflops, share = max(s.gflops for s in record.spreads), max(s.share for s in record.spreads)
    lines = [
        f"Over {sum(run.beside == 'nothing' for run in record.runs)} runs GFLOPS moved by up to "
        f"{pages.percent(gflops)}, shares of the roof by up to {pages.percent(share)} "
        f"(asked: {pages.percent(record.share_spread_limit, 1)})."
    ]
    shifts = [s.share_busy_shift for s in record.spreads if s.share_busy_shift is not None]
    if shifts:
        lines.append(
            f"Beside a busy process shares moved by up to {pages.percent(max(map(abs, shifts)))} "
            f"(asked: {pages.percent(record.share_busy_limit, 1)})"
            + (", and the run says that it is noisy." if record.runs[-1].noisy else ".")
        )
    return lines


if __name__ == "__main__":
    console.run("repeat.py", main)
