"""Files at the rim: a stop at any moment leaves something whole, and every refusal is one clear line."""

import contextlib
import errno
import io
import os
from pathlib import Path

import pytest

from labkit import store
from labkit.errors import LabError
from labkit.store import Journal

HEADER = {"fingerprint": "abc"}
OLD = {"a.json": b"old a", "b.png": b"old b", "c.md": b"old c"}
NEW = {name: data.replace(b"old", b"new") for name, data in OLD.items()}
TARGETS = {name: name for name in NEW}


def refuse(code):
    """A call that the operating system refuses."""

    def call(*_args, **_options):
        raise OSError(code, os.strerror(code))

    return call


def one_line(error):
    message = str(error.value)
    return "\n" not in message and len(message) < 200


@pytest.fixture
def output(tmp_path):
    """An output folder with a whole old set in it."""
    folder = tmp_path / "out"
    folder.mkdir()
    for name, data in OLD.items():
        (folder / name).write_bytes(data)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def publish_new(output):
    with store.staging(output) as stage:
        for name, data in NEW.items():
            store.write_atomically(stage / name, data)
        store.publish(stage, output, TARGETS)


@contextlib.contextmanager
def stopped_after(renames, output, monkeypatch, stop):
    """Renames into the output folder fail after so many."""
    left, real = [renames], os.replace

    def replace(source, target):
        if Path(target).parent == output:
            if not left[0]:
                raise stop
            left[0] -= 1
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        yield


def test_a_published_set_replaces_the_old_one_and_leaves_nothing_behind(output):
    publish_new(output)
    assert contents(output) == NEW
    assert list((output / store.STATE).iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")], ids=["Ctrl-C", "full"])
@pytest.mark.parametrize("renames", range(len(NEW)))
def test_a_stop_between_any_two_renames_is_mended_by_settle(output, monkeypatch, renames, stop):
    with (
        stopped_after(renames, output, monkeypatch, stop),
        pytest.raises((KeyboardInterrupt, LabError)),
    ):
        publish_new(output)
    assert contents(output) == {**OLD, **{name: NEW[name] for name in list(NEW)[:renames]}}
    with store.staging(output):  # which settles first
        assert contents(output) == NEW
    assert list((output / store.STATE).iterdir()) == []


def test_a_set_all_of_whose_files_are_in_place_needs_nothing_but_its_index_removed(output):
    stage = store.state_folder(output) / "stage-x"
    stage.mkdir()
    (stage / "index.json").write_bytes(b'{"a.json": "a.json"}')
    store.settle(output)
    assert contents(output) == OLD
    assert not stage.exists()


def test_a_stage_without_an_index_is_removed_and_the_old_set_stays(output):
    stage = store.state_folder(output) / "stage-y"
    stage.mkdir()
    (stage / "a.json").write_bytes(b"half made")
    store.settle(output)
    assert contents(output) == OLD
    assert not stage.exists()


@pytest.mark.parametrize("staged", [[], ["a.json"]])
def test_a_set_whose_making_fails_half_way_leaves_the_old_one_and_no_stage(output, staged):
    with store.staging(output) as stage:
        for name in staged:
            (stage / name).write_bytes(NEW[name])
        with pytest.raises((LabError, OSError)):
            store.publish(stage, output, TARGETS)
    assert contents(output) == OLD
    assert list((output / store.STATE).iterdir()) == []


def test_targets_may_lie_outside_the_output_folder(output):
    with store.staging(output) as stage:
        (stage / "front.md").write_bytes(b"front page")
        store.publish(stage, output, {"front.md": "../README.md"})
    assert (output.parent / "README.md").read_bytes() == b"front page"


@pytest.mark.parametrize("refused", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_failed_write_is_one_line_and_leaves_the_old_file_whole(output, monkeypatch, refused, code):
    monkeypatch.setattr(os, refused, refuse(code))
    with pytest.raises(LabError, match=r"cannot write a\.json: .*--output") as error:
        store.write_atomically(output / "a.json", b"new")
    assert one_line(error)
    assert contents(output) == OLD  # no temporary file left either


def test_a_written_file_is_on_the_disk_before_it_takes_the_old_one_s_name(output, monkeypatch):
    said = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (said.append(name), real(*a)))
    store.write_atomically(output / "a.json", b"new")
    assert said == ["fsync", "replace"]
    assert (output / "a.json").stat().st_mode & 0o777 == 0o644


def test_a_read_only_disk_is_found_before_measuring(output, monkeypatch):
    monkeypatch.setattr(store.tempfile, "NamedTemporaryFile", refuse(errno.EROFS))
    with pytest.raises(LabError, match=r"cannot write into .*: Read-only file system; .*--output") as error:
        store.check_writable(output)
    assert one_line(error)
    assert str(output) not in str(error.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_found_before_measuring_and_not_only_by_making_a_file(output, monkeypatch):
    monkeypatch.setattr(store.tempfile, "NamedTemporaryFile", lambda **_options: io.FileIO("/dev/full", "w"))
    with pytest.raises(LabError, match=r"cannot write into .*: No space left on device; free some space") as error:
        store.check_writable(output)
    assert one_line(error)


def test_every_folder_that_will_be_written_is_tried_with_room_for_a_run_in_the_first(output, monkeypatch):
    asked, files, other = {}, store.tempfile.NamedTemporaryFile, output.parent

    def spy(**options):
        file = files(**options)
        file.flush = lambda: asked.__setitem__(options["dir"], file.tell())
        return file

    monkeypatch.setattr(store.tempfile, "NamedTemporaryFile", spy)
    store.check_writable(output, other)
    assert asked == {output / store.STATE: store.SPARE_BYTES, output: 0, other: 0}
    assert contents(output) == OLD
    assert list((output / store.STATE).iterdir()) == []


def test_a_file_in_the_way_of_the_output_folder_is_named(output):
    with pytest.raises(LabError, match="a file stands where a folder is needed") as error:
        store.state_folder(output / "a.json")
    assert one_line(error)


def test_a_second_run_into_the_same_folder_is_refused_until_the_first_ends(output):
    with store.locked(output):
        for wait in (0.0, 0.05):
            with pytest.raises(LabError, match="another run is measuring into out") as error:
                store.locked(output, wait).__enter__()
        assert one_line(error)
    with pytest.raises(ZeroDivisionError), store.locked(output):
        raise ZeroDivisionError  # it is given back by a run that fails, too
    with store.locked(output):
        pass


@pytest.fixture
def journal_path(tmp_path):
    """A journal of two entries, closed."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, HEADER)
    journal.write([{"i": 1}])
    journal.write([{"i": 2}])
    journal.close()
    return path


def reopened(path, header=HEADER):
    journal = Journal(path, header)
    journal.close()
    return journal


def test_a_journal_goes_on_where_it_stopped(journal_path):
    journal = Journal(journal_path, HEADER)
    assert (journal.entries, journal.stale) == ([{"i": 1}, {"i": 2}], False)
    journal.write([{"i": 3}, {"i": 4}])
    assert journal_path.read_bytes().endswith(b'{"i":4}\n')  # in the file at once, not when it is closed
    journal.close()
    assert [entry["i"] for entry in reopened(journal_path).entries] == [1, 2, 3, 4]


def test_a_line_cut_short_anywhere_is_dropped_and_the_next_one_stands_by_itself(journal_path):
    whole = journal_path.read_bytes()
    last = len(b'{"i":2}\n')
    for cut in range(1, last):
        journal_path.write_bytes(whole[:-cut])
        journal = Journal(journal_path, HEADER)
        assert journal.entries == [{"i": 1}]
        assert journal_path.read_bytes() == whole[:-last]
        journal.write([{"i": 5}])
        journal.close()
        assert reopened(journal_path).entries == [{"i": 1}, {"i": 5}]


@pytest.mark.parametrize("start", [b"", b'{"finger'])
def test_a_journal_that_stopped_within_its_header_begins_anew(journal_path, start):
    journal_path.write_bytes(start)
    journal = reopened(journal_path)
    assert (journal.entries, journal.stale) == ([], False)
    assert journal_path.read_bytes() == b'{"fingerprint":"abc"}\n'


@pytest.mark.parametrize("damage", [b'{"i":', b"\0\0\0\0", b"[1]", b"\xff{}"])
def test_a_damaged_line_in_the_middle_is_refused_by_its_number_and_nothing_is_lost(journal_path, damage):
    damaged = journal_path.read_bytes().replace(b'{"i":1}', damage)
    journal_path.write_bytes(damaged)
    with pytest.raises(LabError, match=r"journal\.jsonl is damaged at line 2: start over with --fresh") as error:
        Journal(journal_path, HEADER)
    assert one_line(error)
    assert journal_path.read_bytes() == damaged


def test_samples_of_another_machine_or_code_are_set_aside_and_not_mixed_in(journal_path):
    before = journal_path.read_bytes()
    journal = reopened(journal_path, {"fingerprint": "other"})
    assert (journal.entries, journal.stale) == ([], True)
    assert journal_path.with_suffix(".stale").read_bytes() == before
    assert journal_path.read_bytes() == b'{"fingerprint":"other"}\n'


def test_an_entry_that_the_system_takes_in_pieces_arrives_whole(tmp_path):
    class Dribble:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            return self.file.write(data[:3])

    journal = Journal(tmp_path / "journal.jsonl", HEADER)
    real = journal._file
    journal._file = Dribble(real)
    journal.write([{"i": 12345}])
    real.close()
    assert reopened(journal.path).entries == [{"i": 12345}]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_journal_that_cannot_be_written_or_synced_says_so_in_one_line(journal_path, monkeypatch, code):
    journal = Journal(journal_path, HEADER)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse(code))
        with pytest.raises(LabError, match=r"cannot write journal\.jsonl") as error:
            journal.sync()
    assert one_line(error)
    journal.close()
    journal._file = type("Full", (), {"write": staticmethod(refuse(code))})()
    with pytest.raises(LabError, match=r"cannot write journal\.jsonl") as error:
        journal.write([{"i": 3}])
    assert one_line(error)
    assert reopened(journal_path).entries == [{"i": 1}, {"i": 2}]


def test_a_finished_run_leaves_no_journal_to_resume(journal_path):
    Journal(journal_path, HEADER).finish()
    assert not journal_path.exists()
