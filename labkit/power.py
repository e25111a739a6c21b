"""Whether the machine is on the mains or on its battery. Standard library alone on Linux, psutil elsewhere."""

import sys
from pathlib import Path

from labkit.system import ROOT, number, text

SUPPLIES = "sys/class/power_supply"


def power(root: Path = ROOT) -> tuple[str | None, str | None]:
    """("AC" or "battery", why it is not known)."""
    if not sys.platform.startswith("linux") and root == ROOT:
        return _power_by_psutil()
    states = set()
    for folder in (root / SUPPLIES).glob("*"):
        if text(folder / "type") != "Battery":
            if number(folder / "online"):
                return "AC", None
        elif text(folder / "scope") != "Device":  # that of a mouse or of a headset
            states.add(text(folder / "status"))
    if "Discharging" in states:
        return "battery", None
    if states & {"Charging", "Full", "Not charging"}:
        return "AC", None
    return None, "no battery is reported (a desktop, a server or a virtual machine)"


def _power_by_psutil() -> tuple[str | None, str | None]:
    try:
        import psutil

        battery = psutil.sensors_battery()
    except ImportError:
        return None, "psutil, which would tell it on this system, is not installed"
    except (AttributeError, OSError, RuntimeError):
        battery = None
    if battery is None:
        return None, "no battery is reported (a desktop or a server)"
    return ("AC" if battery.power_plugged else "battery"), None
