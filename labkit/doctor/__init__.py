"""Is this NumPy healthy? Look, measure, say what is wrong and which command fixes it.

It needs the standard library and NumPy only.
"""

from __future__ import annotations

from labkit.machine.blas import Blas


def preflight_warnings(blas: Blas) -> list[str]:
    """One line for everything that is wrong with machine or NumPy before a run; nothing is timed."""
    from labkit.doctor import checks, facts  # not in the examined Python, which imports this package too

    return [f"{finding.seen}; {finding.mend}" for finding in checks.preflight(facts.look(blas))]
