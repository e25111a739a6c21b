"""doctor.pyz: the doctor as one file, for a Python that has nothing but NumPy. `make doctor.pyz` writes it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipapp
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# What the doctor imports, all of it fit for Python 3.9.
PARTS = ("__init__.py", "cli.py", "errors.py", "contention.py", "stats.py", "doctor", "machine")
MAIN = """import sys
if sys.version_info < (3, 9):
    sys.exit("doctor.pyz: this needs Python 3.9 or newer; with --python PATH it examines another one")
from labkit.cli import main
sys.exit(main(["doctor"] + sys.argv[1:]))
"""


def write(target: Path) -> None:
    """Write the archive."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "__main__.py").write_text(MAIN)
        for name in PARTS:
            source, copy = PACKAGE / name, Path(folder) / "labkit" / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                copy.parent.mkdir(exist_ok=True)
                shutil.copy(source, copy)
        zipapp.create_archive(folder, target, interpreter="/usr/bin/env python3")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
