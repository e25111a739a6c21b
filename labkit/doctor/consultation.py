"""Is the NumPy in front of me healthy? Look, measure, say what is wrong and which command mends it."""

import json
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TextIO

from labkit import cpus
from labkit.doctor import examination, peak, processes, vitals
from labkit.doctor.examination import Patient
from labkit.doctor.health import verdicts
from labkit.doctor.symptoms import Facts, Finding, Fine, Measured, NotKnown, Verdict

HEALTHY, FINDINGS = 0, 1  # exit statuses
COLUMNS = 80
_STATES = {Fine: "fine", NotKnown: "not known"}


def examine(
    environment: Mapping[str, str] = os.environ,
    run: processes.Run = processes.run,
    probes: Sequence[Sequence[str]] | None = None,
) -> tuple[Patient, Facts, Measured]:
    """Look at the NumPy of this Python and its machine, and measure. A LabError if that NumPy cannot be looked at."""
    patient = examination.ask(run, environment)
    facts = vitals.look(patient.blas, environment)
    cpus.stay_on_fastest()  # after the look, which is to see the CPUs that the user has
    return patient, facts, examination.measure(facts, environment, run, peak.commands() if probes is None else probes)


def main(as_json: bool, out: TextIO = sys.stdout, progress: TextIO = sys.stderr) -> int:
    """Print what was found; the exit status."""
    if progress.isatty():
        print("Timing np.matmul and the peak of a core, in turns: some 5 s", file=progress, flush=True)
    patient, facts, measured = examine()
    said = verdicts(facts, measured)
    print(as_record(patient, facts, measured, said) if as_json else as_text(patient, said), file=out)
    return FINDINGS if findings_of(said) else HEALTHY


def findings_of(said: Sequence[Verdict]) -> list[Finding]:
    """Those of the verdicts that are findings."""
    return [verdict for verdict in said if isinstance(verdict, Finding)]


# --- for machines -----------------------------------------------------------------------------------


def as_record(patient: Patient, facts: Facts, measured: Measured, said: Sequence[Verdict]) -> str:
    """{"healthy", "findings", "checks", "facts"} as JSON."""
    findings = findings_of(said)
    seen = {"python": patient.python, "numpy": patient.numpy, **asdict(facts), **asdict(measured)}
    record = {
        "healthy": not findings,
        "findings": [asdict(finding) for finding in findings],
        "checks": [{"check": verdict.check, "state": state(verdict), "seen": verdict.seen} for verdict in said],
        "facts": seen | {"environment": dict(facts.environment), "flags": sorted(facts.flags)},
    }
    return json.dumps(record, indent=2)


def state(verdict: Verdict) -> str:
    """ "error" or "warning" of a finding, "fine" or "not known" of the rest."""
    return verdict.level if isinstance(verdict, Finding) else _STATES[type(verdict)]


# --- for people -------------------------------------------------------------------------------------


def as_text(patient: Patient, said: Sequence[Verdict]) -> str:
    """The verdict, each finding with what mends it, and the checks that found nothing."""
    findings = findings_of(said)
    count = f"{len(findings)} finding" + ("s" if len(findings) != 1 else "")
    blas = patient.blas
    named = " ".join(filter(None, (blas.library or "no BLAS", blas.version))) + (
        f" ({blas.kernel})" * bool(blas.kernel)
    )
    head = f"Not healthy: {count}" if findings else "Healthy"
    lines = [head, *_wrapped("", f"NumPy {patient.numpy} on {named}, Python {patient.python}")]
    for finding in findings:
        lines += ["", f"{finding.level}: {finding.check}"]
        lines += _wrapped("  seen  ", finding.seen)
        lines += _wrapped("  cost  ", finding.cost or "not measured")
        lines += ["  mend  " + finding.mend]  # whole, so that it can be copied
    for kind in (Fine, NotKnown):
        rest = [verdict for verdict in said if isinstance(verdict, kind)]
        lines += ["", _STATES[kind].capitalize()] if rest else []
        for verdict in rest:
            lines += _wrapped(f"  {verdict.check:<10}", verdict.seen)
    return "\n".join(lines)


def _wrapped(head: str, words: str) -> list[str]:
    return textwrap.wrap(
        words,
        COLUMNS,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
