"""What this machine is: CPU, caches, instruction sets, clock governor, power, memory, BLAS.

What a machine does not tell is None, with a reason in `reasons`, never a guess. The root of the file
system can be passed in, so that tests read recorded machines.
"""

import os
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import psutil

from labkit.records import Blas, Cache, Cores, Hardware, MachineIdentity

ROOT = Path("/")
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
_CGROUP_NO_LIMIT = 1 << 60  # bytes; version 1 writes "no limit" as a number near 2^63


def _read(path: Path) -> str | None:
    """A file's text without the line end; None if the machine has no such file."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def cpu_name(root: Path = ROOT) -> str | None:
    """The CPU's marketing name, as the operating system has it."""
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model") and value.strip():
            return value.strip()
    if root != ROOT or sys.platform.startswith("linux"):
        return None
    import cpuinfo  # a second of CPUID probing: only where the system has no file that says it

    name = cpuinfo.get_cpu_info().get("brand_raw")
    return str(name) if name else None


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
    name = re.sub(r"^\s*(Intel|AMD)\s+(?=(Core|Xeon|Pentium|Celeron|Ryzen)\b)", "", " ".join(name.split()))
    return " ".join(name.split()) or "this machine"


@lru_cache(maxsize=1)
def _archspec() -> tuple[str | None, frozenset[str]]:
    """(microarchitecture, features) as archspec's table names them."""
    import archspec.cpu

    host = archspec.cpu.host()
    return host.name, frozenset(host.features)


def caches(root: Path = ROOT) -> list[Cache]:
    """Data and unified caches of the first core, smallest level first; empty where none are reported."""
    found = []
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(index / name) for name in ("level", "type", "size"))
        if level is None or size is None or kind == "Instruction":
            continue
        shared = _count_cpus(_read(index / "shared_cpu_list"))
        found.append(Cache(level=int(level), bytes=parse_size(size), shared_by=shared))
    if not found and root == ROOT and sys.platform == "darwin":
        found = _darwin_caches()
    return sorted(found, key=lambda c: c.level)


def parse_size(text: str) -> int:
    """`32K`, `1024K`, `32M` in bytes."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper(), 1)
    return int(text[:-1]) * factor if factor > 1 else int(text)


def _count_cpus(listing: str | None) -> int | None:
    """How many CPUs `0-3,8` names."""
    if not listing:
        return None
    count = 0
    for part in listing.split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def _darwin_caches() -> list[Cache]:
    import subprocess

    found = []
    for level, names in (
        (1, ("hw.perflevel0.l1dcachesize", "hw.l1dcachesize")),
        (2, ("hw.perflevel0.l2cachesize", "hw.l2cachesize")),
    ):
        for name in names:
            said = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
            if said.returncode == 0 and said.stdout.strip().isdigit() and int(said.stdout) > 0:
                found.append(Cache(level=level, bytes=int(said.stdout), shared_by=None))
                break
    return found


def memory_limit(root: Path = ROOT) -> int:
    """Bytes that this process may use: the machine's memory, or a container's limit where that is less."""
    total = int(psutil.virtual_memory().total)
    limits: Iterable[str | None] = (
        _read(root / "sys/fs/cgroup/memory.max"),
        _read(root / "sys/fs/cgroup/memory/memory.limit_in_bytes"),
    )
    set_limits = [int(text) for text in limits if text and text.isdigit() and int(text) < _CGROUP_NO_LIMIT]
    return min([total, *set_limits])


def governor(root: Path = ROOT) -> tuple[str | None, str | None]:
    """(the clock governor of the first core, why it is not known)."""
    said = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if said:
        return said, None
    why = (
        "macOS has none"
        if sys.platform == "darwin" and root == ROOT
        else "no cpufreq under /sys (usual in a virtual machine)"
    )
    return None, why


def power(root: Path = ROOT) -> tuple[str | None, str | None]:
    """("AC" or "battery", why it is not known)."""
    try:
        battery = psutil.sensors_battery() if root == ROOT else None
    except (AttributeError, OSError, RuntimeError):
        battery = None
    if battery is None:
        return None, "no battery is reported (a desktop, a server or a virtual machine)"
    return ("AC" if battery.power_plugged else "battery"), None


def virtualized(root: Path = ROOT) -> tuple[bool | None, str | None]:
    """(whether a hypervisor is under us, why it is not known)."""
    info = _read(root / "proc/cpuinfo")
    flags = next((line for line in (info or "").splitlines() if line.startswith("flags")), None)
    if flags is None:
        return None, "the CPU does not list a hypervisor flag"
    return "hypervisor" in flags.split(), None


def nominal_ghz() -> float | None:
    """The clock that the system reports, GHz: often not the clock that the core runs at."""
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        frequency = None
    for line in (_read(ROOT / "proc/cpuinfo") or "").splitlines():
        if line.startswith("cpu MHz"):
            return float(line.partition(":")[2]) / 1e3
    return frequency.current / 1e3 if frequency and frequency.current else None


def usable_cores() -> int:
    """Logical CPUs that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


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


def hardware(root: Path = ROOT) -> Hardware:
    """The machine, as the manifest says it."""
    cpu, (architecture, features) = cpu_name(root), _archspec()
    reasons = {}
    clock_governor, reasons["governor"] = governor(root)
    supply, reasons["power"] = power(root)
    virtual, reasons["virtualized"] = virtualized(root)
    levels = caches(root)
    physical = psutil.cpu_count(logical=False)
    reasons["microarchitecture"] = None if architecture else "archspec does not know it"
    reasons["cores.physical"] = None if physical else "the system does not tell cores from threads"
    reasons["cpu"] = None if cpu else "the system does not name it"
    reasons["caches"] = None if levels else "no caches are reported"
    return Hardware(
        cpu=cpu,
        short_name=short_name(cpu),
        microarchitecture=architecture,
        isa=[name for name in RELEVANT_ISA if name in features],
        cores=Cores(logical=os.cpu_count() or 1, physical=physical, usable=usable_cores()),
        caches=levels,
        memory_bytes=memory_limit(root),
        governor=clock_governor,
        power=supply,
        virtualized=virtual,
        reasons={name: why for name, why in reasons.items() if why},
    )


def identity(machine: Hardware, library: Blas) -> MachineIdentity:
    """What a roof record holds for: stable facts alone. A drifting clock is not another machine."""
    import numpy as np

    return MachineIdentity(
        cpu=machine.cpu,
        microarchitecture=machine.microarchitecture,
        isa=machine.isa,
        caches=machine.caches,
        numpy=np.__version__,
        blas=f"{library.library} {library.version} {library.kernel}",
    )
