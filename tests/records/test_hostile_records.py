"""Records that were handed in to do harm end each command that reads them in one line, and rule no terminal."""

import csv
import json
import os

import handed_in
import pytest

from labkit import cli
from labkit.show import tables
from labkit.verify.calls import within

COMMANDS = {
    "compare": ("compare", "GOOD", "BAD"),
    "report": ("report", "GOOD", "BAD", "--output", "OUT"),
    "export": ("export", "BAD", "--format", "csv", "--output", "OUT"),
}


def nested(path):
    manifest = json.loads(handed_in.valid_files(512)["manifest.json"])
    for _ in range(900):
        manifest["config"] = {"a": manifest["config"]}
    path.write_text(json.dumps(manifest))


HARMFUL = {
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link out of the folder": lambda path: path.symlink_to(path.parents[1] / "good" / path.name),
    "a link to itself": lambda path: path.symlink_to(path),
    "six gigabytes": lambda path: (path.touch(), os.truncate(path, 6 << 30)),
    "200,000 levels": lambda path: path.write_bytes(b'{"config":' * 200_000),
    "900 levels of a config": nested,
}


def run(command, folder, *others):
    names = {"GOOD": folder / "good", "BAD": folder / "bad", "OUT": folder / "out"}
    return cli.main([str(names.get(word, word)) for word in COMMANDS[command]])


@pytest.fixture
def folder(tmp_path):
    for name in ("good", "bad"):
        handed_in.doctored(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", HARMFUL)
def test_a_harmful_file_is_one_line_and_status_2_and_not_waited_for(kind, command, folder, capsys):
    (folder / "bad" / "manifest.json").unlink()
    HARMFUL[kind](folder / "bad" / "manifest.json")
    with within(30):  # not a measure of speed: such a file would be read for ever
        assert run(command, folder) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "manifest.json" in said


ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\r\n::error::gone"


@pytest.mark.parametrize("escaped", [True, False], ids=["as JSON escapes", "as they are"])
def test_no_control_character_of_a_record_reaches_the_output(escaped, folder, capsys):
    for name in ("results.json", "manifest.json"):
        path = folder / "bad" / name
        record = json.loads(path.read_text())
        (record if name == "results.json" else record["hardware"])["short_name"] = ESCAPES
        if name == "manifest.json":
            record["hardware"]["cpu"] = record["versions"]["numpy"] = record["git"]["commit"] = ESCAPES
        path.write_text(json.dumps(record, ensure_ascii=escaped))
    for command in COMMANDS:
        assert run(command, folder) == 0
        out = folder / "out"
        said = capsys.readouterr().out
        text = said + (out.read_text() if out.exists() else "")
        assert not [c for c in text if not c.isprintable() and c not in "\n\t\u00a0\u2009\u202f"]
        assert "\n::error" not in said


def test_no_cell_of_a_spreadsheet_is_a_formula(folder):
    path = folder / "bad" / "manifest.json"
    for start in ("=", "+", "-", "@", "\t=", "\r@"):
        manifest = json.loads(path.read_text())
        manifest["hardware"]["cpu"] = f"{start}HYPERLINK(1)"
        path.write_text(json.dumps(manifest))
        assert run("export", folder) == 0
        rows = list(csv.DictReader((folder / "out").open()))
        assert rows
        assert not [cell for row in rows for cell in row.values() if cell and cell[0] in "=+-@\t\r"]


def test_a_line_end_in_a_cell_begins_no_line():
    assert len(tables.terminal(tables.Table("", "l", ("head",), [("CPU\n::error::gone",)]), 80).splitlines()) == 2


@pytest.mark.parametrize("columns", [0, 1, 20, 30, 80])
def test_a_table_survives_any_width_and_keeps_every_word(columns):
    shown = tables.terminal(tables.Table("Title", "lr", ("method", "GFLOPS"), [("np.matmul", "92.7")] * 3), columns)
    assert "".join(shown.split()).count("np.matmul") == 3
