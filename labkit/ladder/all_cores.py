"""np.matmul on all usable cores beside the FMA loop on all of them, and beside itself on one."""

import time
from collections.abc import Sequence

from labkit.ladder.apart import Apart, Spec
from labkit.measure.clock import SystemClock
from labkit.measure.sampling import calibrate, rounded
from labkit.records.model import AllCores
from labkit.roofline.cores import DIGITS, Loops

ROUNDS = 15
SAMPLE_SECONDS = 0.05
# After a product a BLAS's threads look for more work for a while: OpenBLAS's for some 30 ms.
QUIET_SECONDS = 0.1


def start(cpus: Sequence[int]) -> list[Apart]:
    """np.matmul on as many threads and on one, while this process may use all; nothing where there is one core."""
    if len(cpus) < 2:
        return []
    spec = Spec("matmul", "np.matmul", "numpy", checked=False)
    return [Apart(spec, threads) for threads in (len(cpus), 1)]


def measure(both: Sequence[Apart], cpus: Sequence[int], n: int) -> AllCores | None:
    """Rounds of all three, one after the other. None where there is one core, or the BLAS takes another number."""
    for apart in both:
        apart.wait()
    if not both or both[0].facts.get("threads") not in (None, len(cpus)):
        return None
    clock, columns = SystemClock(), [list[float]() for _ in range(3)]
    workloads = [apart.workload(n) for apart in both]
    for workload in workloads:
        calibrate(workload, clock, SAMPLE_SECONDS)
    with Loops(cpus) as loops:
        for _ in range(ROUNDS):
            columns[0].append(loops.rate())
            for workload, column in zip(workloads, columns[1:], strict=True):
                wall, _ = workload.time(workload.calls, clock)
                column.append(rounded(workload.calls * workload.flops / wall / 1e9, DIGITS))
                time.sleep(QUIET_SECONDS)
    return AllCores(cores=len(cpus), n=n, peak_gflops=columns[0], gflops=columns[1], one_gflops=columns[2])
