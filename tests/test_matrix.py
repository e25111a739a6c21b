"""The Pythons of a machine: which are found, how each is measured once, what is left out, and what is said of them."""

import sys
from types import SimpleNamespace

import matrix
import msgspec
import pooling
import pytest
import pythons
import rooms
from made_up_runs import repeat, run
from pythons import Python
from rooms import Rooms, UnusableError

from labkit import codec, store
from labkit.errors import LabError
from labkit.records import Git, Matrix

# --- finding Pythons -------------------------------------------------------------------------------------


class Machine:
    """A made-up file system with interpreters in it."""

    def __init__(self, root):
        self.root, self.home, self.says, self.asked = root, root / "home", {}, []
        self.home.mkdir()

    def put(self, place, version, executable=True, **more):
        file = self.root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755 if executable else 0o644)
        self.says[file.resolve()] = version and Python(file, version, **more)
        return file

    def ask(self, file):
        self.asked.append(file)
        return self.says[file.resolve()]

    def find(self, *path):
        found, left_out = pythons.find(":".join(str(self.root / p) for p in path), self.home, self.ask)
        return [p.version for p in found], left_out


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_pythons_on_path_and_those_of_pyenv_and_uv_are_found_the_oldest_first(machine):
    machine.put("usr/bin/python3.14", "3.14.0")
    machine.put("home/.pyenv/versions/3.12.10/bin/python3", "3.12.10")
    machine.put("home/.pyenv/versions/3.12.9/bin/python3", "3.12.9")
    machine.put("home/.local/share/uv/python/cpython-3.11.4/bin/python3.11", "3.11.4")
    assert machine.find("usr/bin")[0] == ["3.11.4", "3.12.9", "3.12.10", "3.14.0"]


def test_each_version_is_taken_once_and_the_one_on_path_goes_first(machine):
    first = machine.put("usr/bin/python3.12", "3.12.1")
    machine.put("home/.pyenv/versions/3.12.1/bin/python3", "3.12.1")
    found, _ = pythons.find(str(first.parent), machine.home, machine.ask)
    assert [(p.version, p.executable) for p in found] == [("3.12.1", first)]


def test_one_interpreter_under_several_names_is_asked_once(machine):
    real = machine.put("usr/bin/python3.12", "3.12.1")
    (real.parent / "python3").symlink_to(real)
    assert machine.find("usr/bin")[0] == ["3.12.1"]
    assert len(machine.asked) == 1


def test_what_is_no_python_3_or_too_old_or_does_not_answer_is_passed_over(machine):
    for name, version in (("python2.7", "2.7.18"), ("python3-config", "3.12.0"), ("python3.13t", "3.13.0")):
        machine.put(f"usr/bin/{name}", version)
    machine.put("usr/bin/python3.10", "3.10.13")
    machine.put("usr/bin/python3.15", None)
    machine.put("usr/bin/python3.16", "3.16.0", executable=False)
    machine.put("shims/python3.12", "3.12.0")
    assert machine.find("usr/bin", "shims", "no such folder") == ([], [])
    assert {file.name for file in machine.asked} == {"python3.10", "python3.15"}


def test_other_implementations_and_free_threaded_builds_are_named_as_left_out(machine):
    machine.put("home/.pyenv/versions/pypy/bin/python3", "3.11.13", implementation="PyPy")
    machine.put("home/.pyenv/versions/3.13.0t/bin/python3", "3.13.0", free_threaded=True)
    machine.put("usr/bin/python3", "3.13.0")
    found, left_out = machine.find("usr/bin")
    assert found == ["3.13.0"]
    assert [out.python for out in left_out] == ["PyPy 3.11.13", "CPython 3.13.0 free-threaded"]


def test_this_interpreter_says_what_it_is(tmp_path):
    python = pythons.ask(matrix.Path(sys.executable))
    assert python.version == ".".join(map(str, sys.version_info[:3]))
    assert pythons.ask(tmp_path / "none") is None


def named(names, *versions):
    found = [Python(matrix.Path(v), v) for v in versions]
    return [p.version for p in pythons.named(names, found, ask=lambda _: None)]


def test_pythons_are_named_by_version_the_newest_of_its_kind():
    assert named(["3.13", "3.11"], "3.11.2", "3.11.7", "3.13.0") == ["3.11.7", "3.13.0"]
    assert named(["3.11.2", "3.11.2"], "3.11.2", "3.11.7") == ["3.11.2"]


def test_a_version_is_not_taken_for_the_beginning_of_another():
    with pytest.raises(LabError, match=r"'3\.1' is no Python 3\.11 or newer; found here: 3\.11\.2"):
        named(["3.1"], "3.11.2")


def test_pythons_are_named_by_path_and_messages_hold_no_path(machine):
    file = machine.put("odd place/python-x", "3.14.0")
    assert pythons.named([str(file)], [], machine.ask)[0].executable == file
    old = machine.put("odd place/python-y", "3.9.1")
    with pytest.raises(LabError) as error:
        pythons.named([str(old)], [], machine.ask)
    assert "odd place" not in str(error.value)


# --- measuring them --------------------------------------------------------------------------------------

THREE = [Python(matrix.Path(v), v) for v in ("3.11.2", "3.12.1", "3.13.0")]
SPEEDS = {"3.11.2": 1.0, "3.12.1": 1.5, "3.13.0": 1.0}


class Fake:
    """Rooms in which nothing is installed and runs are made up."""

    def __init__(self, unusable=(), failing=(), stop_at=None, noise=0.0):
        self.unusable, self.failing, self.stop_at, self.noise = unusable, failing, stop_at, noise
        self.ran = []

    def __call__(self, folder):
        return self

    def furnish(self):
        pass

    def prepare(self, python):
        if python.version in self.unusable:
            raise UnusableError("requirements.txt cannot be installed under it")

    def measure(self, python, output):
        if len(self.ran) == self.stop_at:
            raise KeyboardInterrupt
        if python.version in self.failing:
            raise UnusableError("bench.py --quick fails under it")
        self.ran.append(output.name)
        output.mkdir(parents=True)
        made = run(speed=SPEEDS[python.version] * (1 + self.noise * len(self.ran)), python=python.version)
        (output / "results.json").write_bytes(codec.encode(made.results))
        (output / "manifest.json").write_bytes(codec.encode(made.manifest))
        (output / rooms.DONE).touch()


@pytest.fixture
def output(tmp_path, monkeypatch):
    store.state_folder(tmp_path)
    monkeypatch.setattr(matrix.runs, "repeat_in", lambda *_: None)  # the study of whichever machine tests run on
    return tmp_path


def measure(output, fake, rounds=1, chosen=THREE):
    return matrix.measure(output, chosen, rounds, [], fake)


def loop_of(record):
    return next(r for r in record.comparison.rows if (r.method, r.n) == ("naive", 64))


def test_each_python_is_held_against_the_oldest(output):
    record = measure(output, Fake())
    assert [r.name for r in record.comparison.runs] == ["Python 3.11.2", "Python 3.12.1", "Python 3.13.0"]
    assert [held and held.verdict for held in loop_of(record).gflops] == [None, "faster", "no difference resolved"]
    assert loop_of(record).gflops[1].ratio == pytest.approx(1.5)


def test_every_round_runs_each_python_once_and_not_always_in_one_order(output):
    fake = Fake()
    record = measure(output, fake, rounds=6)
    orders = [[name.split("-")[1] for name in fake.ran[k : k + 3]] for k in range(0, 18, 3)]
    assert all(sorted(order) == sorted(SPEEDS) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert record.rounds == 6
    assert loop_of(record).cells[0].repetitions == 6 * 12


def test_how_far_rounds_differ_is_no_difference_between_pythons(output):
    """Each run is a tenth faster than the one before: that is the machine, and not the Python."""
    held = loop_of(measure(output, Fake(noise=0.1), rounds=3)).gflops
    assert held[2].floor > 0.3
    assert held[2].floor_from == "runs of one configuration"
    assert held[2].verdict == "no difference resolved"


def test_a_python_whose_packages_cannot_be_installed_is_left_out_and_named(output, capsys):
    record = measure(output, Fake(unusable=["3.12.1"]))
    assert [(out.python, out.why) for out in record.left_out] == [
        ("CPython 3.12.1", "requirements.txt cannot be installed under it")
    ]
    assert len(record.comparison.runs) == 2
    assert "Python 3.12.1 is left out: requirements.txt cannot be installed under it\n" in capsys.readouterr().out
    assert "- left out: CPython 3.12.1, requirements.txt cannot" in matrix.render(record)


def test_a_python_under_which_a_run_fails_is_left_out_with_all_its_rounds(output):
    fake = Fake(failing=["3.13.0"])
    record = measure(output, fake, rounds=2)
    assert [out.python for out in record.left_out] == ["CPython 3.13.0"]
    assert len(fake.ran) == 4


def test_with_fewer_than_two_pythons_it_says_so_in_a_line(output):
    with pytest.raises(LabError, match=r"only Python 3\.11\.2 can be measured here"):
        measure(output, Fake(), chosen=THREE[:1])
    with pytest.raises(LabError, match="no Python can be measured"):
        measure(output, Fake(), chosen=[])
    with pytest.raises(LabError, match=r"only Python 3\.11\.2 .* mend CPython 3\.12\.1, CPython 3\.13\.0, or"):
        measure(output, fake := Fake(unusable=["3.12.1", "3.13.0"]))
    assert fake.ran == []  # before anything is measured for nothing


def test_finished_runs_of_an_unfinished_matrix_are_not_run_again(output, capsys):
    stopped, later = Fake(stop_at=2), Fake()
    with pytest.raises(KeyboardInterrupt):
        measure(output, stopped)
    measure(output, later)
    assert len(stopped.ran) == 2
    assert len(later.ran) == 1
    assert capsys.readouterr().out.splitlines()[3:] == [f"Round 1 of 1: Python {later.ran[0][2:]}"]
    assert set(stopped.ran + later.ran) == {f"1-{v}" for v in SPEEDS}


def test_finished_runs_of_other_code_are_run_again(output, monkeypatch):
    measure(output, Fake())
    monkeypatch.setattr(matrix.provenance, "fingerprint", lambda *_: "other code")
    again = Fake()
    measure(output, again)
    assert len(again.ran) == 3


def test_the_command_leaves_record_figure_and_page_and_forgets_the_runs(output, monkeypatch, capsys):
    monkeypatch.setattr(matrix.pythons, "find", lambda *_: (THREE, []))
    really = matrix.measure
    monkeypatch.setattr(matrix, "measure", lambda *given: really(*given, Fake()))
    assert matrix.main(named="3.12,3.11.2", rounds=1, output=output) == 0
    said = capsys.readouterr().out
    assert "  Python 3.12.1: 1.500 (" in said
    assert not (output / store.STATE / matrix.FOLDER / matrix.RUNS_FOLDER).exists()
    record = codec.read(output / matrix.RECORD, Matrix)
    assert record.manifest.config["pythons"] == ["3.11.2", "3.12.1"]
    page, figure = (output / matrix.PAGE).read_text(), (output / matrix.FIGURE).read_bytes()
    assert page == matrix.render(record)
    assert str(output) not in page + (output / matrix.RECORD).read_text()
    (output / matrix.PAGE).unlink()
    assert matrix.main(redraw=True, output=output) == 0
    assert (output / matrix.PAGE).read_text() == page
    assert (output / matrix.FIGURE).read_bytes() == figure


def test_no_rounds_are_refused(output):
    with pytest.raises(LabError, match="at least 1"):
        matrix.main(rounds=0, output=output)


# --- the page ----------------------------------------------------------------------------------------------


def test_the_page_answers_for_the_loop_and_says_that_matmul_should_not_differ(output):
    record = measure(output, Fake())
    page = matrix.render(record)
    held = loop_of(record).gflops[1]
    assert f"| `naive` | 64 | 3.12.1 | {matrix.words.ratio(held)} | faster |" in page
    assert "`naive` | 1024" not in page  # extrapolated
    assert "should not differ" in page
    assert "It does differ here" not in page
    assert page.index("## What differs") < page.index("![")


def test_a_product_that_differs_is_called_out_in_page_and_summary(output):
    record = measure(output, Fake())
    product = matrix.words.telling_row(record.comparison, "matmul")
    product.share[1].verdict = "higher"
    assert "It does differ here" in matrix.render(record)
    assert "np.matmul at N=1024 differs too" in matrix.summary(record)[-1]


def test_without_rounds_the_page_says_that_runs_are_not_known_to_repeat(output):
    assert "One run each" in matrix.render(measure(output, Fake()))
    assert "pooled" in matrix.render(measure(output, Fake(), rounds=2))


# --- pooling -----------------------------------------------------------------------------------------------


def test_a_pooled_cell_has_every_repetition_and_a_share_as_uncertain_as_all_of_them():
    slow, fast = run(), run(speed=1.2, share=1.2)
    cell = pooling.pool([slow, fast]).results.cell("matmul", 64)
    a, b = (r.results.cell("matmul", 64) for r in (slow, fast))
    assert cell.seconds_per_call == a.seconds_per_call + b.seconds_per_call
    assert len(cell.marks) == 24
    assert (cell.roof.low, cell.roof.high) == (a.roof.low, b.roof.high)
    assert a.roof.share < cell.roof.share < b.roof.share
    assert a.gflops.median < cell.gflops.median < b.gflops.median


def test_what_cannot_be_true_in_one_round_taints_the_pool_and_noise_does_too():
    bad = run()
    bad.results.cell("matmul", 64).invalid = ["it cannot"]
    bad.results.cell("einsum", 64).noisy = True
    bad.results.noise.noisy, bad.results.same_twice.floor = True, 0.3
    pooled = pooling.pool([run(), bad]).results
    assert pooled.cell("matmul", 64).invalid == ["it cannot"]
    assert pooled.cell("einsum", 64).noisy
    assert pooled.noise.noisy
    assert pooled.same_twice.floor == 0.3


def test_an_extrapolated_cell_of_a_pool_has_the_rate_of_its_pooled_base_and_what_was_read_stays():
    slow, fast = run(), run(speed=1.2)
    before = slow.results.cell("naive", 1024).gflops.median
    pooled = pooling.pool([slow, fast]).results
    assert pooled.cell("naive", 1024).gflops == pooled.cell("naive", 128).gflops
    assert pooled.cell("naive", 1024).extrapolated
    assert slow.results.cell("naive", 1024).gflops.median == before < pooled.cell("naive", 1024).gflops.median


def test_a_cell_that_only_one_round_measured_is_that_rounds():
    other = run()
    measured = other.results.cell("naive", 1024)
    basis = other.results.cell("naive", 128)
    other.results.cells[other.results.cells.index(measured)] = msgspec.structs.replace(basis, n=1024, flops=2 * 1024**3)
    assert pooling.pool([run(), other]).results.cell("naive", 1024).extrapolated is False
    assert pooling.pool([run(), run()]).results.cell("naive", 1024).extrapolated


def test_runs_count_as_of_the_checkout_that_their_copy_was_made_of():
    git = Git(commit="f" * 40, dirty=True)
    made = [run(python="3.11.2"), run(python="3.12.1")]
    for one in made:
        one.manifest.git = Git(commit=None, dirty=None, reason="a copy")
    record = pooling.compare_pythons({"3.11.2": made[:1], "3.12.1": made[1:]}, git, repeat(0.1))
    assert [d.what for d in record.differences] == ["Python"]
    assert "its code had changes that no commit holds" in record.runs[0].remarks
    assert record.rows[0].gflops[1].floor == 0.1  # from the study on this machine


# --- rooms -------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(monkeypatch):
    """Every command that would run, each ending as `status` says."""
    ran, status = [], {}

    def fake(command, **_):
        ran.append(list(map(str, command)))
        return SimpleNamespace(returncode=next((s for word, s in status.items() if word in ran[-1]), 0))

    monkeypatch.setattr(rooms.subprocess, "run", fake)
    monkeypatch.setattr(rooms, "ask", lambda _: THREE[0])
    return SimpleNamespace(ran=ran, status=status)


def test_an_environment_is_made_once_and_again_when_the_requirements_change(tmp_path, commands, monkeypatch):
    (tmp_path / "3.11.2").mkdir()
    Rooms(tmp_path).prepare(THREE[0])
    assert [command[1:3] for command in commands.ran] == [["-m", "venv"], ["-m", "pip"], ["-c", rooms.LOADS]]
    Rooms(tmp_path).prepare(THREE[0])
    assert len(commands.ran) == 3
    (tmp_path / "other.txt").write_text("numpy==3\n")
    monkeypatch.setattr(rooms, "REQUIREMENTS", tmp_path / "other.txt")
    Rooms(tmp_path).prepare(THREE[0])
    assert len(commands.ran) == 6


def test_an_environment_whose_python_is_gone_is_made_again(tmp_path, commands, monkeypatch):
    (tmp_path / "3.11.2").mkdir()
    Rooms(tmp_path).prepare(THREE[0])
    monkeypatch.setattr(rooms, "ask", lambda _: None)
    Rooms(tmp_path).prepare(THREE[0])
    assert len(commands.ran) == 6


@pytest.mark.parametrize(("word", "why"), [("venv", "environment"), ("pip", "installed"), (rooms.LOADS, "load")])
def test_why_an_environment_cannot_be_made_is_half_a_line_and_it_is_tried_again(tmp_path, commands, word, why):
    (tmp_path / "3.11.2").mkdir()
    commands.status[word] = 1
    with pytest.raises(UnusableError, match=why):
        Rooms(tmp_path).prepare(THREE[0])
    commands.status.clear()
    Rooms(tmp_path).prepare(THREE[0])
    assert len(commands.ran) > 3


def test_only_a_run_that_ended_well_is_called_done(tmp_path, commands):
    done = tmp_path / "runs" / "1" / rooms.DONE
    commands.status["--quick"] = 2
    with pytest.raises(UnusableError):
        Rooms(tmp_path).measure(THREE[0], done.parent)
    for status in (130, -2):
        commands.status["--quick"] = status
        with pytest.raises(KeyboardInterrupt):
            Rooms(tmp_path).measure(THREE[0], done.parent)
    assert not done.exists()
    commands.status["--quick"] = 1  # a cell that cannot be true, which the record itself says
    Rooms(tmp_path).measure(THREE[0], done.parent)
    assert done.exists()


def test_runs_go_on_in_a_copy_of_the_lab_and_never_where_the_roof_is_on_record(tmp_path, commands):
    room = Rooms(tmp_path)
    room.furnish()
    room.measure(THREE[0], tmp_path / "runs" / "1")
    bench = matrix.Path(commands.ran[-1][1])
    assert tmp_path in bench.parents
    assert bench.read_bytes() == (matrix.HERE / "bench.py").read_bytes()
    roof = tmp_path / "lab" / "experiments" / "01-roofline"
    assert (roof / "roofline.py").exists()
    assert not roof.is_symlink()


def test_the_copy_takes_this_checkouts_roof_only_if_it_was_measured_here_and_keeps_its_own(
    tmp_path, monkeypatch, commands
):
    kept = tmp_path / "01-roofline"
    (kept / store.STATE).mkdir(parents=True)
    (kept / rooms.RECORD).write_text("{}")
    monkeypatch.setattr(rooms, "ROOFLINE", kept)
    room, copied = Rooms(tmp_path / "room"), tmp_path / "room" / "lab" / "experiments" / "01-roofline"
    room.furnish()
    assert not (copied / rooms.RECORD).exists()
    (kept / store.STATE / rooms.MARKER).write_text(store.digest(b"{}"))
    room.furnish()
    assert rooms.measured_here(copied)
    (copied / rooms.RECORD).write_text("another NumPy's")
    room.furnish()
    assert (copied / rooms.RECORD).read_text() == "another NumPy's"


def test_packages_of_this_python_are_not_brought_into_another(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    assert "PYTHONPATH" not in rooms._environment()
    assert "PATH" in rooms._environment()
