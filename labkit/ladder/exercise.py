"""Five files to work on: one change each, a factor that is expected first, and a check."""

import contextlib
import sys
from dataclasses import replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from labkit.errors import UserError
from labkit.ladder import own
from labkit.ladder.apart import Apart
from labkit.measure.clock import SystemClock
from labkit.measure.sampling import calibrate
from labkit.show import numbers

CHECKED_N = 256  # a product that is soon timed, and larger than the first cache
FILES = resources.files("labkit.ladder") / "steps"


def begin(folder: Path) -> None:
    """Write the files into a folder. A UserError if one of them is there: work is not written over."""
    steps = sorted((step for step in FILES.iterdir() if step.name.endswith(".py")), key=lambda step: step.name)
    there = next((step.name for step in steps if (folder / step.name).exists()), None)
    if there:
        raise UserError(f"{there} is there already: name another folder with --start, or move it away")
    if not find_spec("numba"):
        raise ModuleNotFoundError(name="numba")  # now, rather than when a file is run
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for step in steps:
            (folder / step.name).write_text(step.read_text("utf-8"), "utf-8")
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}; name another folder with --start") from None
    print(f"Written: {numbers.listed([step.name for step in steps])}.")
    print(f"Read the first one, write down what you expect, change it, and run it: python {folder / steps[0].name}")
    print(f"When all are done, see expected beside measured factors: labkit ladder --mine {folder}/*.py")


def check(path: str) -> None:
    """What `python FILE` does in such a file: is it a product still, and how fast? Ends with an exit status."""
    from labkit.cli import guarded

    sys.exit(guarded(Path(path).name, lambda: _check(path)))


def _check(path: str) -> int:
    (now,) = own.specs([path])
    given = replace(now, name="as given", place=str(FILES / Path(path).name))
    with contextlib.ExitStack() as ends:
        both = own.accepted([now, given], ends)
        expected = both[0].rung.expected
        if expected is None:
            raise UserError("write down the factor that you expect first: EXPECTED = ...")
        after, before = (_gflops(apart) for apart in both)
    print(f"A product: {numbers.flops(before)} as it was given and {numbers.flops(after)} now, at N = {CHECKED_N}.")
    print(f"That is {numbers.times(after / before)}. Of the ladder you expect {numbers.times(expected)}.")
    return 0


def _gflops(apart: Apart) -> float:
    clock, workload = SystemClock(), apart.workload(CHECKED_N)
    calibrate(workload, clock)
    wall, _ = workload.time(workload.calls, clock)
    return workload.calls * workload.flops / wall / 1e9
