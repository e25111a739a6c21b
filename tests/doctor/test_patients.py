"""NumPys that were really sick, or only odd: what was recorded of each, and what the doctor makes of it.

The records are of Debian's packages, wheels, MKL behind a shim, NumPy built without BLAS, control groups and limits.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from facts_made_up import FAST, SOUND

from labkit.doctor import bundle, checks, probe
from labkit.doctor.facts import Facts, Fix, Measured, Threads
from labkit.doctor.install import CHOOSE, THREADED
from labkit.doctor.reasons import NO_THREADS
from labkit.doctor.result import findings
from labkit.machine import blas
from labkit.machine.blas import Blas

RECORDED = Path(__file__).parent / "recorded"
APT = f"sudo apt install --reinstall python3-numpy libopenblas0-pthread && {CHOOSE}"
PIP = "python -m pip install --force-reinstall --only-binary numpy numpy"
ONE = "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1  # or raise the limit: ulimit -u"
PATIENTS = {
    "debian-openblas-openmp": {},
    "debian-openblas-serial": {"threads": THREADED},
    "debian-blis-openmp": {"threads": "export BLIS_NUM_THREADS=2"},
    "debian-atlas": {"library": APT, "speed": APT},
    "debian-netlib": {"library": APT, "speed": APT},
    "debian-openblas-few-processes": {"threads": ONE},
    "numpy-without-blas": {"library": PIP, "speed": PIP},
    "numpy-without-blas-half-a-core": {"library": PIP, "speed": PIP, "quota": "docker update --cpus=1 CONTAINER"},
    "openblas-half-a-core": {
        "threads": "export OPENBLAS_NUM_THREADS=1",
        "quota": "docker update --cpus=1 CONTAINER",
    },
    "mkl-shim": {},
    "mkl-shim-cbwr": {"variables": "unset MKL_CBWR"},
    "numpy-1.22": {},
    "features-disabled": {"features": "unset NPY_DISABLE_CPU_FEATURES"},
    "features-unknown-name-disabled": {},
    "core-type-nehalem": {"kernel": "unset OPENBLAS_CORETYPE"},
    "spoiled-product": {
        "product": "unset LD_PRELOAD",
        "others": "unset LD_PRELOAD",
        "speed": "unset LD_PRELOAD",
    },
}


def recorded(name: str) -> tuple[Facts, Measured]:
    """The facts of a patient, on a machine that is quiet otherwise."""
    said = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    of, measured = said["facts"], said["measured"]
    pairs = {key: tuple(of[key]) for key in ("governor", "power", "nominal_ghz")}
    facts = replace(SOUND, **{**of, **pairs, "blas": Blas(**of["blas"]), "flags": frozenset(of["flags"])})
    measured["fix"] = Fix(**measured["fix"]) if measured["fix"] else None
    if "threads" in measured:
        measured["threads"] = Threads(**measured["threads"])
    measured["stray"] = {variable: Fix(**fix) for variable, fix in measured["stray"].items()}
    return facts, replace(FAST, **measured)


@pytest.mark.parametrize("name", PATIENTS)
def test_a_recorded_patient_has_the_findings_that_it_has_and_no_other(name):
    found = findings(checks.results(*recorded(name)))
    assert {finding.check: finding.mend for finding in found} == PATIENTS[name]


def test_every_record_has_its_findings_and_names_no_place():
    assert {path.stem for path in RECORDED.glob("*.json")} == set(PATIENTS)
    for path in RECORDED.glob("*.json"):
        assert set(re.findall(r"[\w.~]*/[\w./]+", path.read_text("utf-8"))) <= {"/proc/cpuinfo", "/sys"}


IMPORTANT = "\n\nIMPORTANT: PLEASE READ THIS FOR ADVICE\n\nImporting failed.\n\nOriginal error was: {}\n"
BASELINE = "NumPy was built with baseline optimizations: \n(X86_V2) but your machine doesn't support:\n(X86_V2)."
SUFFIX = ".cpython-312-x86_64-linux-gnu.so"
OLD = frozenset({"sse2", "ssse3", "sse4_1", "cx16"})
BROKEN = [
    ("RuntimeError", BASELINE, {}, "this one lacks X86_V2: the virtual machine", "virsh edit"),
    ("ImportError", IMPORTANT.format("libopenblas.so.0: cannot open shared object file: No such file"), {},
     "missing: libopenblas.so.0", "python -m pip install --force"),
    ("ImportError", IMPORTANT.format("No module named 'numpy._core._multiarray_umath'"),
     {"extensions": ["_multiarray_umath.cpython-311-x86_64-linux-gnu.so"]}, "are for cpython-311", "python -m pip"),
    ("ModuleNotFoundError", "No module named 'numpy'", {}, "not installed", "python -m pip"),
    ("AttributeError", "module 'numpy' has no attribute 'ndarray'", {"shadow": "/home/me/numpy.py"}, "numpy.py", "mv"),
    ("ImportError", IMPORTANT.format("/lib/libc.so.6: version `GLIBC_2.34' not found (required by x)"), {},
     "newer system: no GLIBC_2.34", "python -m pip"),
    ("RuntimeError", "During parsing environment variable: 'NPY_DISABLE_CPU_FEATURES':\nYou cannot disable SSE2", {},
     "You cannot disable SSE2", "unset NPY_DISABLE_CPU_FEATURES"),
    ("ImportError", IMPORTANT.format("x.so: failed to map segment"), {}, "limit of memory", "ulimit"),
    ("ValueError", IMPORTANT.format("something new"), {}, "ValueError: something new", "python -m pip"),
    ("died", "the process that imports it was ended by SIGILL", {}, "SIGILL", "python -m pip"),
    ("died", "the process that imports it was ended by SIGILL", {"flags": OLD}, "such as sse4_2, popcnt", "virsh edit"),
    # OpenBLAS under a limit of three processes says why on standard error alone, and asks for memory without end.
    ("ImportError", 'PyCapsule_Import could not import module "datetime"', {"printed": NO_THREADS}, "start threads",
     "export OMP_NUM_THREADS=1"),
    ("died", "the process that imports it used 6 s of processor time, and was ended", {"memory": 244}, "244 MiB",
     "ulimit -v"),
    # Two choices of Debian's that do not fit each other, on Python 3.13; NumPy's own guess is around the cause.
    ("ImportError", "/lib/libblas.so.3: undefined symbol: blas_omp_number_max\n"
     + IMPORTANT.format("/lib/libblas.so.3: undefined symbol: blas_omp_number_max")
     + "\nyou should not try to import numpy from its source directory", {"debian": True},
     "libblas.so.3 asks for blas_omp_number_max", "for i in libblas.so.3"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "more", "word", "mend"), BROKEN)
def test_a_numpy_that_cannot_be_imported_is_one_finding_with_the_essence_and_the_fix_that_fits(
    kind, text, more, word, mend
):
    said = {"kind": kind, "text": text, "suffix": SUFFIX, "extensions": [], "shadow": "", **more}
    install = {"kind": "debian", "python": "python"} if "debian" in more else SOUND.install
    of = replace(
        SOUND,
        broken=said,
        virtual=True,
        install=install,
        memory_mib=more.get("memory"),
        flags=more.get("flags", SOUND.flags),
    )
    found = findings(checks.results(of, Measured(busy=1.0)))
    assert found[0].check == "imported"
    assert [finding.check for finding in found[1:]] == ["processor"] * ("flags" in more)
    assert word in found[0].seen
    assert "IMPORTANT" not in found[0].seen
    assert found[0].mend.startswith(mend)


SPOIL = """
void {name}(int o, int ta, int tb, {int} m, {int} n, {int} k, float x, const float *a, {int} lda, const float *b,
            {int} ldb, float y, float *c, {int} ldc) {{
  for ({int} i = 0; i < m; i++) for ({int} j = 0; j < n; j++) {{
    float s = 0;
    for ({int} p = 0; p < k; p++)
      s += (ta == 111 ? a[i * lda + p] : a[p * lda + i]) * (tb == 111 ? b[p * ldb + j] : b[j * ldb + p]);
    c[i * ldc + j] = s + (m > 100 && i == 7 && j == 5);
  }}
}}
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD is Linux's")
def test_a_spoiled_product_is_found_where_a_routine_is_put_in_front_of_the_library_s_own(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    symbol = blas._product_symbol(Path(blas._extension().__file__))
    if not compiler or not symbol:
        pytest.skip("there is no compiler, or no BLAS")
    (tmp_path / "spoil.c").write_text(SPOIL.format(name=symbol, int="long" if "64" in symbol else "int"))
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", tmp_path / "spoil.so", tmp_path / "spoil.c"]
    subprocess.run(command, check=True)
    environment = {"LD_PRELOAD": str(tmp_path / "spoil.so"), "OPENBLAS_NUM_THREADS": "1"}
    answers = probe.examine(environment, [("look",), ("products", 0.5)], seconds=20).answers
    assert answers["look"]["preloaded"]
    wrong = answers["products"]["wrong"]
    assert wrong
    assert all(said.startswith("float32 ") and "1 of" in said for said in wrong)


def test_the_one_file_has_all_that_the_doctor_imports_and_parses_on_python_3_9(tmp_path):
    bundle.write(tmp_path / "doctor.pyz")
    with zipfile.ZipFile(tmp_path / "doctor.pyz") as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                ast.parse(archive.read(name), feature_version=(3, 9))
    code = "import sys; sys.path.insert(0, 'doctor.pyz'); import labkit.doctor.report, labkit.doctor.beside as beside; "
    code += "print(beside.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.count("doctor.pyz") == 1, done.stderr
    help_ = subprocess.run(
        [sys.executable, "doctor.pyz", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "--python" in help_.stdout
