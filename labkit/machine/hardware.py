"""What this machine is: CPU, caches, instruction sets, clock governor, power, memory."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.machine.blas import Blas, has_matrix_unit
from labkit.machine.caches import Cache, caches
from labkit.machine.clocks import governor
from labkit.machine.cpus import allowed_cpus, cpu_flags, cpu_name, guest, physical_cores
from labkit.machine.limits import cpu_quota, memory_limit
from labkit.machine.power import power
from labkit.machine.system import ROOT

# The instruction sets that matter to a matrix product, out of all that a CPU lists.
RELEVANT_ISA = (
    *("sse2", "sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512_bf16"),
    *("neon", "asimd", "sve", "sve2", "sme"),
)


@dataclass
class Cores:
    """CPUs of the machine (hardware threads), its cores, the CPUs this process may use, its CPU quota in cores."""

    logical: int
    physical: int | None
    usable: int
    quota: float | None = None


@dataclass
class Hardware:
    """The machine. `reasons` says why a field is None (or empty)."""

    cpu: str | None
    short_name: str
    microarchitecture: str | None
    isa: list[str]
    cores: Cores
    caches: list[Cache]
    memory_bytes: int | None
    governor: str | None
    power: str | None
    virtualized: bool | None
    reasons: dict[str, str]


@dataclass
class MachineIdentity:
    """What must be the same for a roofline to hold."""

    cpu: str | None
    microarchitecture: str | None
    isa: list[str]
    caches: list[Cache]
    numpy: str
    blas: str


def hardware(root: Path = ROOT, allowed: frozenset[int] | None = None) -> Hardware:
    """The machine as the manifest has it, with the CPUs allowed: by default those this process may run on."""
    cpus = allowed or allowed_cpus(root)
    cpu, physical = cpu_name(root), physical_cores(root)
    architecture, features = _archspec()
    isa = [name for name in RELEVANT_ISA if name in (cpu_flags(root, cpus) or features)]
    told: dict[str, tuple[Any, str | None]] = {
        "cpu": (cpu, "the system does not name it"),
        "microarchitecture": architecture,
        "isa": (isa, "neither the system nor archspec lists the CPU's features"),
        "caches": caches(root, cpus),
        "memory_bytes": (memory_limit(root), "the system does not tell"),
        "governor": governor(root, cpus),
        "power": power(root),
        "virtualized": (guest(root), "neither the CPU's flags nor the system tell"),
        "cores.physical": (physical, "the system does not tell cores from threads"),
    }
    # The reason that caches have is for those that are left out, if not for all.
    reasons = {name: why for name, (value, why) in told.items() if why and (value in (None, []) or name == "caches")}
    del told["cores.physical"]
    return Hardware(
        short_name=short_name(cpu),
        cores=Cores(logical=os.cpu_count() or 1, physical=physical, usable=len(cpus), quota=cpu_quota(root)),
        reasons=reasons,
        **{name: value for name, (value, _) in told.items()},
    )


def _archspec() -> tuple[tuple[str | None, str | None], frozenset[str]]:
    """((microarchitecture, why it is unknown), features), as archspec's table has them."""
    try:
        import archspec.cpu  # optional: the doctor runs without it
    except ImportError:
        return (None, "archspec is not installed"), frozenset()
    host = archspec.cpu.host()
    return (host.name or None, "archspec does not know it"), frozenset(host.features)


def identity(hardware: Hardware, blas: Blas, numpy: str | None = None) -> MachineIdentity:
    """What a roofline's record holds for: stable facts alone. A drifting clock is not another machine.

    `numpy` is the version that a record was made with; by default the one that is loaded here.
    """
    import numpy as np  # here, so that the thread variables can be set before NumPy is loaded

    stable = (hardware.cpu, hardware.microarchitecture, hardware.isa, hardware.caches)
    return MachineIdentity(*stable, numpy or np.__version__, f"{blas.library} {blas.version} {blas.kernel}")


def products_beside_the_core(machine: MachineIdentity) -> bool:
    """Whether np.matmul may run on a matrix unit: the peak of the core's vectors is no bound for it then."""
    return has_matrix_unit(f"{machine.blas} {machine.cpu}")


def short_name(cpu: str | None) -> str:
    """The name as people say it: `Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz` is `i5-8250U`."""
    name = re.sub(r"\((R|TM|C)\)(?=-)", "", cpu or "", flags=re.IGNORECASE)
    name = re.sub(r"\((R|TM|C)\)|®|™|@.*$|\b(CPU|Processor)\b", " ", name, flags=re.IGNORECASE)
    name = re.sub(r"\b(with|w/) .*$|\b\d+(st|nd|rd|th) Gen\b|\b(\d+|Six|Eight|Quad|Dual)-Cores?\b", " ", name)
    core = re.search(r"\b[im][3579]-\w+", name)
    if core:
        return core.group()
    name = re.sub(r"^\s*(Intel|AMD)\s+(?=(Core|Xeon|Pentium|Celeron|Ryzen)\s+\S)", "", " ".join(name.split()))
    return " ".join(name.split()) or "this machine"
