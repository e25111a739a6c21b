"""A course: each submission in a process of its own, verdicts as graders take them, what is alike."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import handed_in
import pytest
import submitted_sources as sources

from labkit import cli
from labkit.errors import UserError
from labkit.verify import course, grading
from labkit.verify.grading import Verdict
from labkit.verify.outcome import Check

CHECKS = [
    Check("A1 naive is a triple loop", True, "met"),
    Check("A5 the functions agree", False, "C[i, k] <is> & \u2260"),
    Check("B4 a call before timing", None, "not said"),
]
VERDICT = Verdict(Path("=cmd|ada"), CHECKS)


@pytest.mark.parametrize(("weights", "portion"), [({}, 0.5), ({"A": 1, "A5": 3}, 0.25), ({"A5": 0}, 1.0)])
def test_points_follow_the_weights_and_what_is_unknown_costs_nothing(weights, portion):
    assert grading.portion(VERDICT, weights) == portion
    given = {name: write(VERDICT, weights) for name, write in grading.ONE.items()}
    assert given["gradescope"]["score"] == 100 * portion
    assert given["prairielearn"]["score"] == portion
    assert given["classroom50"]["score"] == portion * given["classroom50"]["max-score"]
    for name, (score, most) in {"gradescope": ("score", "max_score"), "prairielearn": ("points", "max_points")}.items():
        tests = given[name]["tests"]
        assert len(tests) == 3
        assert sum(t.get(score, 0) for t in tests) == portion * sum(t.get(most, 0) for t in tests)


def test_a_folder_without_anything_gets_no_points():
    nothing = Verdict(Path("x"), [Check("F1 files", False, "none"), Check("A1 loops", None, "no bench.py")])
    assert grading.portion(nothing, {}) == 0


def test_what_is_unknown_as_bench_does_not_run_or_the_record_cannot_be_read_counts_as_missed():
    met, idle = Check("D1 a figure", True, ""), [Check("F2 bench.py imports", False, ""), Check("A1 loops", None, "")]
    assert grading.portion(Verdict(Path("x"), [met, *idle]), {}) == pytest.approx(1 / 3)
    unread = [Check("G1 what follows", False, ""), Check("B1 sizes", None, ""), Check("B4 warm-up", None, "")]
    assert grading.portion(Verdict(Path("x"), [met, *unread]), {}) == 1 / 4
    assert grading.portion(Verdict(Path("x"), [met, Check("B1 sizes", True, ""), *unread]), {}) == 2 / 3


def test_classroom_50_names_the_submission_by_its_runners_variables_in_whole_numbers(monkeypatch):
    for variable in grading.CLASSROOM_50.values():
        monkeypatch.setenv(variable, variable.lower())
    given = grading.classroom50(VERDICT, {"A": 0.5})
    assert (given["schema"], given["submission"]) == ("classroom50/result/v1", "submission_tag")
    assert all(type(test[key]) is int for test in given["tests"] for key in ("score", "max-score"))
    assert [test["passed"] for test in given["tests"]] == [True, False]


def test_junit_and_the_spreadsheet_hold_every_check_and_no_formula():
    suite = ElementTree.fromstring(grading.junit([VERDICT, VERDICT], {}).partition("\n")[2])
    assert [len(one) for one in suite] == [3, 3]
    assert len(suite.findall(".//failure")) == len(suite.findall(".//skipped")) == 2
    (row,) = csv.DictReader(io.StringIO(grading.spreadsheet([VERDICT], {})))
    assert row["folder"] == "'=cmd|ada"
    assert (row["valid"], float(row["points"])) == ("no", 50.0)
    assert [row[check.name] for check in CHECKS] == ["met", "not met", "unknown"]


@pytest.mark.parametrize("text", ["[]", "{", '{"A": "x"}', '{"A": -1}', '{"Z9": 1}'])
def test_weights_that_are_none_are_said_to_be(text, tmp_path):
    (tmp_path / "weights.json").write_text(text)
    with pytest.raises(UserError, match=r"weights\.json"):
        grading.read_weights(tmp_path / "weights.json")


KILLS = "import ctypes, os\nctypes.CDLL(None).kill(os.getppid(), 9)\n"
FLOODS = "import os\nfor i in range(300):\n    os.write(1, b'x' * 100_000)\nraise SystemExit(3)\n"


def test_one_that_kills_its_parent_and_one_that_floods_do_not_stop_the_others(tmp_path, capsys):
    benches = {"honest": sources.source(), "kills": KILLS, "floods": FLOODS}
    folders = [handed_in.doctored(tmp_path / name, bench=bench) for name, bench in benches.items()]
    shutil.make_archive(str(tmp_path / "packed"), "zip", folders[0])
    out = tmp_path / "verdicts.csv"
    paths = [str(path) for path in (*folders, tmp_path / "packed.zip")]
    assert cli.main(["verify", *paths, "--format", "csv", "--output", str(out)]) == 1
    rows = list(csv.DictReader(out.open()))
    assert [row["valid"] for row in rows] == ["yes", "no", "no", "yes"]
    assert capsys.readouterr().out == ""


def test_a_service_gets_one_submission(tmp_path):
    assert cli.main(["verify", str(tmp_path), str(tmp_path), "--format", "gradescope"]) == 2


def test_the_same_times_and_the_same_source_under_other_names_are_pointed_out(tmp_path):
    a = handed_in.doctored(tmp_path / "a", bench=sources.source())
    renamed = sources.source().replace("block_size", "size").replace("rng", "generator")
    handed_in.write(tmp_path / "b", handed_in.files_of(handed_in.measurement(1024)), f"# mine\n{renamed}")
    c = handed_in.doctored(tmp_path / "c", bench=next(iter(sources.sections("honest.txt")))[1])
    said = list(course.alike([a, tmp_path / "b"]))
    assert any("the same source" in line for line in said)
    said = list(course.alike([a, c]))
    assert len(said) == 1
    assert "the same sample times" in said[0]


@pytest.mark.parametrize("installed", [True, False])
def test_the_gradescope_folder_leaves_a_result_whatever_happens(installed, tmp_path):
    handed_in.doctored(tmp_path / "submission", bench=sources.source())
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "weights.json").write_text('{"A": 2}')
    if installed:
        (tmp_path / "labkit").symlink_to(sys.prefix)
    script = Path(__file__).parents[2] / "grading" / "gradescope" / "run_autograder"
    subprocess.run(["sh", script], env={"AUTOGRADER": str(tmp_path), "PATH": os.defpath}, check=True)
    given = json.loads((tmp_path / "results" / "results.json").read_text())
    assert given["score"] == (100 if installed else 0)
    assert {test["max_score"] for test in given.get("tests", []) if "max_score" in test} == (
        {1, 2} if installed else set()
    )


def test_the_most_missed_demand_stands_first():
    verdicts = [Verdict(Path(str(i)), [Check("A", i > 2, ""), Check("B", i > 0, "")]) for i in range(5)]
    assert course.missed(verdicts) == [("A", 3), ("B", 1)]
