"""Every module can be imported where the system lacks what Linux has: on macOS, and on Windows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = REPOSITORY / "tests" / "simulated" / "site"
IMPORTED = """
import importlib, pkgutil, runpy
import labkit
for module in pkgutil.walk_packages(labkit.__path__, "labkit."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
runpy.run_path("experiments/03-matmul-perf/bench.py")
"""


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_every_module_can_be_imported(system):
    environment = {**os.environ, "SIMULATED": system, "PYTHONPATH": f"{SITE}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
