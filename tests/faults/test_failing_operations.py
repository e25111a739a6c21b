"""Each operation on a file refused in turn: one clear line, whole records, and the same command resumes."""

from collections import Counter

import pytest
from damage import one_line
from faulty import CHANGES, ERRNOS, Disk, Fault
from little_lab import assert_every_record_parses, assert_whole, journalled


def moments(operations, last):
    """The first (or the last) time that each thing is done: the first set is new, the last one replaces another."""
    times = Counter(operations)
    seen: Counter[tuple[str, str]] = Counter()
    for k, operation in enumerate(operations):
        seen[operation] += 1
        # The files of a set have no names of their own until they are in place, and the state's folder is made sure
        # of in several places: each of these is another moment.
        again = operation[1] in (".state", ".spare.*")
        if again or seen[operation] == (times[operation] if last else 1):
            yield k, operation[0]


def can_be(why, kind):
    """A full disk refuses what takes space, a read-only one every change; any call can be denied or find nothing."""
    return kind in CHANGES if why == "no space" else kind != "read" if why == "read-only" else True


def refused_and_then_resumed(lab, output, fault):
    disk = Disk(output, fault)
    with disk.mounted():
        first = lab.run(output)
    try:
        assert first.status == 0 or one_line(first.refusal), first
        if first.status is None:
            assert str(output) not in first.refusal
        assert_every_record_parses(output)
        finished = journalled(output)
        # All that was measured is in the journal, but for the one sample that could not be written.
        assert first.status == 0 or len(first.taken) - len(finished) in (0, 1)
        assert_whole(output, lab.run(output), finished)
    except Exception as error:
        error.add_note(f"{fault} befell {disk.befell}, and the run said {first.refusal or first.status}")
        raise
    return first


@pytest.mark.parametrize(
    ("why", "last", "more"),
    [
        ("no permission", True, {}),
        ("missing", False, {}),
        ("no space", True, {"half": True, "lasting": True}),
        ("read-only", False, {"lasting": True}),
    ],
)
def test_any_operation_that_is_refused_is_one_line_and_the_run_can_be_resumed(lab, disk, tmp_path, why, last, more):
    chosen = moments(disk.operations, last)
    faults = [Fault(k, refuse=ERRNOS[why], **more) for k, kind in chosen if can_be(why, kind)]
    ends = [refused_and_then_resumed(lab, tmp_path / str(fault.at), fault).status for fault in faults]
    assert len(ends) > 30
    assert ends.count(None) > len(ends) / 2  # most are fatal, and said so
