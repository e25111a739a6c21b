"""Where records are: what stands beside a result, what each is called, and which roofline a run may use."""

import made_up
import pytest

from labkit.errors import UserError
from labkit.machine.hardware import identity
from labkit.records import find, io
from labkit.records.find import BENCH, LADDER, ROOFLINE
from labkit.records.model import Ladder, Results, Roofline


def who(manifest=None):
    return find.of_manifest(manifest or made_up.manifest())


def another_cpu():
    made = made_up.manifest()
    made.hardware.cpu = "another CPU"
    return made


def another_numpy():
    made = made_up.manifest()
    made.versions["numpy"] = "9"
    return made


# --- results --------------------------------------------------------------------------------------------


def test_a_checkout_stands_for_the_experiment_in_it(tmp_path):
    inner = made_up.write(tmp_path / "experiments" / BENCH)
    assert find.locate(tmp_path) == inner
    assert find.locate(inner) == inner
    assert find.read_run(inner).folder == inner


def test_one_run_is_called_by_its_machine_and_several_by_where_their_paths_part(tmp_path):
    folders = [made_up.write(tmp_path / name / "experiments" / BENCH) for name in ("ada", "bo")]
    assert [run.name for run in find.gather(folders[:1])] == ["a CPU"]
    assert [run.name for run in find.gather(folders)] == ["ada", "bo"]
    assert [run.name for run in find.gather([tmp_path / "ada", tmp_path / "bo"])] == ["ada", "bo"]
    assert [run.name for run in find.gather([folders[0]] * 2)] == [f"{BENCH} 1", f"{BENCH} 2"]


def test_a_folder_without_a_valid_result_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing here: cannot read results\.json"):
        find.gather([tmp_path / "nothing here"])
    folder = made_up.write(tmp_path / "broken")
    (folder / "results.json").write_text("{}")
    with pytest.raises(UserError, match=r"broken: results\.json is not a valid"):
        find.read_run(folder)
    folder = made_up.write(tmp_path / "half")
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"half: cannot read manifest\.json"):
        find.read_run(folder)


def test_a_run_does_not_write_over_another_experiment_s_record(tmp_path):
    folder = made_up.write(tmp_path)
    io.check_writable(folder, Results)
    for kind in (Ladder, Roofline):
        with pytest.raises(UserError, match=r"another experiment's results\.json.*--output"):
            io.check_writable(folder, kind)


@pytest.mark.parametrize(("made", "taken"), [(made_up.manifest, True), (another_cpu, False), (another_numpy, False)])
def test_what_stands_beside_a_result_is_taken_along_only_if_it_is_of_the_same_machine_and_numpy(tmp_path, made, taken):
    folder = made_up.write(tmp_path / BENCH, made=made(), **{"repeat.json": io.encode(made_up.repeat())})
    for name, record in ((ROOFLINE, made_up.roofline()), (LADDER, made_up.ladder())):
        (tmp_path / name).mkdir()
        (tmp_path / name / (io.KERNELS if name == ROOFLINE else io.RESULTS)).write_bytes(io.encode(record))
        (tmp_path / name / io.MANIFEST).write_bytes(io.encode(made_up.manifest(name)))
    run = find.read_run(folder)
    assert [record is not None for record in (run.roofline, run.ladder, run.repeat)] == [taken] * 3
    assert (find.results_of(who(), tmp_path / LADDER) is not None) == taken
    assert run.analysis.speedup == run.results.speedup


def test_a_ladder_whose_manifest_is_another_machines_is_no_ladder_of_this_one(tmp_path):
    folder = made_up.write(tmp_path / BENCH)
    (tmp_path / LADDER).mkdir()
    (tmp_path / LADDER / io.RESULTS).write_bytes(io.encode(made_up.ladder()))
    assert find.read_run(folder).ladder is None  # without a manifest nobody knows
    (tmp_path / LADDER / io.MANIFEST).write_bytes(io.encode(another_cpu()))
    assert find.read_run(folder).ladder is None


def test_a_roofline_inside_a_result_of_its_own_is_found(tmp_path):
    folder = made_up.write(tmp_path / "my-trial")
    (folder / ROOFLINE).mkdir()
    (folder / ROOFLINE / io.KERNELS).write_bytes(io.encode(made_up.roofline()))
    assert find.read_run(folder).roofline == made_up.roofline()


# --- the roofline of this machine -----------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The experiments of a made-up checkout, in which no roofline is yet."""
    experiments = tmp_path / "checkout" / "experiments"
    (experiments / BENCH).mkdir(parents=True)
    monkeypatch.setattr(find, "_CHECKOUT", tmp_path / "checkout")
    return experiments


def leave(folder, measured=True, record=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / io.KERNELS).write_bytes(io.encode(record or made_up.roofline()))
    if measured:
        find.mark_measured(folder)


def test_a_roofline_measured_in_this_checkout_is_used_by_any_run_into_any_folder(checkout, tmp_path):
    leave(checkout / ROOFLINE)
    for output in (checkout / BENCH, tmp_path / "my trial"):
        found = find.find_roofline(who(), output)
        assert (found.roofline, found.folder) == (made_up.roofline(), checkout / ROOFLINE)


def test_a_run_with_an_output_of_its_own_measures_its_roofline_inside_it_and_finds_it_again(checkout, tmp_path):
    output = tmp_path / "my trial"
    assert find.find_roofline(who(), output).folder == output / ROOFLINE
    for name in (BENCH, LADDER):
        assert find.find_roofline(who(), checkout / name).folder == checkout / ROOFLINE
    leave(output / ROOFLINE)
    assert find.find_roofline(who(), output).roofline == made_up.roofline()
    assert find.find_roofline(who(), checkout / BENCH).roofline is None


def test_a_roofline_that_came_with_the_checkout_or_is_another_machines_is_measured_anew_and_said_so(checkout):
    leave(checkout / ROOFLINE, measured=False)
    found = find.find_roofline(who(), checkout / BENCH)
    assert (found.roofline, found.folder) == (None, checkout / ROOFLINE)
    assert "has not measured the roofline itself" in found.why
    leave(checkout / ROOFLINE)
    found = find.find_roofline(who(another_cpu()), checkout / BENCH)
    assert found.roofline is None
    assert "another machine's (a CPU)" in found.why
    # Changed since it was measured: restored from git, or edited.
    (checkout / ROOFLINE / io.KERNELS).write_bytes(io.encode(made_up.roofline(dram=25.0)))
    assert find.find_roofline(who(), checkout / BENCH).roofline is None


def test_a_roofline_that_is_found_wrong_is_forgotten(checkout):
    leave(checkout / ROOFLINE)
    find.mark_measured(checkout / ROOFLINE, right=False)
    assert find.find_roofline(who(), checkout / BENCH).roofline is None


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b'{"schema": "something else"}', b"\xff\xfe"])
def test_a_damaged_roofline_is_refused_rather_than_overwritten_and_left_alone_by_others(checkout, tmp_path, content):
    leave(checkout / ROOFLINE)
    path = checkout / ROOFLINE / io.KERNELS
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"kernels\.json .*; delete it, or measure again with 'make roofline'"):
        find.find_roofline(who(), checkout / BENCH)
    assert path.read_bytes() == content
    assert find.find_roofline(who(), tmp_path / "my trial").folder == tmp_path / "my trial" / ROOFLINE


def test_a_roofline_of_the_first_version_is_measured_anew(checkout):
    leave(checkout / ROOFLINE)
    (checkout / ROOFLINE / io.KERNELS).write_text('{"schema": "roofline/1"}')
    found = find.find_roofline(who(), checkout / BENCH)
    assert (found.roofline, found.folder) == (None, checkout / ROOFLINE)


def test_an_installed_labkit_looks_below_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "_CHECKOUT", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)
    assert find.experiment(BENCH) == tmp_path / BENCH


def test_the_identity_of_a_machine_holds_what_decides_how_fast_it_is_and_not_how_it_happens_to_be_set():
    made = made_up.manifest()
    first = identity(made.hardware, made.blas, "2")
    made.hardware.memory_bytes, made.hardware.governor = 1, "powersave"
    assert identity(made.hardware, made.blas, "2") == first
    assert identity(made.hardware, made.blas, "3") != first
    made.blas.kernel = "Prescott"
    assert identity(made.hardware, made.blas, "2") != first
