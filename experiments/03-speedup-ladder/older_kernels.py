"""np.matmul with OpenBLAS held to older kernels: a second witness for what the width of SIMD is worth."""

import os
from collections.abc import Mapping
from statistics import median

from labkit.doctor import examination, processes, vitals
from labkit.doctor.health import ALL_THREAD_VARIABLES
from labkit.doctor.kernels import CORE_TYPE, KINDS, best_rank
from labkit.doctor.processes import Run
from labkit.errors import LabError
from labkit.records import OlderKernel

ROUNDS = 5
SECONDS = 0.3  # for a process to time products in: some 15 of them


def witnesses(run: Run = processes.run, environment: Mapping[str, str] = os.environ) -> list[OlderKernel]:
    """A record for each class of kernels that this CPU can run, slowest first; none where the BLAS is no OpenBLAS.

    Its factor is to the kernel that OpenBLAS takes by itself, from processes that take turns.
    """
    own = {**environment, **dict.fromkeys(ALL_THREAD_VARIABLES, "1")}
    own.pop(CORE_TYPE, None)
    patient = examination.ask(run, own)
    best = best_rank(vitals.look(patient.blas, own).flags)
    if patient.blas.library != "openblas" or not patient.blas.kernel or best is None:
        return []
    kinds = KINDS[: best + 1]
    rates: dict[str, list[float]] = {kind.core_type: [] for kind in kinds}
    names, usual = {}, []
    for _ in range(ROUNDS):
        usual.append(examination.ask(run, own, SECONDS).gflops)
        for kind in kinds:
            try:
                seen = examination.ask(run, {**own, CORE_TYPE: kind.core_type}, SECONDS)
            except LabError:  # built without it, or it does not run here after all
                continue
            names[kind.core_type] = seen.blas.kernel or kind.core_type
            rates[kind.core_type].append(seen.gflops)
    return [
        OlderKernel(
            core_type=core, kernel=names[core], gflops=median(seen),
            factors=[mine / its for mine, its in zip(seen, usual, strict=True)],
        )
        for core, seen in rates.items()
        if len(seen) == ROUNDS
    ]  # fmt: skip
