"""Is this NumPy healthy? Look, measure, say what is wrong and which command fixes it.

It needs the standard library and NumPy only.
"""

from labkit.doctor.checks import preflight
from labkit.doctor.facts import look
from labkit.machine.blas import Blas


def preflight_warnings(blas: Blas) -> list[str]:
    """One line for everything that is wrong with machine or NumPy before a run; nothing is timed."""
    return [f"{finding.seen}; {finding.mend}" for finding in preflight(look(blas))]
