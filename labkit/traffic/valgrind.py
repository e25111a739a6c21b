"""Compiled code executed under Valgrind: the lines that cross the first level and a last one, as Callgrind counts them.

Callgrind knows a first level and a last one: each level beyond the first is the last one of a process of its own. It
counts what is fetched, and what the last one writes back, and prefetches nothing.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.errors import UserError
from labkit.machine.system import printed, text
from labkit.records.model import CacheShape, KernelTraffic
from labkit.traffic import called

SWEEPS = 4  # times the last level: the buffer that is read before a cold call
POLL_SECONDS = 1.0


def start(program: Sequence[str], first: CacheShape, last: CacheShape, folder: Path) -> subprocess.Popen[bytes]:
    """Python under Callgrind, which counts from one `os.getppid` to the next, after `called.begin_counting`.

    Its output and the counts go into `folder`, which is empty. A UserError where there is no Valgrind.
    """
    if not shutil.which("valgrind"):
        raise UserError("Valgrind is not installed: on Linux every distribution has a package of that name")
    one, two = (f"{cache.bytes},{cache.ways},{cache.line_bytes}" for cache in (first, last))
    cache = ("--cache-sim=yes", "--simulate-wb=yes", f"--I1={one}", f"--D1={one}", f"--LL={two}")
    when = ("--instr-atstart=no", f"--dump-before={called.MARK}", f"--callgrind-out-file={folder}/counts")
    command = ["valgrind", "--tool=callgrind", *cache, *when, sys.executable, "-P", *program]
    with (folder / "said").open("wb") as said, (folder / "errors").open("wb") as errors:
        # In a session of its own: the terminal's Ctrl-C is this process's to take.
        return subprocess.Popen(command, stdout=said, stderr=errors, start_new_session=True)


def events(folder: Path) -> list[dict[str, int]]:
    """What Callgrind counted up to each mark so far, from the one before it, by its own names: Ir are instructions."""
    found: list[dict[str, int]] = []
    while part := text(folder / f"counts.{len(found) + 1}"):
        names, totals = (re.search(rf"^{word}: (.*)$", part, re.MULTILINE) for word in ("events", "totals"))
        if not names or not totals:  # it is being written
            break
        # Zeros at its end are left out.
        found.append(dict(zip(names[1].split(), map(int, totals[1].split()), strict=False)))
    return found


def counts(folder: Path) -> list[tuple[int, int, int]]:
    """From each mark so far to the next: lines fetched into the first level, into the last, written back from this."""
    found: list[tuple[int, int, int]] = []
    for counted in events(folder):
        first, last, back = (sum(counted.get(kind + way, 0) for way in "rw") for kind in ("D1m", "DLm", "DLdm"))
        found.append((first, last, back))
    return found


def measure(
    sizes: Sequence[int], levels: Sequence[CacheShape], seconds: float, progress: Callable[[float, str], None]
) -> tuple[list[KernelTraffic], str]:
    """(compiled products as far as `seconds` allow, what to say of them); `progress` hears the portion and the step."""
    program = ["-m", "labkit.traffic.called", str(SWEEPS * levels[-1].bytes), *map(str, sizes)]
    cells, marks = list(called.order(sizes)), len(called.STATES) + 1
    parts = [(kernel, n) for kernel, n, rows in cells for _ in rows]
    runs: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, until = Path(name), time.monotonic() + seconds
        try:
            for last in levels[1:]:
                (folder / f"L{last.level}").mkdir()
                runs[f"L{last.level}"] = start(program, levels[0], last, folder / f"L{last.level}")
            while (late := any(run.poll() is None for run in runs.values())) and time.monotonic() < until:
                done = min(len(list((folder / level).glob("counts.*"))) for level in runs)
                kernel, n = parts[min(done // marks, len(parts) - 1)]
                progress(done / (marks * len(parts)), f"{kernel} at N = {n} under Valgrind")
                time.sleep(POLL_SECONDS)
        except UserError as error:
            return [], str(error)
        finally:
            for run in runs.values():
                run.kill()  # if it has not ended
                run.wait()
        status = next((run.returncode for run in runs.values() if run.returncode), 0)
        counted = [counts(folder / level) for level in runs]
        facts = json.loads(text(folder / next(iter(runs)) / "said") or "{}")
    found, at, names, line = [], 0, [f"L{cache.level}" for cache in levels], levels[0].line_bytes
    for kernel, n, rows in cells:
        if min(map(len, counted)) < at + marks * len(rows):
            break
        for place, state in enumerate(called.STATES, 1):  # what comes before a cold call is the sweep
            places = [at + marks * part + place for part in range(len(rows))]
            (into_first, *_), into_last, written = (
                [line * called.whole(n, rows, [run[i][kind] for i in places]) for run in counted] for kind in range(3)
            )
            found.append(
                KernelTraffic(
                    kernel=kernel,
                    n=n,
                    instrument="valgrind",
                    state=state,
                    flops=2 * n**3,
                    bytes=dict(zip(names, [into_first, *into_last], strict=True)),
                    write_back_bytes=dict(zip(names[1:], written, strict=True)),
                    portion=sum(rows) / n,
                    blas_kernel=facts["kernel"] if kernel == "matmul" else None,
                )
            )
        at += marks * len(rows)
    why = "the time was up" if late else f"its program ended with status {status}"
    if not found:
        return [], f"nothing was counted under Valgrind: {why}"
    said = (
        f"lines that compiled code fetches, by Callgrind ({printed('valgrind', '--version')}), which knows no AVX-512: "
    )
    said += f"np.matmul ran the kernel {facts['kernel']}, the generated product a tile of {facts['tile']}"
    return found, said + ("" if len(found) == len(cells) * len(called.STATES) else f"; not all, as {why}")
