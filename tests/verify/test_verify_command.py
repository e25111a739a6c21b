"""`labkit verify`: its JSON, its text, its exit statuses, and hostile folders."""

import argparse
import json
import os
from pathlib import Path

import handed_in
import pytest
import submitted_sources as sources

from labkit.show import artifacts
from labkit.verify import command
from labkit.verify.calls import within
from labkit.verify.command import Verdict
from labkit.verify.outcome import Check


@pytest.fixture
def without_running(monkeypatch):
    monkeypatch.setattr(command, "PARTS", [part for part in command.PARTS if "functions" not in part.__module__])


def run(*folders: Path, as_json: bool = True) -> int:
    return command.run(
        argparse.Namespace(
            folders=list(folders), json=as_json, markdown=False, format=None, output=None, weights=None, watch=False
        )
    )


def test_what_labkit_draws_and_writes_is_valid_and_each_check_bears_the_number_of_a_demand(tmp_path, capsys):
    folder = handed_in.doctored(tmp_path / "a folder", bench=sources.source())
    artifacts.redraw(folder)
    assert run(folder) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"passed", "checks"}
    assert said["passed"] is True
    assert all(set(check) == {"name", "passed", "reason"} for check in said["checks"])
    assert [check for check in said["checks"] if not check["passed"]] == []
    names = [check["name"] for check in said["checks"]]
    assert len(set(names)) == len(names)
    demands = (Path(__file__).parents[2] / "docs" / "assignment.md").read_text("utf-8")
    assert {name for name in names if f"**{name.split()[0]}.**" not in demands} == set()


def test_one_demand_missed_is_status_1_and_said_in_the_text(tmp_path, capsys, without_running):
    folder = handed_in.doctored(tmp_path / "a folder", "results.json", lambda r: r["protocol"].update(seed=1))
    assert run(folder, as_json=False) == 1
    said = capsys.readouterr().out
    assert "NOT MET" in said
    assert "the seed is 1 and" in said
    assert "not a valid result" in said.splitlines()[-1]


def test_of_several_each_is_named_and_one_that_is_no_folder_is_status_2(tmp_path, capsys):
    folders = [handed_in.doctored(tmp_path / name, bench=sources.source()) for name in "ab"]
    (folders[1] / "README.md").unlink()
    assert run(*folders) == 1
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"passed", "results"}
    assert [(Path(one["folder"]).name, one["passed"]) for one in said["results"]] == [("a", True), ("b", False)]
    assert run(folders[0], tmp_path / "nowhere") == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert "nowhere is not a folder" in said.err
    assert json.loads(said.out)["checks"]
    assert run(tmp_path / "nowhere") == 2
    assert capsys.readouterr().out == ""


def test_an_empty_folder_is_a_submission_that_meets_nothing(tmp_path):
    verdict = command.verify(tmp_path)
    assert verdict.passed is False
    assert not [check for check in verdict.checks if check.passed]


def test_of_thirty_submissions_what_is_not_met_is_shown_and_the_count():
    def one(i):
        return Verdict(Path(f"s{i}"), [Check("A1 loops", i % 3 != 0, "a reason"), Check("B1 sizes", True, "met")])

    text = command.as_text([one(i) for i in range(30)], markdown=False)
    assert "20 of 30 are valid" in text
    assert text.count("a reason") == 10
    assert "B1" not in text


def test_no_control_character_of_a_submission_reaches_the_terminal():
    assert Check("A1", False, "\x1b[2J\x07text").reason == " [2J text"


HOSTILE = {
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link out of the folder": lambda path: path.symlink_to(__file__),
    "a link to itself": lambda path: path.symlink_to(path),
    "six gigabytes": lambda path: (path.touch(), os.truncate(path, 6 << 30)),
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("name", ["results.json", "manifest.json", "perf.png", "README.md", "bench.py"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_file_of_a_sane_size_is_said_and_not_waited_for(kind, name, tmp_path, without_running):
    folder = handed_in.doctored(tmp_path / "hostile")
    (folder / name).unlink()
    HOSTILE[kind](folder / name)
    with within(30):  # not a measure of speed: such a file would be read for ever
        verdict = command.verify(folder)
    reason = next(check.reason for check in verdict.checks if check.name.startswith("F1"))
    assert f"{name} " in reason
    assert "is empty" not in reason


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff\xfe", b"[]", b"[" * 200_000, b'{"a":' * 200_000, b'{"seed": 1e999}'],
    ids=lambda raw: repr(raw[:9]),
)
@pytest.mark.parametrize("name", ["results.json", "manifest.json"])
def test_a_record_that_cannot_be_read_is_refused_and_nothing_breaks(name, raw, tmp_path, without_running):
    folder = handed_in.doctored(tmp_path / "damaged")
    (folder / name).write_bytes(raw)
    checks = command.verify(folder).checks
    number = {"results.json": "G1", "manifest.json": "C1"}[name]
    assert next(check for check in checks if check.name.startswith(number)).passed is False


def test_a_page_of_megabytes_is_read_in_time(tmp_path, without_running):
    folder = handed_in.doctored(tmp_path / "large")
    for text in (b"1,234 " * 30_000, b"](" * 100_000, b"<!--" * 50_000, b"1. a\n" * 30_000, b"9" * 900_000):
        (folder / "README.md").write_bytes(text)
        with within(30):
            command.verify(folder)
