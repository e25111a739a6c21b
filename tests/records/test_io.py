"""Files at the rim: written whole or not at all, one run a folder, every refusal one clear line."""

import errno
import io as streams
import json
import os
from pathlib import Path

import made_up
import pytest
from damage import one_line
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import UserError
from labkit.records import io
from labkit.records.model import Ladder, Manifest, Repeat, Results, Roofline, Series

OLD = {"a.json": b"old a", "b.png": b"old b"}


def refuse(code):
    """A call that the operating system refuses."""

    def call(*_args, **_options):
        raise OSError(code, os.strerror(code))

    return call


@pytest.fixture
def output(tmp_path):
    """An output folder with an old set in it."""
    folder = tmp_path / "out"
    folder.mkdir()
    for name, data in OLD.items():
        (folder / name).write_bytes(data)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# --- JSON -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (Results, made_up.results),
        (Manifest, made_up.manifest),
        (Roofline, made_up.roofline),
        (Ladder, made_up.ladder),
        (Repeat, made_up.repeat),
    ],
)
def test_what_is_written_is_what_is_read_and_fields_of_a_newer_version_are_passed_over(kind, made):
    record = made()
    raw = io.encode(record)
    assert raw.endswith(b"}\n")
    assert io.decode(raw, kind, "x.json") == record
    newer = {**json.loads(raw), "weather": "fine"}
    assert io.decode(json.dumps(newer).encode(), kind, "x.json") == record


@given(st.lists(st.floats(1e-14, 1e8), min_size=1, max_size=8))
def test_arrays_of_numbers_stand_on_one_line_each_and_keep_every_bit(seconds):
    n = len(seconds)
    series = Series(name="a, b", n=1, seconds=seconds, steal_seconds=[None] * n, rounds=list(range(n)))
    raw = io.encode(series)
    for name in (b"seconds", b"steal_seconds", b"rounds"):
        [line] = [line for line in raw.splitlines() if b'"%s": [' % name in line]
        assert line.rstrip(b",").endswith(b"]")
    assert io.decode(raw, Series, "x.json") == series


def test_a_record_that_is_not_there_is_one_line_with_its_fix_and_without_the_machine_s_path(tmp_path):
    with pytest.raises(UserError, match=r"^cannot read results\.json: No such file or directory; run it$") as error:
        io.read(tmp_path / "results.json", Results, fix="run it")
    assert str(tmp_path) not in str(error.value)
    assert io.read_if_there(tmp_path / "results.json", Results) is None


# --- writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_failed_write_is_one_line_and_leaves_the_old_file_whole(output, monkeypatch, refused, code):
    monkeypatch.setattr(os, refused, refuse(code))
    with pytest.raises(UserError, match=r"cannot write a\.json: .*--output") as error:
        io.write_atomically(output / "a.json", b"new")
    assert one_line(str(error.value))
    assert contents(output) == OLD  # no temporary file left either


def test_a_write_that_is_interrupted_leaves_the_old_file_and_no_other(output, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        io.write_atomically(output / "a.json", b"new")
    assert contents(output) == OLD


def test_a_written_file_is_on_the_disk_before_it_takes_the_old_one_s_name(output, monkeypatch):
    said = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (said.append(name), real(*a)))
    io.write_all(output, {"a.json": b"new", "c.md": b"more"})
    assert said == ["fsync", "replace"] * 2
    assert contents(output) == {**OLD, "a.json": b"new", "c.md": b"more"}
    assert (output / "a.json").stat().st_mode & 0o777 == 0o644


# --- before measuring ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "says"), [(errno.EROFS, "Read-only file system; .*--output"), (errno.ENOSPC, "No space")]
)
def test_a_disk_that_cannot_be_written_is_found_before_measuring(output, monkeypatch, code, says):
    monkeypatch.setattr(io.tempfile, "NamedTemporaryFile", refuse(code))
    with pytest.raises(UserError, match=rf"cannot write into \.state: {says}") as error:
        io.check_writable(output, Results)
    assert one_line(str(error.value))
    assert str(output) not in str(error.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_found_by_writing_and_not_only_by_making_a_file(output, monkeypatch):
    monkeypatch.setattr(io.tempfile, "NamedTemporaryFile", lambda **_: streams.FileIO("/dev/full", "w"))
    with pytest.raises(UserError, match="No space left on device; free some space"):
        io.check_writable(output, Results)


def test_room_for_a_run_is_tried_and_nothing_is_left_of_the_trial_nor_of_one_that_was_killed(output, monkeypatch):
    asked, files = {}, io.tempfile.NamedTemporaryFile

    def spy(**options):
        file = files(**options)
        file.flush = lambda: asked.__setitem__(options["dir"], file.tell())
        return file

    monkeypatch.setattr(io.tempfile, "NamedTemporaryFile", spy)
    io.state_folder(output).joinpath(".spare.killed").write_bytes(b"left")
    io.check_writable(output, Results)
    assert asked == {output / io.STATE: io.SPARE_BYTES, output: 0}
    assert io.SPARE_BYTES >= 1 << 20
    assert contents(output) == OLD
    assert list((output / io.STATE).iterdir()) == []


def test_a_file_in_the_way_of_the_output_folder_is_named(output):
    with pytest.raises(
        UserError, match=r"cannot make the folder a\.json/\.state: .*a file is where a folder is needed"
    ):
        io.state_folder(output / "a.json")


def test_a_second_run_into_the_same_folder_is_refused_until_the_first_ends(output):
    with io.locked(output):
        for wait in (0.0, 0.05):
            with pytest.raises(UserError, match="another run is measuring into out") as error:
                io.locked(output, wait).__enter__()
        assert one_line(str(error.value))
    with pytest.raises(ZeroDivisionError), io.locked(output):
        raise ZeroDivisionError  # a run that fails gives it back, too
    with io.locked(output):
        pass
