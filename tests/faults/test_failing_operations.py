"""Each operation on a file refused in turn: one clear line, whole records, and the same command goes on."""

from collections import Counter

import pytest
from faulty import CHANGES, ERRNOS, Disk, Fault
from little_lab import assert_every_record_parses, assert_of_one_piece, assert_whole, journalled, one_line


def moments(operations, last):
    """The first (or the last) time that each thing is done: the first set is new, the last one replaces another."""
    times = Counter(operations)
    seen: Counter[tuple[str, str]] = Counter()
    for k, operation in enumerate(operations):
        seen[operation] += 1
        # The folder of the state is made sure of in several places.
        if seen[operation] == (times[operation] if last else 1) or operation[1] == ".state":
            yield k, operation[0]


def can_be(why, kind):
    """A full disk refuses what takes space, a read-only one every change; any call can be denied or find nothing."""
    return kind in CHANGES if why == "no space" else kind != "read" if why == "read-only" else True


def refused_and_then_gone_on(lab, output, fault):
    disk = Disk(output, fault)
    with disk.mounted():
        first = lab.run(output)
    try:
        assert first.status == 0 or one_line(first.refusal), first
        if first.status is None:
            assert str(output) not in first.refusal
            # Only what the artifacts themselves read back from their stage is said without the file's name.
            assert "cannot go on" not in first.refusal or "read .state/stage" in disk.befell
        assert_every_record_parses(output)
        finished = journalled(output)
        # All that was measured is in the journal, but for the one repetition that could not be written.
        assert first.status == 0 or len(first.taken) - len(finished) in (0, 1)
        assert_of_one_piece(output)
        assert_whole(output, lab.run(output), finished)
    except Exception as error:
        error.add_note(f"{fault} befell {disk.befell}, and the run said {first.refusal or first.status}")
        raise
    return first


def sweep(lab, operations, folder, why, last, **more):
    chosen = moments(operations, last)
    faults = [Fault(k, refuse=ERRNOS[why], **more) for k, kind in chosen if can_be(why, kind)]
    ends = [refused_and_then_gone_on(lab, folder / str(fault.at), fault).status for fault in faults]
    assert len(ends) > 30
    assert ends.count(None) > len(ends) / 2  # most are fatal, and said so


@pytest.mark.parametrize(("why", "last"), [("no permission", True), ("missing", False)])
def test_any_operation_that_is_refused_once_is_one_line_and_the_run_can_go_on(lab, disk, tmp_path, why, last):
    sweep(lab, disk.operations, tmp_path, why, last)


def test_a_disk_that_is_full_from_some_write_on_half_of_it_written_is_one_line(lab, disk, tmp_path):
    sweep(lab, disk.operations, tmp_path, "no space", last=True, half=True, lasting=True)


def test_a_disk_that_is_read_only_from_some_moment_on_is_one_line(lab, disk, tmp_path):
    sweep(lab, disk.operations, tmp_path, "read-only", last=False, lasting=True)
