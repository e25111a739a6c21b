"""What np.matmul and the generated product are held against where it is installed, and OpenBLAS's other kernels."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from labkit.errors import UserError
from labkit.ladder.apart import Apart, Spec
from labkit.machine.blas import CORE_TYPE, KERNEL_CLASSES, loaded_blas
from labkit.machine.cpus import cpu_flags

# OpenBLAS's core types beyond the one that stands for a class of kernels, and the CPU flags that they need: other
# kernels, or other block sizes. Those that a build lacks answer with the name of the kernel taken in their place.
MORE_CORE_TYPES = {
    "Zen": {"avx2", "fma"},
    "Cooperlake": {"avx512_bf16"},
    "SapphireRapids": {"avx512_bf16", "amx_tile"},
    "ARMV8": {"asimd"},
    "NEOVERSEN1": {"asimd"},
    "NEOVERSEV1": {"sve"},
    "NEOVERSEN2": {"sve2"},
}


def installed() -> Iterator[Spec]:
    """The libraries of the extra `rivals` that are installed for this Python."""
    for path in sorted(Path(sys.prefix, "lib").glob("libmkl_rt.*"))[:1]:
        yield Spec("MKL", "MKL", "c", str(path), "cblas_sgemm")
    if importlib.util.find_spec("blis"):
        yield Spec("BLIS", "BLIS", "blis")
    if found := importlib.util.find_spec("scipy_openblas32"):
        for path in sorted(Path(str(found.origin)).parent.glob("lib/libscipy_openblas.*"))[:1]:
            yield Spec("newest OpenBLAS", "the newest OpenBLAS", "c", str(path), "scipy_cblas_sgemm")


def kernels() -> Iterator[Spec]:
    """np.matmul held to each kernel of OpenBLAS that this CPU can run; none where the BLAS is another."""
    if loaded_blas().library != "openblas":
        return
    known = {kind.core_type: kind.needs for kind in KERNEL_CLASSES} | MORE_CORE_TYPES
    for core, needs in known.items():
        if needs <= cpu_flags():
            yield Spec(
                f"OpenBLAS {core}", f"OpenBLAS held to {core}", "numpy", settings={CORE_TYPE: core}, rung="kernel"
            )


def start() -> tuple[list[Apart], list[str]]:
    """(those that run here, why others do not). Two core types with one kernel are one."""
    started = [Apart(spec) for spec in (*installed(), *kernels())]
    found: dict[str, Apart] = {}
    left_out = []
    for apart in started:
        try:
            kernel = apart.wait().facts.get("kernel", "")
        except UserError as error:
            left_out.append(str(error))
            continue
        if found.setdefault(f"kernel {kernel}" if apart.spec.rung == "kernel" else apart.spec.name, apart) is not apart:
            apart.close()
    return list(found.values()), left_out
