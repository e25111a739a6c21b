"""Results read from folders: what is taken along, what each is called, and what is said to differ."""

import made_up
import pytest
from made_up_runs import of_cpu, repeat, run

from labkit import codec, machine, runs
from labkit.errors import LabError


def leave(folder, made, roofline=None, study=None):
    """A result in a folder, with what may stand beside it."""
    folder.mkdir(parents=True)
    (folder / "results.json").write_bytes(codec.encode(made.results))
    (folder / "manifest.json").write_bytes(codec.encode(made.manifest))
    if roofline:
        (folder.parent / "01-roofline").mkdir()
        (folder.parent / "01-roofline" / "kernels.json").write_bytes(codec.encode(roofline))
    if study:
        (folder / "repeat.json").write_bytes(codec.encode(study))
    return folder


def names(tmp_path, *made):
    return [r.name for r in runs.gather([leave(tmp_path / str(i), m) for i, m in enumerate(made)])]


# --- names -----------------------------------------------------------------------------------------------


def test_one_run_is_called_by_its_machine(tmp_path):
    assert names(tmp_path, of_cpu(run(), "i5-8250U")) == ["i5-8250U"]


def test_machines_are_told_apart_by_their_names(tmp_path):
    assert names(tmp_path, of_cpu(run(), "M2"), of_cpu(run(), "GB10")) == ["M2", "GB10"]


def test_runs_of_one_machine_are_told_apart_by_what_differs(tmp_path):
    python = {"implementation": "CPython"}
    made = (run(**python), run(**python | {"python": "3.12.1"}))
    assert names(tmp_path, *made) == ["CPython 3", "CPython 3.12.1"]
    assert names(tmp_path / "n", run(), run(numpy="9")) == ["NumPy 2", "NumPy 9"]


def test_as_much_is_named_as_it_takes_to_tell_all_apart(tmp_path):
    made = (of_cpu(run(), "M2"), of_cpu(run(numpy="9"), "M2"), of_cpu(run(), "GB10"))
    assert names(tmp_path, *made) == ["M2, NumPy 2", "M2, NumPy 9", "GB10, NumPy 2"]


def test_runs_that_nothing_tells_apart_are_called_by_their_folders_and_then_by_number(tmp_path):
    assert names(tmp_path, run(), run()) == ["0", "1"]
    same = tmp_path / "0"
    assert [r.name for r in runs.gather([same, same])] == ["0 1", "0 2"]


# --- reading ---------------------------------------------------------------------------------------------


def test_a_checkout_stands_for_the_experiment_in_it(tmp_path):
    leave(tmp_path / runs.LAB, run())
    assert runs.gather([tmp_path])[0].folder == tmp_path / runs.LAB


def test_a_folder_without_a_valid_result_is_named(tmp_path):
    with pytest.raises(LabError, match="nothing here"):
        runs.gather([tmp_path / "nothing here"])
    folder = leave(tmp_path / "old", run())
    (folder / "results.json").write_text("{}")
    with pytest.raises(LabError, match=r"old: results\.json is not a valid"):
        runs.gather([folder])


def test_a_roof_beside_it_is_taken_along_only_if_it_is_of_this_machine(tmp_path):
    made, roof = run(), made_up.roofline()
    (other,) = runs.gather([leave(tmp_path / "a" / "lab", made, roof)])
    assert other.roofline is None
    roof.machine = machine.identity(made.manifest.hardware, made.manifest.blas, made.manifest.versions["numpy"])
    (own,) = runs.gather([leave(tmp_path / "b" / "lab", made, roof)])
    assert own.roofline == roof


def test_a_study_of_what_repeats_is_taken_along_only_if_it_is_of_this_machine_and_numpy(tmp_path):
    study = repeat(0.1)
    assert runs.gather([leave(tmp_path / "a", run(), study=study)])[0].repeat == study
    assert runs.gather([leave(tmp_path / "b", run(numpy="9"), study=study)])[0].repeat is None
    assert runs.gather([leave(tmp_path / "c", of_cpu(run(), "M2"), study=study)])[0].repeat is None
    # Another Python on the same machine moves as much: it is the machine that does not repeat.
    assert runs.gather([leave(tmp_path / "d", run(python="3.12.1"), study=study)])[0].repeat == study


# --- what differs ----------------------------------------------------------------------------------------


def test_nothing_differs_between_a_run_and_itself_and_the_time_is_no_difference():
    first, other = run(), run()
    other.manifest.created = "2027-01-01T00:00:00+00:00"
    assert runs.differences([first, other]) == []
    assert runs.differences([]) == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("sizes", lambda p: p.sizes.append(2048)),
        ("methods", lambda p: p.methods.append("other")),
        ("block size", lambda p: setattr(p, "block_size", 32)),
        ("seed", lambda p: setattr(p, "seed", 7)),
        ("dtype", lambda p: setattr(p, "dtype", "float64")),
        ("protocol", lambda p: setattr(p, "quick", True)),
    ],
)
def test_another_protocol_is_a_difference(what, change):
    first, other = run(), run()
    change(other.results.protocol)
    assert [d.what for d in runs.differences([first, other])] == [what]


def test_a_partial_run_changed_code_and_another_statistic_are_differences():
    first, other = run(), run(dirty=True)
    other.results.status, other.results.roof.statistic = "partial", "90th percentile"
    said = {d.what: d.values for d in runs.differences([first, other])}
    assert said == {
        "commit": ["0123456", "0123456 with changes"],
        "shares taken at": ["mean of the fastest hundredth", "90th percentile"],
        "status": ["complete", "partial"],
    }


def test_the_machine_comes_first_among_differences():
    other = of_cpu(run(numpy="9"), "M2")
    other.results.protocol.seed = 7
    assert [d.what for d in runs.differences([run(), other])] == ["CPU", "NumPy", "seed"]


def test_checkouts_that_nothing_tells_apart_are_called_by_where_their_paths_part(tmp_path):
    folders = [leave(tmp_path / who / "experiments" / "03-matmul-perf", run()) for who in ("ada", "bo")]
    assert [one.name for one in runs.gather(folders)] == ["ada", "bo"]
    assert [one.name for one in runs.gather([tmp_path / "ada", tmp_path / "bo"])] == ["ada", "bo"]
