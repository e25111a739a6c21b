"""The wheel, in an environment with NumPy and nothing else: the oldest NumPy that is supported, and the newest."""

import csv
import json
import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import committed
import pytest

from labkit.doctor import bundle

REPOSITORY = Path(__file__).resolve().parents[2]
CONSTRAINTS = REPOSITORY / "constraints.txt"
NEWEST = f"numpy=={version('numpy')}"  # that of constraints.txt
NUMPYS = ["numpy==1.26.4", NEWEST] if sys.version_info < (3, 13) else [NEWEST]


def run(*command, status=(0,), cwd):
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, REPOSITORY, cwd=folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    package = REPOSITORY / "labkit"
    files = {path.relative_to(REPOSITORY).as_posix() for path in package.rglob("*") if path.is_file()}
    files = {name for name in files if not name.endswith(".pyc")}
    with ZipFile(wheel) as contents:
        names = {name for name in contents.namelist() if ".dist-info/" not in name}
    assert names == files
    assert "labkit/py.typed" in names


@pytest.mark.parametrize("numpy", NUMPYS)
def test_with_numpy_alone_the_doctor_runs_and_the_product_and_the_machine_can_be_imported(tmp_path, wheel, numpy):
    venv.create(tmp_path / "a bare one", with_pip=True)
    folder = tmp_path / "a bare one" / ("Scripts" if os.name == "nt" else "bin")
    run(folder / "python", "-m", "pip", "install", "--quiet", wheel, numpy, cwd=tmp_path)
    assert run(folder / "python", "-c", "import labkit.gemm, labkit.machine", cwd=tmp_path) == ""
    found = json.loads(run(folder / "labkit", "doctor", "--json", status=(0, 1), cwd=tmp_path))
    assert found["facts"]["numpy"] == numpy.partition("==")[2]
    assert found["healthy"] == (not found["findings"])
    assert "make doctor" in found["facts"]["why_no_peak"]
    bundle.write(tmp_path / "doctor.pyz")
    again = json.loads(run(folder / "python", "doctor.pyz", "--json", status=(0, 1), cwd=tmp_path))
    assert (again["facts"]["numpy"], again["facts"]["blas"]) == (found["facts"]["numpy"], found["facts"]["blas"])
    for command in ("verify", "report"):  # what needs an extra says so in one line
        done = run(folder / "labkit", command, tmp_path, status=(2,), cwd=tmp_path)
        assert done == ""


def test_with_the_report_s_extra_a_committed_result_can_be_verified_compared_shown_and_exported(tmp_path, wheel):
    venv.create(tmp_path / "with extras", with_pip=True)
    folder = tmp_path / "with extras" / ("Scripts" if os.name == "nt" else "bin")
    extras = f"matmul-lab[report] @ {wheel.as_uri()}"
    run(folder / "python", "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS, extras, cwd=tmp_path)
    result = committed.experiment("03-matmul-perf")
    for words in (["verify", result], ["compare", result, result], ["report", result]):
        run(folder / "labkit", *words, cwd=tmp_path)
    assert (tmp_path / "report.html").stat().st_size > 100_000
    table = run(folder / "labkit", "export", result, "--format", "csv", cwd=tmp_path).splitlines()
    rates = {(row["method"], row["n"]): float(row["gflops_median"]) for row in csv.DictReader(table)}
    assert rates["matmul", "1024"] > rates["naive", "1024"] > 0
