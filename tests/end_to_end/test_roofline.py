"""The roof as a user measures it."""

import json

from labkit import codec, store
from labkit.records import Manifest, Roofline


def test_the_probe_prints_peak_and_clock_as_json(bare):
    done = bare.run("--probe", script=bare.roofline)
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    assert set(probe) == {"fp32_fma_gflops", "clock_ghz"}
    assert all(value > 0 for value in probe.values())


def test_the_run_of_the_lab_left_a_whole_roof_behind(checkout):
    roofline = codec.read(checkout.roof / "kernels.json", Roofline)
    manifest = codec.read(checkout.roof / "manifest.json", Manifest)
    assert set(manifest.outputs) == {"kernels.json", "roofline.png", "staircase.png", "README.md"}
    for name, digest in manifest.outputs.items():
        assert store.digest((checkout.roof / name).read_bytes()) == digest
    assert {kernel.name for kernel in roofline.kernels} == {"memcpy", "dot", "naive", "blocked", "einsum", "matmul"}
    patterns = {level: {b.pattern for b in roofline.bandwidth if b.level == level} for level in ("L1", "DRAM")}
    assert patterns == {"L1": {"load", "copy", "triad"}, "DRAM": {"load", "copy", "triad", "copy_streaming"}}
    assert roofline.faults == []
    peak = roofline.peak.fp32_fma_gflops
    assert peak.low <= peak.median <= peak.high <= peak.best
    # Whole instructions: no core does more than four 512-bit multiply-adds a cycle, or less than one scalar.
    assert 1 < roofline.peak.flops_per_cycle <= 128


def test_redraw_makes_the_same_artifacts(checkout):
    before = {
        name: (checkout.roof / name).read_bytes()
        for name in ("kernels.json", "roofline.png", "staircase.png", "README.md", "manifest.json")
    }
    done = checkout.run("--redraw", script=checkout.roofline)
    assert done.returncode == 0, done.stderr
    assert {name: (checkout.roof / name).read_bytes() for name in before} == before
