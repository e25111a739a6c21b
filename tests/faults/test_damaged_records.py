"""Each record cut short, corrupted, emptied or replaced by a folder: taken as valid, or refused by name in one line."""

import copy
import itertools
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import bench
import made_up
import pytest
import roof_source
from faulty import Disk, Fault, KilledError, put_back
from little_lab import assert_whole, journalled, journals, one_line, refusal_of

from labkit import codec, store
from labkit.records import Manifest, Results, Roofline

FOLDER = object()  # instead of bytes: a folder stands in the file's place
# What a number, a text, a list or an object may have become.
OTHERS = ("text", "", "\n", -1, 0, 0.5, 10**30, 1e308, -1e-320, None, True, [], [[]], {}, {"a": []})


def damaged_bytes(raw: bytes) -> Iterator[tuple[str, Any]]:
    """Any file, damaged without regard to what is in it."""
    for twentieth in range(20):
        yield f"cut after {twentieth}/20", raw[: len(raw) * twentieth // 20]
    for fortieth in range(40):
        at = len(raw) * fortieth // 40
        for mask in (0x01, 0x80):
            yield f"byte {at} xor {mask:#x}", raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]
        yield f"a byte inserted at {at}", raw[:at] + b"\0" + raw[at:]
    yield "a block of nothing", raw[: len(raw) // 3] + bytes(len(raw) // 3) + raw[2 * len(raw) // 3 :]
    yield "text that is no UTF-8", raw.replace(b'"', b'"\xff', 3)
    yield "another coding", raw.decode().encode("utf-16")
    yield "twice", raw + raw
    yield "endless nesting", b'{"config": ' + b'{"a":' * 50_000
    yield "a folder in its place", FOLDER


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value; of a list the first and the last stand for all."""
    if at:
        yield at
    if isinstance(document, dict):
        for name, value in document.items():
            yield from places(value, (*at, name))
    if isinstance(document, list):
        for i in sorted({0, len(document) - 1} if document else ()):
            yield from places(document[i], (*at, i))


def damaged_document(document: Any) -> Iterator[tuple[str, Any]]:
    """A JSON document with one value gone or become another: each value four others in turn."""
    turns = itertools.cycle(OTHERS)
    for at in places(document):
        for other in (FOLDER, *itertools.islice(turns, 4)):
            changed = copy.deepcopy(document)
            inside = changed
            for step in at[:-1]:
                inside = inside[step]
            if other is FOLDER:
                del inside[at[-1]]
            else:
                inside[at[-1]] = other
            yield f"{'.'.join(map(str, at))} {'gone' if other is FOLDER else f'is {other!r:.20}'}", changed


def put(path: Any, content: Any) -> None:
    """Put it where the file was."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if content is FOLDER:
        path.mkdir()
        (path / "file").write_bytes(b"")
    else:
        path.write_bytes(content)


RECORDS = {
    "results.json": (Results, lambda: made_up.results("64,128", "naive,blocked,matmul")),
    "manifest.json": (Manifest, made_up.manifest),
    "kernels.json": (Roofline, made_up.roofline),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_is_refused_by_its_name_in_one_line_or_read(tmp_path, name):
    kind, made = RECORDS[name]
    path, raw = tmp_path / name, codec.encode(made())
    changed = damaged_document(json.loads(raw))
    ends: Counter[bool] = Counter()
    for what, content in (*damaged_bytes(raw), *((what, json.dumps(c).encode()) for what, c in changed)):
        put(path, content)
        refusal = refusal_of(lambda: codec.encode(codec.read(path, kind)), what)  # what is valid can be written again
        ends[refusal is None] += 1
        if refusal:
            assert one_line(refusal), what
            assert name in refusal, what
    assert ends[False] > ends[True]


@pytest.mark.parametrize("cell", [{"n": 10**200, "flops": 2 * 10**600}, {"method": "na\nive\n", "flops": 1}])
def test_a_number_that_no_float_holds_or_a_name_of_two_lines_is_refused_in_one_line(tmp_path, cell):
    document = json.loads(codec.encode(made_up.results("64,128", "naive,matmul")))
    document["cells"][0] |= cell
    (tmp_path / "results.json").write_text(json.dumps(document))
    assert one_line(refusal_of(lambda: codec.read(tmp_path / "results.json", Results), str(cell)))


def test_a_damaged_record_of_the_roof_is_refused_or_measured_anew_and_never_used(tmp_path, monkeypatch):
    identity = made_up.roofline().machine
    monkeypatch.setattr(roof_source, "ROOFLINE", tmp_path)
    monkeypatch.setattr(roof_source, "_measure", lambda *_: "measured anew")
    raw = codec.encode(made_up.roofline())
    path = tmp_path / "kernels.json"
    (store.state_folder(tmp_path) / roof_source.MARKER).write_text(store.digest(raw))
    used: list[Any] = []
    for what, content in damaged_bytes(raw):
        put(path, content)
        refusal = refusal_of(lambda: used.append(roof_source.obtain(identity, tmp_path, lambda _: None)), what)
        if refusal:
            assert one_line(refusal), what
            assert "kernels.json" in refusal, what
    assert set(used) <= {"measured anew"}
    put(path, raw)
    assert roof_source.obtain(identity, tmp_path, lambda _: None) == made_up.roofline()


# --- in the lab -------------------------------------------------------------------------------------


@pytest.fixture
def finished(lab, tmp_path):
    """A folder with a complete set in it."""
    output = tmp_path / "out"
    assert lab.run(output).status == 0
    return output


@pytest.fixture
def stopped(lab, tmp_path):
    """A folder with a run in it that was killed in the second pass: a set, and a journal to go on from."""
    output = tmp_path / "stopped"
    with Disk(output, Fault(130, kill=True)).mounted(), pytest.raises(KilledError):
        lab.run(output)
    assert len(journalled(output)) > 20
    assert (output / "results.json").exists()
    return output


@pytest.mark.parametrize("name", ["results.json", "manifest.json"])
def test_drawing_again_from_a_damaged_record_is_refused_by_its_name_and_changes_nothing(lab, finished, name):
    raw = (finished / name).read_bytes()
    for what, content in damaged_bytes(raw):
        put(finished / name, content)
        before = {p.name: p.read_bytes() for p in finished.iterdir() if p.is_file()}
        ended = lab.run(finished, redraw=True)
        if ended.refusal:
            assert one_line(ended.refusal), what
            assert name in ended.refusal, what
            assert {p.name: p.read_bytes() for p in finished.iterdir() if p.is_file()} == before, what
    put(finished / name, raw)
    assert lab.run(finished, redraw=True).status == 0


@pytest.mark.parametrize("name", ["results.json", "manifest.json", "perf.png", "README.md", ".state/lock"])
def test_a_folder_where_a_file_is_to_be_put_is_named_and_once_it_is_gone_the_run_goes_on(lab, stopped, name):
    put(stopped / name, FOLDER)
    ended, kept = lab.run(stopped), journalled(stopped)
    assert one_line(ended.refusal)
    assert name.removeprefix(".state/") in ended.refusal
    shutil.rmtree(stopped / name)
    assert_whole(stopped, lab.run(stopped), kept)


def copied(stopped, folder):
    shutil.copytree(stopped, folder)
    [path] = journals(folder)
    return folder, path


def goes_on_or_refuses(lab, stopped, folder, damage, what):
    """Whether the run went on from the journal damaged so; if it did, with no repetition twice and none made up."""
    output, path = copied(stopped, folder)
    put(path, damage)
    try:
        ended = lab.run(output)
    except Exception as error:
        error.add_note(what)
        raise
    if ended.refusal:
        assert one_line(ended.refusal), what
        assert path.name in ended.refusal or "the journal of the unfinished run" in ended.refusal, what
        assert "--fresh" in ended.refusal or "folder" in ended.refusal, what
        return False
    visits = Counter((m, n, r.round) for m, n, r in held(lab))
    assert max(visits.values()) == 1, what
    assert ended.status in (0, 1), what  # 1: a set that says itself that it is invalid
    return True


def held(lab):
    """Every repetition of the last run with its cell."""
    return [(*cell.workload.key, r) for cell in lab.experiment.cells for r in cell.workload.repetitions]


def test_a_journal_damaged_anywhere_is_gone_on_from_or_refused_by_its_name(lab, stopped, tmp_path):
    raw = journals(stopped)[0].read_bytes()
    ends = [
        goes_on_or_refuses(lab, stopped, tmp_path / str(i), content, what)
        for i, (what, content) in enumerate(damaged_bytes(raw))
    ]
    assert set(ends) == {True, False}


def one_of_each_kind(lines):
    """The place of a line of each kind in a journal, the header apart."""
    return {json.loads(line)["kind"]: i for i, line in enumerate(lines) if i}.items()


def test_an_entry_of_the_journal_with_a_field_gone_or_of_another_kind_is_refused_or_gone_on_from(
    lab, stopped, tmp_path
):
    lines = journals(stopped)[0].read_bytes().splitlines(keepends=True)
    count = 0
    for _, i in one_of_each_kind(lines):
        for what, entry in damaged_document(json.loads(lines[i])):
            count += 1
            raw = b"".join([*lines[:i], json.dumps(entry).encode() + b"\n", *lines[i + 1 :]])
            goes_on_or_refuses(lab, stopped, tmp_path / str(count), raw, f"{what} in {lines[i]!r}")


def test_a_line_of_the_journal_that_stands_there_twice_is_counted_once(lab, stopped, tmp_path):
    lines = journals(stopped)[0].read_bytes().splitlines(keepends=True)
    kept = journalled(stopped)
    repetitions = [i for i, line in enumerate(lines) if b'"repetition"' in line]
    for count, i in enumerate(repetitions):
        for place in (i, len(lines)):
            output, path = copied(stopped, tmp_path / f"{count} {place}")
            path.write_bytes(b"".join([*lines[:place], lines[i], *lines[place:]]))
            assert_whole(output, lab.run(output), kept)
        if count == 5:
            break
    output, path = copied(stopped, tmp_path / "all")
    path.write_bytes(b"".join([*lines, *lines[1:]]))
    assert_whole(output, lab.run(output), kept)


def test_two_accounts_of_one_repetition_are_refused(lab, stopped):
    [path] = journals(stopped)
    lines = path.read_bytes().splitlines(keepends=True)
    entry = json.loads(lines[-1])
    path.write_bytes(b"".join(lines) + json.dumps(entry | {"seconds": 2 * entry["seconds"]}).encode() + b"\n")
    ended = lab.run(stopped)
    assert f"{path.name} is damaged at line {len(lines) + 1}" in ended.refusal


def test_lines_of_the_journal_that_have_changed_places_lose_nothing(lab, stopped, tmp_path):
    lines = journals(stopped)[0].read_bytes().splitlines(keepends=True)
    kept = journalled(stopped)
    for i in range(1, len(lines) - 1, 4):
        output, path = copied(stopped, tmp_path / str(i))
        path.write_bytes(b"".join([*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]))
        assert_whole(output, lab.run(output), kept)


def test_a_damaged_index_of_a_set_cut_short_is_followed_or_refused_and_once_it_is_gone_the_run_goes_on(
    lab, disk, tmp_path
):
    # The state between two renames: the set is half in place, and the index says what is still to come.
    moment = [state for moment, state in disk.states if "replace .state/stage-*/README.md" in moment][-1]
    [index] = [name for name in moment if name.endswith("/index.json")]
    folder = tmp_path / "refused"
    documents = [(what, json.dumps(d).encode()) for what, d in damaged_document(json.loads(moment[index]))]
    refused = 0
    for what, content in (*damaged_bytes(moment[index]), *documents):
        put_back(folder, moment)
        put(folder / index, content)
        refusal = refusal_of(lambda: store.settle(folder), what)
        if refusal:
            refused += 1
            assert one_line(refusal), what
            assert "index.json" in refusal or "cannot write" in refusal, what
            if refused % 20 == 1:
                assert lab.run(folder).refusal == refusal, what
                shutil.rmtree((folder / index).parent)
                assert_whole(folder, lab.run(folder), [])
    assert refused > 20


def test_damaged_records_at_the_command_line_are_one_line_and_exit_status_2(lab, finished, tmp_path):
    damages = {
        "results.json": (finished / "results.json").read_bytes()[:-200],
        "manifest.json": b'{"experiment": "\xff"}',
        "perf.png": FOLDER,
    }
    commands = []
    for name, content in damages.items():
        output = shutil.copytree(finished, tmp_path / name)
        put(output / name, content)
        command = [sys.executable, bench.__file__, "--redraw", "--output", str(output)]
        commands.append((name, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
    for name, process in commands:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2, said
        assert one_line(said.strip()), said
        assert name in said
