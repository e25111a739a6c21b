"""The journal: whole lines, at once; cut short it goes on, damaged it is refused, and another run's is set aside."""

import errno
import os

import pytest

from labkit.errors import UserError
from labkit.measure import journal as journals
from labkit.measure.journal import Journal, Started, WarmedUp, fingerprint, forget
from labkit.measure.sampling import Sample

SAMPLES = [Sample(1.5, "naive", 64, round_, 4, 0.25, 0.2, 0.01) for round_ in range(3)]
ENTRIES = [Started(0.0, 2.5), WarmedUp(0.5, "naive", 64, 0.3), *SAMPLES]


@pytest.fixture
def path(tmp_path):
    """A journal, closed."""
    path = tmp_path / "samples.jsonl"
    journal = Journal(path, "abc")
    for entry in ENTRIES:
        journal.write(entry)
    journal.close()
    return path


def reopened(path, whose="abc"):
    journal = Journal(path, whose)
    journal.close()
    return journal


def one_line(error):
    return "\n" not in str(error.value) and len(str(error.value)) < 250


def test_what_was_written_comes_back_to_the_last_digit_and_goes_on(path):
    journal = Journal(path, "abc")
    assert (journal.entries, journal.stale) == (ENTRIES, False)
    more = Sample(2.0, "naive", 64, 3, 1, 1 / 3, 0.3)
    before = path.stat().st_size
    journal.write(more)
    assert path.stat().st_size > before  # in the file at once, not when it is closed
    journal.close()
    assert reopened(path).entries == [*ENTRIES, more]


def test_a_last_line_cut_short_anywhere_is_dropped_and_the_next_one_stands_by_itself(path):
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in range(1, last + 1):
        path.write_bytes(whole[:-cut])
        journal = Journal(path, "abc")
        assert journal.entries == ENTRIES[:-1]
        assert path.read_bytes() == whole[:-last]
        journal.write(ENTRIES[-1])
        journal.close()
        assert path.read_bytes() == whole


@pytest.mark.parametrize("start", [b"", b'{"kind"'])
def test_a_journal_that_stopped_within_its_header_begins_anew(path, start):
    path.write_bytes(start)
    journal = reopened(path)
    assert (journal.entries, journal.stale) == ([], False)
    assert path.read_bytes().count(b"\n") == 1
    assert reopened(path).entries == []


@pytest.mark.parametrize(
    "damage",
    [
        b'{"i":',
        b"\0\0\0\0",
        b"[1]",
        b"\xff{}",
        b'{"kind":"session","at":1e999,"roof_seconds":0}',
        b'{"kind":"sample","at":0,"name":"naive","n":64,"round":-1,"calls":1,"seconds":1,"cpu_seconds":1}',
        b'{"kind":"sample","at":0,"name":"a","n":64,"round":1,"calls":0,"seconds":1,"cpu_seconds":1,"steal_seconds":0}',
        b'{"kind":"sample","at":0,"name":"a","n":64,"round":1,"calls":1,"seconds":0,"cpu_seconds":1,"steal_seconds":0}',
        b'{"kind":"run","fingerprint":"abc"}',
        b'{"a":' * 100_000,
    ],
    ids=str,
)
def test_a_damaged_line_is_refused_by_its_number_and_nothing_is_lost(path, damage):
    lines = path.read_bytes().splitlines()
    lines[2] = damage
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"samples\.jsonl is damaged at line 3 .*: start over with --fresh") as error:
        Journal(path, "abc")
    assert one_line(error)
    assert path.read_bytes() == before


def test_a_line_that_stands_there_twice_is_counted_once_and_two_accounts_of_one_sample_are_refused(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1], lines[-2]]))
    assert reopened(path).entries == ENTRIES
    path.write_bytes(b"".join([*lines, lines[-1].replace(b"0.25", b"0.5")]))
    with pytest.raises(UserError, match="damaged at line 7"):
        Journal(path, "abc")


def test_samples_of_other_code_or_another_machine_are_set_aside_and_not_mixed_in(path):
    before = path.read_bytes()
    journal = reopened(path, "other")
    assert (journal.entries, journal.stale) == ([], True)
    assert path.with_suffix(".stale").read_bytes() == before
    assert reopened(path, "other").stale is False


def test_an_entry_that_the_system_takes_in_pieces_arrives_whole(path):
    class Dribble:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            return self.file.write(data[:3])

    journal = Journal(path, "abc")
    real = journal._file
    journal._file = Dribble(real)
    journal.write(Started(3.0, 0.0))
    real.close()
    assert reopened(path).entries == [*ENTRIES, Started(3.0, 0.0)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_journal_that_cannot_be_written_or_synced_says_so_in_one_line(path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    journal = Journal(path, "abc")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(UserError, match=r"cannot write samples\.jsonl: .*--output") as error:
            journal.sync()
    assert one_line(error)
    journal.close()
    journal._file = type("Full", (), {"write": staticmethod(refuse)})()
    with pytest.raises(UserError, match=r"cannot write samples\.jsonl"):
        journal.write(Started(3.0, 0.0))


def test_entries_are_on_the_disk_after_a_sync(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = Journal(path, "abc")
    journal.sync()
    assert synced == [journal._file.fileno()]
    journal.close()


def test_a_finished_or_forgotten_run_leaves_no_journal(path):
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(path.read_bytes())
    Journal(path, "abc").finish()
    assert not path.exists()
    forget(copy)
    forget(copy)
    assert not copy.exists()


# --- what samples hold for ------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A made-up package whose rooms can be changed; a script in another folder."""
    root = tmp_path / "package"
    for room in (*journals.MEASURING_ROOMS, "show"):
        (root / room).mkdir(parents=True)
        (root / room / "one.py").write_text(f"# {room}\n")
    for name in journals.MEASURING_FILES:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("# constants\n")
    monkeypatch.setattr(journals, "__file__", str(root / "measure" / "journal.py"))
    (tmp_path / "bench.py").write_text("# four methods\n")
    return root


def test_the_fingerprint_changes_with_any_code_that_measures_and_with_any_fact(package, tmp_path):
    script, facts = tmp_path / "bench.py", {"numpy": "2.4", "seed": 42}
    seen = [fingerprint(script, facts)]
    assert fingerprint(script, dict(reversed(facts.items()))) == seen[0]
    (package / "show" / "one.py").write_text("# draws\n")
    assert fingerprint(script, facts) == seen[0]  # this measures nothing
    seen += [fingerprint(script, facts | {"seed": 43}), fingerprint(script, facts | {"more": None})]
    rooms = (package / room / "one.py" for room in journals.MEASURING_ROOMS)
    for path in (*rooms, *(package / name for name in journals.MEASURING_FILES), script):
        path.write_text(path.read_text() + " ")
        seen.append(fingerprint(script, facts))
    (package / "gemm" / "one.py").rename(package / "gemm" / "two.py")
    seen.append(fingerprint(script, facts))
    (package / "gemm" / "three.py").write_text("# new")
    seen.append(fingerprint(script, facts))
    assert len(set(seen)) == len(seen)


def test_what_is_called_and_what_decides_how_often_is_part_of_the_fingerprint():
    assert {"measure", "matmul", "gemm", "ladder", "roofline"} <= set(journals.MEASURING_ROOMS)
