"""np.matmul with OpenBLAS held to older kernels: a second measurement of what the width of SIMD is worth."""

import os

from labkit.doctor import probe
from labkit.errors import UserError
from labkit.machine.blas import CORE_TYPE, KERNEL_CLASSES, best_class
from labkit.machine.cpus import cpu_flags
from labkit.machine.threads import ALL_THREAD_VARIABLES
from labkit.records.model import OlderKernel

ROUNDS = 5
SECONDS = 0.3  # for a process to time products in: some 15 of them


def measure() -> list[OlderKernel]:
    """A record for each class of kernels that this CPU can run, slowest first; none where the BLAS is no OpenBLAS.

    Each rate has beside it that of the kernel that OpenBLAS takes by itself, from processes that take turns.
    """
    own = {**os.environ, **dict.fromkeys(ALL_THREAD_VARIABLES, "1")}
    own.pop(CORE_TYPE, None)
    blas, best = probe.ask(own).blas, best_class(cpu_flags())
    if blas.library != "openblas" or not blas.kernel or best is None:
        return []
    found: dict[str, OlderKernel] = {}
    for _ in range(ROUNDS):
        own_gflops = probe.ask(own, SECONDS).gflops
        for core in (kind.core_type for kind in KERNEL_CLASSES[: KERNEL_CLASSES.index(best) + 1]):
            try:
                seen = probe.ask({**own, CORE_TYPE: core}, SECONDS)
            except UserError:  # built without it, or it does not run here after all
                continue
            name = seen.blas.kernel or core
            record = found.setdefault(core, OlderKernel(core_type=core, kernel=name, gflops=[], own_gflops=[]))
            record.gflops.append(seen.gflops)
            record.own_gflops.append(own_gflops)
    return [record for record in found.values() if len(record.gflops) == ROUNDS]
