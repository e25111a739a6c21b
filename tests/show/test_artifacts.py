"""Redrawing: pages and figures are made from the records in a folder, and digests tell whether one was changed."""

import re
import shutil
from pathlib import Path

import committed
import made_up
import pytest

from labkit.cli import main
from labkit.errors import UserError
from labkit.records import find, io
from labkit.records.model import Manifest, Repeat
from labkit.show import artifacts

EXPERIMENTS = (find.BENCH, find.ROOFLINE, find.LADDER)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """The folders of all experiments, of one machine, redrawn."""
    root = tmp_path_factory.mktemp("experiments")
    made_up.write(root / find.BENCH)
    (root / find.BENCH / io.REPEAT).write_bytes(io.encode(made_up.repeat()))
    for name, file, record in (
        (find.ROOFLINE, io.KERNELS, made_up.roofline()),
        (find.LADDER, io.RESULTS, made_up.ladder()),
    ):
        (root / name).mkdir()
        (root / name / file).write_bytes(io.encode(record))
        (root / name / io.MANIFEST).write_bytes(io.encode(made_up.manifest(name)))
    for name in EXPERIMENTS:
        artifacts.redraw(root / name)
    return root


def test_each_record_gets_its_figures_its_page_and_the_digests_of_all(drawn):
    expected = ("results.json perf.png", "kernels.json roofline.png bandwidth.png", "results.json ladder.png")
    for name, files in zip(EXPERIMENTS, expected, strict=True):
        outputs = io.read(drawn / name / io.MANIFEST, Manifest).outputs
        assert set(outputs) == {*files.split(), "README.md"}
        for file, digest in outputs.items():
            assert io.digest((drawn / name / file).read_bytes()) == digest, file
    outputs = io.read(drawn / find.BENCH / io.REPEAT, Repeat).manifest.outputs
    assert outputs["repeat.md"] == io.digest((drawn / find.BENCH / "repeat.md").read_bytes())


def test_pages_show_what_stands_beside_their_record_and_link_to_what_is_there(drawn):
    assert "are those of the [benchmark]" in (drawn / find.ROOFLINE / "README.md").read_text("utf-8")
    assert "The [ladder]" in (drawn / find.BENCH / "README.md").read_text("utf-8")
    for page in drawn.glob("*/*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists() or target == "gemm.md", (page.name, target)


def test_redrawing_changes_nothing_the_second_time_and_no_neighbour(drawn):
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in drawn.glob("*/*") if path.is_file()}  # the lock's folder is none

    before = files()
    assert main(["redraw", str(drawn / find.BENCH)]) == 0
    assert files() == before


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda folder: (folder / io.RESULTS).unlink(), "has no record.*measure first"),
        (lambda folder: (folder / io.RESULTS).write_text("{"), r"results\.json is not a valid results record"),
        (lambda folder: (folder / io.MANIFEST).unlink(), r"manifest\.json.*measure again, or restore it from git"),
    ],
)
def test_a_record_that_is_missing_or_damaged_is_one_line_that_says_what_to_do(break_it, says, tmp_path, capsys):
    folder = made_up.write(tmp_path / "lab")
    break_it(folder)
    with pytest.raises(UserError, match=says):
        artifacts.redraw(folder)
    assert main(["redraw", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (folder / "perf.png").exists()


def test_repeated_runs_of_an_older_version_do_not_keep_the_benchmark_from_its_page(tmp_path):
    folder = made_up.write(tmp_path / "lab")
    (folder / io.REPEAT).write_text('{"schema": "repeat/1"}')
    assert artifacts.redraw(folder) == ["perf.png", "README.md", "manifest.json"]
    (folder / io.RESULTS).unlink()
    with pytest.raises(UserError, match=r"repeat\.json has the schema repeat/1, of an older version"):
        artifacts.redraw(folder)


# --- what is committed ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory) -> Path:
    """The committed experiments beside each other, redrawn: the pages show the records of their neighbours too."""
    root = tmp_path_factory.mktemp("committed") / "experiments"
    shutil.copytree(committed.root() / "experiments", root)
    for name in EXPERIMENTS:
        artifacts.redraw(root / name)
    return root


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_committed_pages_are_what_their_records_make(name, redrawn):
    for page in committed.experiment(name).glob("*.md"):
        made = (redrawn / name / page.name).read_text("utf-8")
        assert page.read_text("utf-8") == made, f"run 'labkit redraw experiments/{name}', and commit the page"


def test_the_committed_pages_withhold_nothing_and_show_the_records_beside_theirs(redrawn):
    benchmark, roofline = ((redrawn / name / "README.md").read_text("utf-8") for name in (find.BENCH, find.ROOFLINE))
    assert not re.search("Withheld|This run does not have", benchmark)
    assert "The [ladder]" in benchmark
    assert "are those of the [benchmark]" in roofline
