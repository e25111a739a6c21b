"""How a run ends: what it says last, and its exit status."""

from types import SimpleNamespace

import artifacts
import made_up
import pytest
from artifacts import Publisher, headline, impossible


def finish(results, monkeypatch, tmp_path):
    """The exit status and the lines of a run whose record came out like this."""
    said = []
    screen = SimpleNamespace(say=said.append, cell=lambda *_: None)
    session = SimpleNamespace(journal=SimpleNamespace(finish=lambda: said.append("(journal finished)")))
    experiment = SimpleNamespace(session=session, screen=screen, cells=[], output=tmp_path)
    publisher = Publisher(experiment)
    monkeypatch.setattr(Publisher, "publish", lambda self: results)
    monkeypatch.setattr(artifacts.roof_source, "place_kernels", lambda output: None)
    return publisher.finished(), said


@pytest.fixture
def results():
    return made_up.results()


def test_a_possible_run_ends_with_status_0(results, monkeypatch, tmp_path, capsys):
    assert finish(results, monkeypatch, tmp_path)[0] == 0
    assert capsys.readouterr().err == ""


def test_a_cell_that_cannot_be_true_is_the_runs_exit_status_and_a_line_on_stderr(
    results, monkeypatch, tmp_path, capsys
):
    results.cell("matmul", 1024).invalid = ["it reaches 120 % of the roof (105 % or more)"]
    status, said = finish(results, monkeypatch, tmp_path)
    assert status == artifacts.INVALID == 1
    assert capsys.readouterr().err == (
        "bench.py: matmul at N=1024 is invalid: it reaches 120 % of the roof (105 % or more)\n"
    )
    # What was measured is kept all the same, and the share that cannot be true is not boasted of.
    assert "(journal finished)" in said
    assert not any("of this core's measured peak" in line for line in said)


def test_an_impossible_cell_is_named_once_though_others_are_extrapolated_from_it(results):
    for cell in results.cells:
        if cell.method == "naive":
            cell.invalid = ["its time does not grow from N=64 to N=128"]
    assert len(impossible(results)) == 2  # the two that were measured


def test_a_speedup_that_is_withheld_is_not_stated(results):
    results.speedup.withheld = "naive at N=128 did not have its core to itself"
    lines = headline(results)
    assert not any("times as fast" in line for line in lines)
    assert any("withheld, as naive at N=128 did not have" in line for line in lines)


def test_a_noisy_run_says_so_first(results):
    results.noise.noisy, results.noise.because = True, ["5 of 12 repetitions were preempted"]
    assert headline(results)[0] == "This run is noisy: 5 of 12 repetitions were preempted, as seen by the sentinel."
