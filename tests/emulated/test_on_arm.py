"""What a user does, on an Arm that QEMU emulates (.ci/arm): /proc and /sys are those of its x86 host."""

import json
import os
import platform
import subprocess
import sys

import small_checkout
from checkouts import THREADS

from labkit.records import find, io
from labkit.records.model import Results, Roofline
from labkit.roofline.codegen import host_target

TESTS = small_checkout.REPOSITORY / "tests"
ON = f"QEMU {platform.machine()} on "  # and the host's CPU
# With products of order 1024, and a minute's patience for a core alone, the roofline and the run take minutes here.
SMALLER = {
    "labkit/roofline/kernels.py": {"MATMUL_N = 1024": "MATMUL_N = 64"},
    "labkit/measure/runner.py": {"PATIENCE_SECONDS = 20, 60.0": "PATIENCE_SECONDS = 2, 1.0"},
}


def python(*words, **environment):
    known = {**os.environ, **THREADS, **environment}
    return subprocess.run([sys.executable, *map(str, words)], env=known, capture_output=True, text=True, check=False)


def test_the_code_runs_as_arm_in_every_process_that_a_python_starts():
    assert python("-c", "import platform; print(platform.machine())").stdout == f"{platform.machine()}\n"
    assert (host_target().instruction_set, host_target().lanes) == ("NEON", 4)


def test_the_doctor_says_that_the_cpu_is_emulated_and_expects_nothing_that_the_host_has():
    done = python("-m", "labkit", "doctor", "--json")
    found = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert (done.returncode, found["processor"]["level"]) == (1, "error"), done.stderr
    assert "QEMU translates" in found["processor"]["seen"]
    assert "AVX" not in done.stdout


def test_the_benchmark_measures_its_roofline_and_a_complete_set_whose_record_names_the_emulator(tmp_path):
    root, output = tmp_path / "checkout", tmp_path / "out"
    small_checkout.copy(root, SMALLER)
    script = root / "experiments" / "03-matmul-perf" / "bench.py"
    done = python(script, "--sizes", "8,16", "--methods", "naive,matmul", "--output", output, PYTHONPATH=str(root))
    assert done.returncode == 0, done.stderr
    results = io.read(output / io.RESULTS, Results)
    roofline = io.read(output / find.ROOFLINE / io.KERNELS, Roofline)
    assert results.status == "complete"
    assert all(method.exact_on_integers for method in results.agreement.methods.values())
    assert roofline.peak.instruction_set == "NEON"
    assert (roofline.machine.cpu or "").startswith(ON)
    assert roofline.machine.isa == ["asimd"]
    verified = python("-m", "labkit", "verify", output, "--json")
    assert json.loads(verified.stdout), verified.stderr


def test_the_probe_prints_a_peak_and_a_clock():
    done = python("-m", "labkit", "roofline", "--probe")
    assert all(value > 0 for value in json.loads(done.stdout).values()), done.stderr


# Wider vectors than NEON's must change nothing: what LLVM says of such a CPU is said here, as /proc is the host's.
WITH_FEATURES = """
import sys
import llvmlite.binding as llvm

features = dict.fromkeys(sys.argv[1].split(","), True)
llvm.get_host_cpu_features = lambda: features
import guarded
from products import exact, whole_numbers
from labkit.gemm import matmul
from labkit.ladder.rungs import Rung, generated

guarded.check(guarded.HOST)
A, B = whole_numbers(150, 70, 90)
found = [matmul(A, B), *(Rung("", "", "", "", generated(4, fma)).multiply(A, B) for fma in (False, True))]
print(all((C == exact(A, B)).all() for C in found))
"""


def test_a_cpu_with_longer_vectors_gets_the_same_products_and_nothing_outside_them_is_touched():
    done = python(
        "-c", WITH_FEATURES, "neon,lse,sve,sve2,bf16,i8mm", QEMU_CPU="max", PYTHONPATH=f"{TESTS.parent}:{TESTS}"
    )
    assert done.stdout == "True\n", done.stderr[-2000:]
