"""What HEAD holds under experiments/: whole, valid, of one machine, and what follows from its own samples."""

import re

import committed
import pytest

from labkit.ladder.derive import derive as derive_ladder
from labkit.records import derive, find, io
from labkit.records.model import Ladder, Manifest, Results, Roofline
from labkit.roofline.derive import derive as derive_roofline
from labkit.verify.command import verify

EXPERIMENTS = (find.BENCH, find.ROOFLINE, find.LADDER)


def test_the_committed_result_is_a_valid_one_of_the_assignment():
    checks = verify(committed.experiment(find.BENCH)).checks
    assert [f"{check.name}: {check.reason}" for check in checks if check.passed is False] == []


def test_the_committed_run_is_all_of_the_assignment_and_spent_its_time_in_the_calls_it_had_to_make():
    run = find.read_run(committed.experiment(find.BENCH))
    results = run.results
    assert results.status == "complete"
    assert not results.protocol.quick
    assert results.speedup
    assert results.speedup.factor >= 50
    assert results.harness.share < 0.05
    assert run.roofline, "the roofline beside it is another machine's, or there is none"
    assert run.ladder, "the ladder beside it is another machine's, or there is none"


def test_every_committed_figure_follows_from_the_samples_beside_it():
    results = io.read(committed.experiment(find.BENCH) / io.RESULTS, Results)
    assert derive.results(results) == results
    roofline = io.read(committed.experiment(find.ROOFLINE) / io.KERNELS, Roofline)
    assert derive_roofline(roofline) == roofline
    ladder = io.read(committed.experiment(find.LADDER) / io.RESULTS, Ladder)
    assert derive_ladder(ladder) == ladder


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_committed_artifact_is_the_one_that_its_manifest_names(name: str):
    folder = committed.experiment(name)
    outputs = io.read(folder / io.MANIFEST, Manifest).outputs
    assert {file: io.digest((folder / file).read_bytes()) for file in outputs} == outputs
    assert {path.name for path in folder.glob("*.json")} - {io.MANIFEST, io.REPEAT} <= outputs.keys()


def test_no_committed_record_has_an_absolute_path():
    records = list(committed.root().glob("experiments/*/*.json"))
    assert records
    for path in records:
        assert not re.search(r'"(/|[A-Z]:\\)', path.read_text("utf-8")), path.name
