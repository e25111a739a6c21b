"""Killed at every operation on a file, and in the middle of every write: nothing finished is lost or counted twice."""

from faulty import Disk, Fault, KilledError, put_back
from little_lab import assert_every_record_parses, assert_whole, journalled, recorded

from labkit.records import io
from labkit.records.model import Results


def run_on(lab, output, fault):
    """How the run on a disk with this fault ended; None if it was killed."""
    with Disk(output, fault).mounted():
        try:
            return lab.run(output)
        except KilledError:
            return None


def test_killed_before_any_operation_or_within_any_write_it_loses_nothing_finished_and_counts_nothing_twice(
    lab, disk, tmp_path
):
    before, tried, ever = None, 0, set()
    for moment, state in disk.states:
        if state == before:
            continue  # a mere reading
        before, tried = state, tried + 1
        output = tmp_path / str(tried)
        put_back(output, state)
        try:
            assert_every_record_parses(output)
            finished = journalled(output)
            ever |= set(finished)
            if ever - set(finished):  # the journal may only go when the record that holds it all is in place
                assert io.read(output / "results.json", Results).status == "complete"
                assert set(recorded(output)) >= ever
            assert_whole(output, lab.run(output), finished)
        except Exception as error:
            error.add_note(f"killed {moment}")
            raise
    assert tried > 100


def test_killed_again_and_again_it_still_comes_to_its_end(lab, tmp_path):
    output, finished, kills = tmp_path / "out", set(), 0
    for step in range(40):
        # From the start of the next run on, a little further each time: all that it had measured must be there.
        if ended := run_on(lab, output, Fault(5 + 3 * step, kill=True, half=step % 2 == 0)):
            break
        kills += 1
        now = journalled(output)
        assert finished <= set(now)
        # What is measured is on the disk before the next one is begun.
        assert len(set(lab.taken()) - set(now)) <= 1
        assert len(now) == len(set(now))
        finished = set(now)
    assert kills >= 10
    assert_whole(output, ended, sorted(finished))
