"""Is this NumPy healthy? The checks, from what is known and measured to what is wrong (pure)."""

from __future__ import annotations

from dataclasses import replace

from labkit.doctor import of_machine, of_numpy, of_threads
from labkit.doctor.facts import Facts, Measured
from labkit.doctor.result import Result, findings

CHECKS = (
    *(of_numpy.imported, of_numpy.product, of_numpy.library, of_numpy.others, of_numpy.kernel, of_numpy.variables),
    *(of_numpy.speed, of_numpy.double, of_numpy.features, of_threads.threads),
    *(of_machine.quota, of_machine.processor, of_machine.governor, of_machine.power, of_machine.clock),
    *(of_machine.steal, of_machine.load, of_machine.core),
)
PREFLIGHT = ("kernel", "features", "quota", "governor", "power")
NUMPY_BROKEN = (of_numpy.imported, *CHECKS[CHECKS.index(of_machine.quota) :])  # what can be said without it


def results(facts: Facts, measured: Measured) -> list[Result]:
    """Every check's result."""
    checks = NUMPY_BROKEN if facts.broken else CHECKS
    return [replace(check(facts, measured), check=check.__name__) for check in checks]


def preflight(facts: Facts) -> list[Result]:
    """What is wrong before anything is measured, and would be in every number of a run. Nothing is timed."""
    return [found for found in findings(results(facts, Measured())) if found.check in PREFLIGHT]
