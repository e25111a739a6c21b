"""The roof of this machine for a run: from its record, or measured now in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from labkit.errors import INTERRUPTED, UserError
from labkit.machine.hardware import MachineIdentity
from labkit.records import io
from labkit.records.find import find_roofline
from labkit.records.model import Roof, Roofline
from labkit.roofline.model import coprocessor, crossover_n


def obtain(who: MachineIdentity, output: Path, say: Callable[[str], None]) -> Roof:
    """The roof for a run into `output`. A UserError if its record cannot be read or the measurement fails."""
    source = find_roofline(who, output)
    if source.roofline:
        return roof_of(source.roofline)
    say(source.why)
    command = [sys.executable, "-P", "-m", "labkit", "roofline", "--output", str(source.folder)]
    status = subprocess.run(command, check=False).returncode
    if status == INTERRUPTED or status < 0:
        raise KeyboardInterrupt
    if status:
        raise UserError("the roofline could not be measured, as said above: fix that, or try 'make roofline' by itself")
    roofline = io.read(source.folder / io.KERNELS, Roofline)
    if roofline.machine != who:
        raise UserError(f"the roofline was measured on another machine ({roofline.short_name})")
    return roof_of(roofline)


def roof_of(roofline: Roofline) -> Roof:
    """The peak, and the fastest that DRAM was seen to be."""
    peak, dram = roofline.peak.fp32_fma_gflops.best, next(r for r in roofline.ridge if r.level == "DRAM")
    return Roof(
        peak_gflops=peak,
        dram_gbs=dram.gbs,
        ridge_flop_per_byte=dram.flop_per_byte,
        crossover_n=crossover_n(peak, dram.gbs),
        peak_flop_per_reference_byte=roofline.reference.peak_flop_per_byte,
        bounds_matmul=not coprocessor(roofline.machine.blas),
    )
