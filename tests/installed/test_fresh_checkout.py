"""A fresh checkout on a machine that it has not seen: what a first run measures, and what it changes."""

import subprocess

import pytest
from checkouts import Checkout
from small_checkout import SMALL, change

from labkit.records import io
from labkit.records.model import Manifest, Results, Roofline

# A small part of the roofline's rounds is enough here, and what a busy machine makes of them is not judged.
ROUNDS, DERIVE = "labkit/roofline/rounds.py", "labkit/roofline/derive.py"
CHANGES = {ROUNDS: SMALL[ROUNDS], DERIVE: {"kernels.above_roof(roofline)": "[]"}}


def git(checkout, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *words]
    done = subprocess.run(
        command, cwd=checkout.root, env=checkout.environment(), check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """(the checkout, how its first run ended): committed whole, with another machine's roofline or none."""
    checkout = Checkout(tmp_path_factory.mktemp("fresh") / "a clone")
    change(checkout.root, CHANGES)
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "as it came")
    return checkout, checkout.run("--sizes", "8", "--methods", "naive,matmul", "--quick")


def test_a_first_run_measures_the_roofline_says_why_and_changes_these_two_experiments_alone(first):
    checkout, done = first
    assert done.returncode in (0, 1), done.stderr
    assert "measuring" in done.stdout
    changed = {line[3:] for line in git(checkout, "status", "--porcelain", "-uall").splitlines()}
    assert {path.rpartition("/")[0] for path in changed} == {"experiments/01-roofline", "experiments/03-matmul-perf"}
    assert {path.rpartition("/")[2] for path in changed} <= {
        "kernels.json", "roofline.png", "bandwidth.png", "results.json", "perf.png", "manifest.json", "README.md",
    }  # fmt: skip


def test_the_first_run_left_a_whole_roofline_behind_and_used_it(first):
    checkout, _ = first
    roofline = io.read(checkout.roofline / "kernels.json", Roofline)
    manifest = io.read(checkout.roofline / "manifest.json", Manifest)
    assert set(manifest.outputs) >= {"kernels.json", "roofline.png", "bandwidth.png", "README.md"}
    for name, digest in manifest.outputs.items():
        assert io.digest((checkout.roofline / name).read_bytes()) == digest
    peak = roofline.peak.fp32_fma_gflops
    # Whole instructions: no core does more than four 512-bit multiply-adds per cycle, or less than one scalar.
    assert 1 < roofline.peak.flops_per_cycle <= 128
    results = io.read(checkout.benchmark / "results.json", Results)
    assert results.limits.peak_gflops == peak.best
    assert results.harness.roof_seconds > 0.3
