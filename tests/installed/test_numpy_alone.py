"""Machine and doctor with the standard library and NumPy alone, in this environment's own Python."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import labkit
from labkit.machine.blas import CORE_TYPE, KERNEL_CLASSES

ONLY_NUMPY = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
class OnlyNumPy(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        found = name.partition(".")[0] in {*sys.stdlib_module_names, "numpy", "labkit"}
        return super().find_spec(name, path, target) if found else None
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, OnlyNumPy]
"""
PACKAGE = Path(labkit.__file__).parent


@pytest.fixture
def bare(tmp_path):
    """Runs a Python that finds the standard library, NumPy and labkit only."""
    (tmp_path / "sitecustomize.py").write_text(ONLY_NUMPY)
    path = os.pathsep.join(map(str, (tmp_path, PACKAGE.parent)))

    def run(*arguments, **environment):
        command = [sys.executable, *arguments]
        environment |= {"PYTHONPATH": path}
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_machine_and_doctor_import_the_standard_library_and_numpy_only(bare):
    files = [*(PACKAGE / "machine").glob("*.py"), *(PACKAGE / "doctor").glob("*.py"), PACKAGE / "errors.py"]
    modules = [".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files]
    done = bare("-c", "import " + ", ".join(modules) + "; labkit.machine.hardware.hardware()")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(modules) > 10


def test_with_numpy_alone_it_finds_a_stray_core_type_and_its_cost(bare, tmp_path):
    done = bare("-m", "labkit", "doctor", "--json", **{CORE_TYPE: "Nehalem", "OMP_NUM_THREADS": "1"})
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    found = json.loads(done.stdout)
    assert found["healthy"] == (done.returncode == 0) == (found["findings"] == [])
    assert all({*finding} >= {"check", "cost", "mend"} for finding in found["findings"])
    assert str(tmp_path) not in done.stdout
    blas, flags = found["facts"]["blas"], set(found["facts"]["flags"])
    if blas["library"] == "openblas" and blas["kernel"] == "Nehalem" and KERNEL_CLASSES[2].needs <= flags:
        kernel = next(finding for finding in found["findings"] if finding["check"] == "kernel")
        assert kernel["mend"] == "unset OPENBLAS_CORETYPE"
        # One pair on a busy machine, and on a very busy one none within the time.
        assert "of processes" in (kernel["cost"] or "of processes")
