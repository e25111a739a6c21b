"""What is committed under experiments/: whole, valid, and what follows from its own samples."""

from pathlib import Path

import pytest

from labkit.ladder.derive import derive as derive_ladder
from labkit.records import derive, find, io
from labkit.records.model import Ladder, Manifest, Results, Roofline
from labkit.roofline.derive import derive as derive_roofline
from labkit.verify.command import verify

BENCH, ROOFLINE, LADDER = (find.experiment(name) for name in (find.BENCH, find.ROOFLINE, find.LADDER))


def test_the_committed_result_is_a_valid_one_of_the_assignment():
    assert [f"{check.name}: {check.reason}" for check in verify(BENCH).checks if check.passed is False] == []


def test_the_committed_run_is_complete_and_spent_its_time_in_the_calls_it_had_to_make():
    results = io.read(BENCH / io.RESULTS, Results)
    assert results.status == "complete"
    assert not results.protocol.quick
    assert results.speedup
    assert results.speedup.factor >= 50
    assert results.harness.share < 0.05


def test_every_committed_figure_follows_from_the_samples_beside_it():
    results = io.read(BENCH / io.RESULTS, Results)
    assert derive.results(results) == results
    roofline = io.read(ROOFLINE / io.KERNELS, Roofline)
    assert derive_roofline(roofline) == roofline
    ladder = io.read(LADDER / io.RESULTS, Ladder)
    assert derive_ladder(ladder) == ladder


@pytest.mark.parametrize("folder", [BENCH, ROOFLINE, LADDER], ids=lambda folder: folder.name)
def test_every_committed_artifact_is_the_one_that_its_manifest_names(folder: Path):
    outputs = io.read(folder / io.MANIFEST, Manifest).outputs
    assert {name: io.digest((folder / name).read_bytes()) for name in outputs} == outputs
    assert {path.name for path in folder.glob("*.json")} - {io.MANIFEST, io.REPEAT} <= outputs.keys()
