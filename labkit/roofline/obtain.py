"""The limits of this machine for a run: from its record, or measured now in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from labkit.errors import INTERRUPTED, UserError
from labkit.machine.hardware import MachineIdentity, products_beside_the_core
from labkit.records import io
from labkit.records.find import find_roofline
from labkit.records.model import Limits, Roofline


def obtain(who: MachineIdentity, output: Path, say: Callable[[str], None]) -> Limits:
    """The limits for a run into `output`. A UserError if its record cannot be read or the measurement fails."""
    source = find_roofline(who, output)
    if source.roofline:
        return limits_of(source.roofline)
    say(source.why)
    command = [sys.executable, "-P", "-m", "labkit", "roofline", "--output", str(source.folder)]
    status = subprocess.run(command, check=False).returncode
    if status == INTERRUPTED or status < 0:
        raise KeyboardInterrupt
    roofline = io.read_if_there(source.folder / io.KERNELS, Roofline)
    if status and roofline and roofline.faults:
        # Fractions of peak need none of these limits. `labkit verify` says what is wrong; the next run measures again.
        say("The run goes on: its peak is measured beside its own samples.")
    elif status or not roofline:
        raise UserError("the roofline could not be measured, as said above: fix that, or try 'make roofline' by itself")
    if roofline.machine != who:
        raise UserError(f"the roofline was measured on another machine ({roofline.short_name})")
    return limits_of(roofline)


def limits_of(roofline: Roofline) -> Limits:
    """The peak, and the fastest that DRAM was seen to be."""
    peak, dram = roofline.peak.fp32_fma_gflops.best, next(r for r in roofline.ridge if r.level == "DRAM")
    return Limits(
        peak_gflops=peak,
        dram_gbs=dram.gbs,
        l1_byte_per_flop=roofline.reference.l1_byte_per_flop,
        l2_byte_per_flop=roofline.reference.l2_byte_per_flop,
        bounds_matmul=not products_beside_the_core(roofline.machine),
    )
