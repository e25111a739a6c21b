"""One little lab a module: patched in before its first test, out after its last; and all that its disk went through."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import little_lab
import pytest
from faulty import Disk, Fault, KilledError

# Hundreds of runs write thousands of files: in memory, where there is such a folder, in half the time.
MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path_factory.mktemp("faults")
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="faults.") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def lab() -> Iterator[little_lab.Lab]:
    yield from little_lab.patched()


@pytest.fixture(autouse=True)
def _restarted(lab: little_lab.Lab) -> None:
    lab.clock.restart()


@pytest.fixture(scope="module")
def disk(lab: little_lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """The disk of a run without a fault: all that it did, and every state that it passed through."""
    output = tmp_path_factory.mktemp("clean") / "out"
    disk = Disk(output, states=[])
    with disk.mounted():
        ended = lab.run(output)
    disk.note("after the last operation")
    little_lab.assert_whole(output, ended, [])
    assert len(disk.operations) > 100  # the sets, the journal, the lock: the harness does see them
    return disk


@pytest.fixture
def stopped(lab: little_lab.Lab, disk: Disk, tmp_path: Path) -> tuple[Path, list[tuple[str, int, float]]]:
    """A folder with a run in it that was killed in its second pass, with a set in place; and what it had finished."""
    output = tmp_path / "out"
    writes = [k for k, (kind, name) in enumerate(disk.operations) if kind == "write" and "samples-" in name]
    with Disk(output, Fault(writes[-3], kill=True)).mounted(), pytest.raises(KilledError):
        lab.run(output)
    finished = little_lab.journalled(output)
    assert len(finished) > 20
    assert (output / "results.json").exists()
    return output, finished
