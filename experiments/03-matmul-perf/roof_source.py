"""Where the lab gets its roof from: this checkout's own record for this machine, or a measurement now."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from labkit import codec, store
from labkit.errors import LabError
from labkit.records import MachineIdentity, Roofline

LAB = Path(__file__).resolve().parent
ROOFLINE = LAB.parent / "01-roofline"
RECORD = "kernels.json"
# Written by roofline.py into its .state/: the digest of the record that this checkout has measured itself.
MARKER = "measured"


def obtain(identity: MachineIdentity, output: Path, say: Callable[[str], None]) -> Roofline:
    """The roof of this machine. Measured by a process of its own if this checkout has no record of it.

    A LabError if the record cannot be read or the measurement fails.
    """
    folder = ROOFLINE if _writable(ROOFLINE) else output / "roofline"
    path = folder / RECORD
    if not path.exists():
        say("There is no record of this machine's roof: measuring it.")
    else:
        try:
            record = codec.read(path, Roofline)
        except LabError as error:
            raise LabError(f"{error}; delete it, or measure anew with 'make roofline'") from None
        if record.machine != identity:
            say(
                f"The roof on record is another machine's ({_difference(record.machine, identity)}): "
                "measuring this one's."
            )
        elif not measured_here(folder):
            say("This checkout has not measured the roof itself yet: measuring it.")
        else:
            return record
    return _measure(folder, identity)


def place_kernels(output: Path) -> None:
    """Have the roof next door show the kernels of the lab's own record, now that it is complete.

    A roof that they show to be wrong says so itself.
    """
    if output.resolve() == LAB and measured_here(ROOFLINE):
        subprocess.run(_command("--redraw"), check=False, stdout=subprocess.DEVNULL)


def measured_here(folder: Path) -> bool:
    """Whether the record was measured by this checkout, rather than came with it."""
    try:
        return (folder / store.STATE / MARKER).read_text() == store.digest((folder / RECORD).read_bytes())
    except OSError:
        return False


def _measure(folder: Path, identity: MachineIdentity) -> Roofline:
    status = subprocess.run(_command("--output", str(folder)), check=False).returncode
    if status == 130 or status < 0:
        raise KeyboardInterrupt
    if status:
        raise LabError("the roof could not be measured, as said above: mend that, or try 'make roofline' by itself")
    record = codec.read(folder / RECORD, Roofline)
    if record.machine != identity:
        raise LabError(f"the roof was measured on another machine ({_difference(record.machine, identity)})")
    return record


def _command(*options: str) -> list[str]:
    return [sys.executable, str(ROOFLINE / "roofline.py"), *options]


def _difference(there: MachineIdentity, here: MachineIdentity) -> str:
    """What differs, in the words of the record."""
    for name in ("cpu", "blas", "numpy", "microarchitecture"):
        if getattr(there, name) != getattr(here, name):
            return f"{name} {getattr(there, name)}"
    return "caches or instruction sets differ"


def _writable(folder: Path) -> bool:
    try:
        (folder / store.STATE).mkdir(exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
