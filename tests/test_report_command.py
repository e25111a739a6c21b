"""`labkit report`, and the doctor whom it asks."""

import json
import sys

import pytest
from made_up_report import VEGA
from made_up_runs import run

from labkit import codec, commands
from labkit.errors import LabError
from labkit.report.opinion import ask
from labkit.report.vega import scripts

# --- the doctor as a process ------------------------------------------------------------------------


def says(text, status=0):
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({status})"]


WELL = json.dumps({"healthy": True, "findings": [], "checks": [], "facts": {"python": "3", "numpy": "2", "n": 1}})
FOUND = [{"level": "error", "check": "library", "seen": "none", "cost": None, "mend": "pip install numpy"}]
ILL = json.dumps({"healthy": False, "findings": FOUND, "checks": [], "facts": {"python": "3", "numpy": "2"}})


def test_the_doctors_json_is_read_with_either_verdict():
    assert ask(says(WELL)).facts.numpy == "2"
    assert ask(says(ILL, 1)).findings[0].mend == "pip install numpy"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (says("{}", 2), "could not tell"),
        (says("not JSON"), "could not be read"),
        (says(json.dumps({"findings": 3})), "could not be read"),
        ([sys.executable, "-c", "import time; time.sleep(9)"], "longer than"),
        (["/no/such/program"], "could not be started"),
    ],
)
def test_a_doctor_who_cannot_be_heard_is_a_reason(command, why):
    with pytest.raises(LabError, match=why):
        ask(command, seconds=9.0 if "9" not in command[-1] else 0.2)


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    made = run()
    (tmp_path / "results.json").write_bytes(codec.encode(made.results))
    (tmp_path / "manifest.json").write_bytes(codec.encode(made.manifest))
    return tmp_path


def test_the_command_writes_one_file_and_says_which(folder, capsys, monkeypatch):
    monkeypatch.setattr("labkit.report.vega.scripts", lambda: VEGA)
    out = folder / "out.html"
    assert commands.main(["report", str(folder), "--no-doctor", "--output", str(out)]) == 0
    assert "out.html" in capsys.readouterr().out
    assert "was not asked" in out.read_text(encoding="utf-8")
    assert {p.name for p in folder.iterdir()} == {"results.json", "manifest.json", "out.html"}


def test_the_command_asks_the_doctor_and_tells_when_he_cannot_say(folder, monkeypatch):
    monkeypatch.setattr("labkit.report.vega.scripts", lambda: VEGA)

    def ill():
        raise LabError("the doctor is out")

    monkeypatch.setattr("labkit.report.opinion.ask", ill)
    out = folder / "out.html"
    assert commands.main(["report", str(folder), "--output", str(out)]) == 0
    assert "the doctor is out" in out.read_text(encoding="utf-8")


def test_the_command_compares_several(folder, monkeypatch):
    monkeypatch.setattr("labkit.report.vega.scripts", lambda: VEGA)
    out = folder / "out.html"
    assert commands.main(["report", str(folder), str(folder), "--no-doctor", "--output", str(out)]) == 0
    assert "held against" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("output", ["no/such/folder/out.html", "."])
def test_what_cannot_be_written_is_one_line_and_status_2(folder, capsys, monkeypatch, output):
    monkeypatch.setattr("labkit.report.vega.scripts", lambda: VEGA)
    assert commands.main(["report", str(folder), "--no-doctor", "--output", str(folder / output)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_folder_without_results_is_one_line_and_status_2(tmp_path, capsys):
    assert commands.main(["report", str(tmp_path), "--no-doctor"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_libraries_are_there_to_be_inlined():
    bundle = scripts()
    assert "vegaEmbed" in bundle
    assert 500_000 < len(bundle) < 2_000_000
