"""Two runs at once, as processes: refused in one folder, whole in two; and what the killed one finished is kept."""

import json
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import made_up
import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))

from checkouts import LEFT_BEHIND, REPOSITORY, Checkout, one_line

from labkit import codec, machine, store
from labkit.records import Manifest, Results

ASKED = ("--sizes", "8", "--methods", "matmul", "--quick", "--output")
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout that takes a made-up roof for its own: a run in it is brief."""
    root = tmp_path_factory.mktemp("two at once") / "a check out"
    shutil.copytree(REPOSITORY, root, ignore=LEFT_BEHIND)
    made = Checkout(root)
    roof = made_up.roofline()
    roof.machine = machine.identity(machine.hardware(), machine.blas())
    raw = codec.encode(roof)
    (made.roof / "kernels.json").write_bytes(raw)
    (store.state_folder(made.roof) / "measured").write_text(store.digest(raw))
    return made


def repetitions(output):
    """Seconds of each repetition that stands in the journal as a whole line."""
    lines = [line for path in output.glob(".state/samples-*") for line in path.read_bytes().split(b"\n")[:-1]]
    return [(e["method"], e["seconds"]) for e in map(json.loads, lines) if e.get("kind") == "repetition"]


@dataclass
class Story:
    """One run into `here`; a second one, and a third elsewhere, while it runs; killed; and gone on with."""

    here: Path
    elsewhere: Path
    second: tuple[int, str]
    third: tuple[int, str]
    kept: list[tuple[str, float]]
    went_on: tuple[int, str]


@pytest.fixture(scope="module")
def story(checkout, tmp_path_factory):
    here, elsewhere = (tmp_path_factory.mktemp(name) / "out" for name in ("here", "elsewhere"))
    first = checkout.start(*ASKED, here)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not repetitions(here) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)  # it holds its folder, and shall not be done before the second has come
    second = checkout.run(*ASKED, here)
    first.send_signal(signal.SIGCONT)
    third = checkout.start(*ASKED, elsewhere)
    while len(repetitions(here)) < 30 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()
    said_first, _ = first.communicate()
    assert first.returncode == -signal.SIGKILL, said_first
    kept = repetitions(here)
    went_on = checkout.run(*ASKED, here, OPENBLAS_NUM_THREADS="4", OMP_NUM_THREADS="")
    said, _ = third.communicate(timeout=PATIENCE_SECONDS)
    return Story(
        here, elsewhere, (second.returncode, second.stderr), (third.returncode, said), kept,
        (went_on.returncode, went_on.stdout + went_on.stderr),
    )  # fmt: skip


def results_of_a_whole_set(output):
    results, manifest = codec.read(output / "results.json", Results), codec.read(output / "manifest.json", Manifest)
    assert manifest.outputs == {
        name: store.digest((output / name).read_bytes()) for name in ("results.json", "perf.png", "README.md")
    }
    return results


def test_a_second_run_into_the_folder_of_a_running_one_is_refused_in_one_line(story):
    status, said = story.second
    assert status == 2
    assert "another run is measuring into out: wait until it ends" in one_line(said)


def test_a_run_into_another_folder_is_not_in_its_way(story):
    status, said = story.third
    assert status in (0, 1), said  # 1: it was disturbed by the other one, and says that it is invalid
    assert results_of_a_whole_set(story.elsewhere).status == "complete"


def test_what_the_killed_one_had_finished_is_in_the_set_once(story):
    status, said = story.went_on
    assert status in (0, 1), said
    assert f"Going on from an unfinished run: {len(story.kept)} repetitions are already measured." in said
    [cell] = results_of_a_whole_set(story.here).cells
    kept = [seconds for method, seconds in story.kept if method == "matmul"]
    assert cell.seconds_per_call[: len(kept)] == kept
    assert len(set(cell.rounds)) == len(cell.rounds)


def test_other_thread_variables_are_set_right_before_it_goes_on_so_that_all_samples_are_of_one_thread(story):
    _, said = story.went_on
    assert "One thread is measured: started again with OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1" in said
    manifest = codec.read(story.here / "manifest.json", Manifest)
    assert {manifest.threads[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"1"}
