"""What this machine is: CPU, caches, instruction sets, clock governor, power, memory, BLAS.

What a machine does not tell is None, with a reason in `reasons`, never a guess. The root of the file
system can be passed in, so that tests read recorded machines.
"""

import os
import re
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path

import psutil

from labkit.caches import caches, caches_and_why
from labkit.clocks import governor, nominal_ghz
from labkit.cpus import allowed_cpus, cpu_name, fastest_cpus, several_kinds, stay_on_fastest, virtualized
from labkit.limits import cpu_quota, memory_available, memory_limit
from labkit.power import power
from labkit.records import Blas, Cores, Hardware, MachineIdentity
from labkit.system import ROOT, Sysctl

__all__ = [
    "allowed_cpus",
    "blas",
    "caches",
    "cpu_name",
    "cpu_quota",
    "fastest_cpus",
    "governor",
    "hardware",
    "identity",
    "memory_available",
    "memory_limit",
    "nominal_ghz",
    "power",
    "several_kinds",
    "short_name",
    "stay_on_fastest",
    "virtualized",
]

# The instruction sets that bear on a matrix product, out of all that a CPU lists.
RELEVANT_ISA = (
    "sse2",
    "sse4_2",
    "avx",
    "f16c",
    "fma",
    "avx2",
    "avx512f",
    "avx512bw",
    "avx512_bf16",
    "neon",
    "asimd",
    "sve",
    "sve2",
)


def short_name(cpu: str | None) -> str:
    """The name as people say it: `Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz` is `i5-8250U`."""
    if not cpu:
        return "this machine"
    name = re.sub(r"\((R|TM|C)\)(?=-)", "", cpu, flags=re.IGNORECASE)
    name = re.sub(r"\((R|TM|C)\)|®|™", " ", name, flags=re.IGNORECASE)
    name = re.sub(r"@.*$|\b(with|w/) .*$|\b\d+(st|nd|rd|th) Gen\b|\b(\d+|Six|Eight|Quad|Dual)-Cores?\b", " ", name)
    name = re.sub(r"\b(CPU|Processor)\b", " ", name)
    core = re.search(r"\b[im][3579]-\w+", name)
    if core:
        return core.group()
    name = re.sub(r"^\s*(Intel|AMD)\s+(?=(Core|Xeon|Pentium|Celeron|Ryzen)\s+\S)", "", " ".join(name.split()))
    return " ".join(name.split()) or "this machine"


@lru_cache(maxsize=1)
def _archspec() -> tuple[str | None, frozenset[str]]:
    """(microarchitecture, features) as archspec's table names them."""
    import archspec.cpu

    host = archspec.cpu.host()
    return host.name, frozenset(host.features)


def blas() -> Blas:
    """The BLAS that NumPy has loaded, its kernel and its thread count, as threadpoolctl reads them."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.matmul(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not pools:
        built = np.show_config(mode="dicts")
        entry = (built or {}).get("Build Dependencies", {}).get("blas", {}) if isinstance(built, dict) else {}
        return Blas(
            library=str(entry.get("name") or "unknown"),
            version=entry.get("version") or None,
            kernel=None,
            threads=None,
        )
    pool = pools[0]
    return Blas(
        library=pool["internal_api"],
        version=pool.get("version"),
        kernel=pool.get("architecture"),
        threads=pool["num_threads"],
    )


def hardware(root: Path = ROOT, allowed: AbstractSet[int] | None = None, sysctl: Sysctl | None = None) -> Hardware:
    """The machine, as the manifest says it, of the CPUs allowed: by default those that this process may run on."""
    cpus = allowed or allowed_cpus(root)
    cpu, (architecture, features) = cpu_name(root, sysctl), _archspec()
    reasons = {}
    clock_governor, reasons["governor"] = governor(root, cpus, sysctl)
    supply, reasons["power"] = power(root)
    virtual, reasons["virtualized"] = virtualized(root)
    levels, reasons["caches"] = caches_and_why(root, cpus, sysctl)
    physical = psutil.cpu_count(logical=False)
    reasons["microarchitecture"] = None if architecture else "archspec does not know it"
    reasons["cores.physical"] = None if physical else "the system does not tell cores from threads"
    reasons["cpu"] = None if cpu else "the system does not name it"
    return Hardware(
        cpu=cpu,
        short_name=short_name(cpu),
        microarchitecture=architecture,
        isa=[name for name in RELEVANT_ISA if name in features],
        cores=Cores(logical=os.cpu_count() or 1, physical=physical, usable=len(cpus), quota=cpu_quota(root)),
        caches=levels,
        memory_bytes=memory_limit(root),
        governor=clock_governor,
        power=supply,
        virtualized=virtual,
        reasons={name: why for name, why in reasons.items() if why},
    )


def identity(machine: Hardware, library: Blas, numpy: str | None = None) -> MachineIdentity:
    """What a roof record holds for: stable facts alone. A drifting clock is not another machine.

    `numpy` is the version that a record was made with; without it, the one that is loaded here.
    """
    import numpy as np

    return MachineIdentity(
        cpu=machine.cpu,
        microarchitecture=machine.microarchitecture,
        isa=machine.isa,
        caches=machine.caches,
        numpy=numpy or np.__version__,
        blas=f"{library.library} {library.version} {library.kernel}",
    )
