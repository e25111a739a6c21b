"""Machines recorded as small trees of /proc and /sys, and as what sysctl printed."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "machine" / "recorded"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
KIB, MIB = 1 << 10, 1 << 20
CPUS = "sys/devices/system/cpu"


def files(name):
    """What a recorded machine has at each path."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def grow(folder, contents):
    """Lay the files out as a tree; the tree's root."""
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def cache_files(*levels, cpu=0):
    """/sys's entries for (level, type, size, CPUs that share it)."""
    found = {}
    for i, level in enumerate(levels):
        for name, text in zip(("level", "type", "size", "shared_cpu_list"), level, strict=True):
            if text is not None:
                found[f"{CPUS}/cpu{cpu}/cache/index{i}/{name}"] = f"{text}\n"
    return found
