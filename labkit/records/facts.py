"""Where a run comes from, as texts: the machine, the software, the commit, the protocol. Pure."""

from labkit.records.find import Run

_COMMIT_LETTERS = 7


def facts(run: Run) -> dict[str, str]:
    """Where a run comes from, as texts, the machine first; never the time, which always differs."""
    hardware, blas, git, versions = run.manifest.hardware, run.manifest.blas, run.manifest.git, run.manifest.versions
    cores, protocol = hardware.cores, run.results.protocol
    found = {
        "CPU": hardware.cpu or hardware.short_name,
        "microarchitecture": hardware.microarchitecture,
        "SIMD": " ".join(hardware.isa),
        "cores": f"{cores.usable} of {cores.logical}" + (f", quota {cores.quota:g}" if cores.quota else ""),
        "caches": " ".join(f"L{cache.level} {cache.bytes >> 10} KiB" for cache in hardware.caches),
        "memory": f"{hardware.memory_bytes / 2**30:.0f} GiB" if hardware.memory_bytes else None,
        "governor": hardware.governor,
        "power": hardware.power,
        "virtual machine": {True: "yes", False: "no", None: None}[hardware.virtualized],
        "microcode": versions.get("microcode"),
        "system": versions.get("system"),
        "OS kernel": versions.get("kernel"),
        "Python": " ".join(filter(None, (versions.get("implementation"), versions.get("python")))),
        "compiler": versions.get("compiler"),
        "NumPy": versions.get("numpy"),
        "BLAS": " ".join(filter(None, (blas.library, blas.version))),
        "BLAS kernel": blas.kernel,
        "threads": None if blas.threads is None else str(blas.threads),
        "commit": (git.commit or "unknown")[:_COMMIT_LETTERS] + (" with changes" if git.dirty else ""),
        "protocol": "quick" if protocol.quick else "everything measured" if protocol.measure_all else "full",
        "sizes": ", ".join(map(str, protocol.sizes)),
        "methods": ", ".join(protocol.methods),
        "block size": str(protocol.block_size),
        "seed": str(protocol.seed),
        "dtype": protocol.dtype,
        "status": run.results.status,
    }
    return {what: text or "unknown" for what, text in found.items()}
