"""The doctor's report: as text, as JSON, and as a block for a bug report."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from labkit.doctor import facts, measure, probe
from labkit.doctor.checks import results
from labkit.doctor.facts import Facts, Measured
from labkit.doctor.reasons import DIED, NO_THREADS, why_died
from labkit.doctor.result import Result, findings
from labkit.errors import FINDING, UserError
from labkit.machine import cpus
from labkit.machine.blas import UNKNOWN, Blas
from labkit.machine.threads import ALL_THREAD_VARIABLES

WATCH_SECONDS = 86400.0  # until Ctrl-C
STEP_SECONDS = 1.0
# A file of the current folder with such a name takes the place of a module that NumPy imports.
IMPORT_SECONDS = 5.0
WAKE_SECONDS = 2.0  # for a product that takes a millisecond; with OMP_THREAD_LIMIT it never ends


def run_command(arguments: argparse.Namespace) -> int:
    """`labkit doctor`: exit status 0 if healthy, 1 with findings. A UserError if NumPy cannot be examined."""
    python = arguments.python or sys.executable
    if arguments.python and not shutil.which(arguments.python):
        raise UserError(f"there is no Python at {arguments.python}: name its executable")
    if arguments.watch:
        return watch(python)
    if sys.stderr.isatty():
        takes = "a minute" if arguments.thorough else "15 s"
        print(f"Checking products, timing them, watching the core: about {takes}", file=sys.stderr, flush=True)
    known, measured = examine(python, arguments.thorough, arguments.calls)
    found = results(known, measured)
    say = as_record if arguments.json else as_report if arguments.report else as_text
    print(say(known, measured, found))
    return FINDING if findings(found) else 0


def examine(python: str, thorough: bool = False, calls: bool = False) -> tuple[Facts, Measured]:
    """Look at the NumPy of a Python and at the machine, then measure."""
    ran = probe.examine(os.environ, [("look",)], python)
    told = ran.answers
    if "look" not in told:
        if not ran.died and "broken" not in told:
            raise UserError("the process that examines NumPy printed nonsense")
        died = {"kind": DIED, "text": f"the process that imports it {ran.died}"}
        seen = {
            "install": {"kind": "pip", "python": python},
            **told.get("host", {}),
            "broken": told.get("broken", died),
        }
        seen["broken"]["printed"] = why_died(ran.errors)
        return facts.look(Blas(UNKNOWN, None, None, None), seen=seen), Measured()
    known = facts.look(Blas(**told["look"].pop("blas")), seen={**told["look"], **told["host"]})
    known.hides, known.no_threads = _hiding(python), why_died(ran.errors) == NO_THREADS
    if known.threading == "openmp":
        ran = probe.examine(os.environ, [("wake",)], python, WAKE_SECONDS)
        known.blas.threads, known.hangs = ran.answers.get("wake", known.blas.threads), ran.died
    own = cpus.allowed_cpus()
    cpus.stay_on_fastest()  # after the look, which must see the CPUs that the user has
    return known, measure.measure(known, os.environ, python, thorough, calls, own)


def _hiding(python: str) -> str | None:
    """A file of the current folder that keeps NumPy from being imported there; None if it can be."""
    modules = {*getattr(sys, "stdlib_module_names", ("random", "statistics", "secrets", "json", "re")), "numpy"}
    here = [path for path in Path.cwd().iterdir() if path.suffix == ".py" or path.is_dir()]
    suspects = sorted(path.name for path in here if path.name.partition(".")[0] in modules)
    suspects = [name for name in suspects if name.endswith(".py") or name == "numpy"]
    if not suspects:
        return None
    command = [python, "-v", "-c", "import numpy, numpy.random, numpy.linalg; numpy.ndarray"]
    ran = probe.run(command, os.environ, IMPORT_SECONDS)
    if not ran.died:
        return None
    at = {name: ran.errors.rfind(os.path.join(os.getcwd(), name)) for name in suspects}  # the last one was running
    return max(suspects, key=lambda name: at[name])


def as_record(known: Facts, measured: Measured, found: Sequence[Result]) -> str:
    """{"healthy", "findings", "checks", "facts"} as JSON."""
    told = {**asdict(known), **asdict(measured)}
    del told["install"]  # it has a path
    told["environment"] = {name: without_folders(value) for name, value in known.environment.items()}
    if told["broken"]:
        told["broken"] = {"kind": told["broken"]["kind"]}
    record = {
        "healthy": not findings(found),
        "findings": [
            {"level": r.state, "check": r.check, "seen": r.seen, "cost": r.cost, "mend": r.mend}
            for r in findings(found)
        ],
        "checks": [{"check": result.check, "state": result.state, "seen": result.seen} for result in found],
        "facts": told,
    }
    return json.dumps(record, indent=2, default=sorted)  # sorted: the CPU's flags are a set


def _headline(known: Facts) -> str:
    numpy = f"NumPy {known.numpy} on {known.blas}" if known.numpy else "NumPy that cannot be imported"
    return f"{numpy}, Python {known.python or 'unknown'}"


def as_text(known: Facts, measured: Measured, found: Sequence[Result]) -> str:
    """Healthy or not, each finding with its fix, and the checks that found nothing."""
    wrong = findings(found)
    lines = [f"Not healthy: {len(wrong)} finding{'s' if len(wrong) != 1 else ''}" if wrong else "Healthy"]
    lines += _wrapped("", _headline(known))
    for finding in wrong:
        lines += ["", f"{finding.state}: {finding.check}"]
        lines += _wrapped("  seen  ", finding.seen)
        lines += _wrapped("  cost  ", finding.cost or "not measured")
        lines += ["  fix   " + finding.mend]  # not wrapped, so that it can be copied
    for state in ("fine", "unknown"):
        rest = [result for result in found if result.state == state]
        lines += ["", state.capitalize()] if rest else []
        for result in rest:
            lines += _wrapped(f"  {result.check:<10}", result.seen)
    if measured.calls:
        lines += ["", "Time for each flop, over that of the fp32 product"]
        lines += [f"  {name:<36}{factor:>8.3g}" for name, factor in measured.calls]
    return "\n".join(lines)


def as_report(known: Facts, measured: Measured, found: Sequence[Result]) -> str:
    """A block of Markdown for a bug report, without names of hosts, users or folders."""
    rows = {
        "NumPy": _headline(known),
        "installed by": known.install["kind"],
        "BLAS": f"{known.blas}, {known.threading or 'threading unknown'}, {known.blas.threads or 'unknown'} threads",
        "CPU": f"{cpus.cpu_name() or 'unknown'}, {known.cpus} of {known.online} CPUs",
        "variables": " ".join(f"{name}={value}" for name, value in known.environment.items()) or "none",
        "np.matmul": f"{measured.gflops:.3g} GFLOPS fp32, {measured.double_gflops:.3g} fp64, N = {measured.n}",
        "peak": f"{measured.peak_gflops:.3g} GFLOPS" if measured.peak_gflops else "unknown",
    }
    if not measured.gflops:
        rows["np.matmul"] = "not timed"
    lines = [*(f"{name + ':':<14}{value}" for name, value in rows.items()), ""]
    lines += [f"{r.state:<8} {r.check}: {r.seen}" + (f" [{r.cost}]" if r.cost else "") for r in found]
    return "```\n" + without_folders("\n".join(lines)) + "\n```"


def without_folders(said: str) -> str:
    """The text with each path reduced to its last name."""
    return re.sub(r"(?<![\w.)])(?:[A-Za-z]:)?(?:[/\\][\w.@+~ -]*?)+(?=[/\\][\w.@+~-]+)[/\\]", "", said)


def watch(python: str) -> int:
    """Show live who shares the core, one line a second, until Ctrl-C."""
    tasks = [("core", WATCH_SECONDS, STEP_SECONDS)]
    one = {**os.environ, **dict.fromkeys(ALL_THREAD_VARIABLES, "1")}
    process = subprocess.Popen(
        probe.command_of(tasks, python), env=one, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    print("   s  contended: now, so far      speed while contended", flush=True)
    try:
        for line in process.stdout or ():
            told = probe.Ran(line, "").answers.get("core")
            if told:
                print(_watched(told), flush=True)
    finally:
        process.kill()
        process.wait()
    raise UserError("the process that watches the core ended: `labkit doctor` says whether NumPy works")


def _watched(told: dict[str, object]) -> str:
    now, far = float(told["now"]), float(told["contended"])  # type: ignore[arg-type]
    speeds = ", ".join(f"{name} {speed:.2f}" for name, speed in dict(told["speeds"]).items())  # type: ignore[call-overload]
    bar = "#" * round(10 * now)
    return f"{float(told['seconds']):>4.0f}  {bar:<10} {now:>4.0%} {far:>4.0%}   {speeds or 'not known yet'}"  # type: ignore[arg-type]


def _wrapped(head: str, words: str) -> list[str]:
    indent = " " * len(head)
    return textwrap.wrap(
        words, 80, initial_indent=head, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
