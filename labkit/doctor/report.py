"""The doctor's report, as text and as JSON."""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from labkit.doctor import facts, measure, probe
from labkit.doctor.checks import Result, findings, results
from labkit.doctor.facts import Facts, Measured
from labkit.doctor.probe import Probe
from labkit.errors import FINDING
from labkit.machine import cpus


def run_command(arguments: argparse.Namespace) -> int:
    """`labkit doctor`: exit status 0 if healthy, 1 with findings. A UserError if NumPy cannot be examined."""
    if sys.stderr.isatty():
        print("Timing np.matmul and the peak of one core in turns: about 5 s", file=sys.stderr, flush=True)
    probed, known, measured = examine()
    found = results(known, measured)
    print(as_record(probed, known, measured, found) if arguments.json else as_text(probed, found))
    return FINDING if findings(found) else 0


def examine() -> tuple[Probe, Facts, Measured]:
    """Look at the NumPy of this Python and at its machine, then measure."""
    probed = probe.ask(os.environ)
    known = facts.look(probed.blas)
    cpus.stay_on_fastest()  # after the look, which must see the CPUs that the user has
    return probed, known, measure.measure(known)


def as_record(probed: Probe, known: Facts, measured: Measured, found: Sequence[Result]) -> str:
    """{"healthy", "findings", "checks", "facts"} as JSON."""
    record = {
        "healthy": not findings(found),
        "findings": [
            {"level": r.state, "check": r.check, "seen": r.seen, "cost": r.cost, "mend": r.mend}
            for r in findings(found)
        ],
        "checks": [{"check": result.check, "state": result.state, "seen": result.seen} for result in found],
        "facts": {"python": probed.python, "numpy": probed.numpy, **asdict(known), **asdict(measured)},
    }
    return json.dumps(record, indent=2, default=sorted)  # sorted: the CPU's flags are a set


def as_text(probed: Probe, found: Sequence[Result]) -> str:
    """Healthy or not, each finding with its fix, and the checks that found nothing."""
    wrong = findings(found)
    lines = [f"Not healthy: {len(wrong)} finding{'s' if len(wrong) != 1 else ''}" if wrong else "Healthy"]
    lines += _wrapped("", f"NumPy {probed.numpy} on {probed.blas}, Python {probed.python}")
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
    return "\n".join(lines)


def _wrapped(head: str, words: str) -> list[str]:
    indent = " " * len(head)
    return textwrap.wrap(
        words, 80, initial_indent=head, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
