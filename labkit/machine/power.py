"""Whether the machine is on the mains or on its battery."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from labkit.machine.system import ROOT, number, of_macos, text


def power(root: Path = ROOT) -> tuple[str | None, str | None]:
    """("AC" or "battery", why it is unknown)."""
    states: set[str | None] = set()
    # pmset's first line is `Now drawing from 'AC Power'`, `'Battery Power'` or `'UPS Power'`, on a desktop Mac too.
    said = re.match("Now drawing from '(AC|Battery|UPS) Power'", of_macos(root, "pmset", "-g", "batt") or "")
    states |= {"Full" if said[1] == "AC" else "Discharging"} if said else set()
    for folder in (root / "sys/class/power_supply").glob("*"):
        if text(folder / "type") != "Battery":
            if number(folder / "online"):
                return "AC", None
        elif text(folder / "scope") != "Device":  # the battery of a mouse or of a headset
            states.add(text(folder / "status"))
    if "Discharging" in states:
        return "battery", None
    if states & {"Charging", "Full", "Not charging"}:
        return "AC", None
    if sys.platform == "win32":
        return None, "it is not read on Windows"
    return None, "no battery is reported (a desktop, a server or a virtual machine)"
