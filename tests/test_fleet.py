"""What a node of a fleet says of its own run, and the checkout that it runs: all that needs no ReFrame."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.provenance import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "fleet"))

import canned
import checkout
import node

from labkit.doctor.health import LEAST_SHARE
from labkit.runs import gather

SOUND = canned.records


def gathered(folder: Path, files):
    """These records as a node lays them out, read back."""
    lab, roof = folder / node.BENCH, folder / node.ROOFLINE
    for one in (lab, roof):
        one.mkdir(parents=True)
    for name, data in files.items():
        ((roof if name == canned.ROOF else lab) / name).write_bytes(data)
    (run,) = gather([folder])
    return run


def changed_afterwards():
    """Results with a word in them that their manifest has not seen."""
    return canned.encoded(*SOUND())[canned.RESULTS].replace(b'"complete"', b'"partial"')


def faults(tmp_path, results, manifest, roofline):
    return node.examine(gathered(tmp_path, canned.encoded(results, manifest, roofline)))


# --- what is wrong with a record --------------------------------------------------------------------


def test_a_sound_record_has_no_faults(tmp_path):
    assert faults(tmp_path, *SOUND()) == []


def test_a_record_changed_after_its_run_is_found(tmp_path):
    files = {**canned.encoded(*SOUND()), canned.RESULTS: changed_afterwards()}
    assert "changed afterwards" in "".join(node.examine(gathered(tmp_path, files)))


def test_a_cell_above_the_roof_is_found(tmp_path):
    (found,) = [f for f in faults(tmp_path, *SOUND(matmul=140.0)) if "N=128" in f]
    assert found.startswith("matmul at N=128 is invalid: it reaches 140 % of the roof")


def test_a_cell_above_the_roof_is_found_although_the_record_does_not_say_so(tmp_path):
    results, manifest, roofline = SOUND(matmul=140.0)
    for cell in results.cells:
        cell.invalid = []
    assert "matmul at N=128 is invalid" in "".join(faults(tmp_path, results, manifest, roofline))


def test_a_cell_that_the_record_calls_invalid_is_found(tmp_path):
    results, manifest, roofline = SOUND()
    results.cell("einsum", 64).invalid = ["so it says"]
    assert faults(tmp_path, results, manifest, roofline) == ["einsum at N=64 is invalid: so it says"]


def test_a_peak_that_is_not_the_roofs_is_found(tmp_path):
    results, manifest, roofline = SOUND()
    results.roof.peak_gflops /= 2
    assert "is not that of the roof beside it" in "".join(faults(tmp_path, results, manifest, roofline))


def test_another_machines_roof_is_found(tmp_path):
    results, manifest, roofline = SOUND()
    roofline.machine.cpu = "another"
    assert faults(tmp_path, results, manifest, roofline) == ["there is no roof of this machine beside the record"]


@pytest.mark.parametrize("broken", ["exact_on_integers", "within_bound"])
def test_a_method_that_computes_something_else_is_found(broken, tmp_path):
    results, manifest, roofline = SOUND()
    setattr(results.agreement.methods["einsum"], broken, False)
    assert faults(tmp_path, results, manifest, roofline) == ["einsum does not compute the product"]


def test_a_method_without_a_measurement_is_found(tmp_path):
    results, manifest, roofline = SOUND()
    results.cells = [cell for cell in results.cells if cell.method != "matmul"]
    assert faults(tmp_path, results, manifest, roofline) == ["matmul was not timed at any size"]


def test_a_run_that_is_not_quick_is_found(tmp_path):
    results, manifest, roofline = SOUND()
    results.protocol.quick = False
    assert faults(tmp_path, results, manifest, roofline) == ["this is not a run of the quick protocol"]


# --- what is reported and expected ------------------------------------------------------------------


def test_every_rate_every_share_the_peak_and_the_speedup_are_reported(tmp_path):
    results = canned.made_up.results(quick=True)
    _, manifest, roofline = SOUND()
    found = node.performance(gathered(tmp_path, canned.encoded(results, manifest, roofline)))
    assert found["peak"] == (results.roof.peak_gflops, "GFLOPS")
    assert found["matmul_1024_rate"] == (results.cell("matmul", 1024).gflops.median, "GFLOPS")
    assert found["einsum_64_share"] == (results.cell("einsum", 64).roof.share, "of the roof")
    assert found["speedup_1024"] == (results.speedup.factor, "times (naive extrapolated)")
    assert "naive_128_rate" in found
    assert "naive_128_share" not in found
    assert "naive_1024_rate" not in found  # it was not timed


def test_a_speedup_that_pages_withhold_is_not_reported(tmp_path):
    results = canned.made_up.results(quick=True)
    results.speedup.withheld = "it was disturbed"
    _, manifest, roofline = SOUND()
    assert "speedup_1024" not in node.performance(gathered(tmp_path, canned.encoded(results, manifest, roofline)))


def test_only_the_share_of_the_largest_product_has_a_reference_and_it_is_the_doctors(tmp_path):
    assert node.expected(gathered(tmp_path, canned.encoded(*SOUND()))) == {"matmul_128_share": LEAST_SHARE}


# --- a node's run -----------------------------------------------------------------------------------


@pytest.fixture
def run_node(tmp_path, monkeypatch):
    """Run node.py's main on a lab that leaves these files; its exit status and its outcome."""

    def run(files, **how):
        monkeypatch.setattr(node, "REPOSITORY", _materialised(tmp_path, files, **how))
        status = node.main(tmp_path / "record", ["--sizes=64,128"])
        return status, json.loads((tmp_path / "record" / node.OUTCOME).read_text())

    return run


def _materialised(tmp_path, files, **how):
    checkout.make(canned.lab(tmp_path / "lab", files, **how), tmp_path / "its own")
    return tmp_path / "its own"


def test_a_node_leaves_records_that_compare_reads_and_says_what_it_reached(run_node, tmp_path, capfd):
    status, outcome = run_node(canned.encoded(*SOUND()))
    assert "--sizes=64,128" in capfd.readouterr().out
    assert (status, outcome["faults"]) == (0, [])
    assert outcome["variables"]["peak"] == [100.0, "GFLOPS"]
    assert outcome["references"] == {"matmul_128_share": LEAST_SHARE}
    (run,) = gather([tmp_path / "record"])
    assert run.roofline


def test_a_failed_run_is_a_fault_with_the_reason_that_it_gave(run_node, capfd):
    status, outcome = run_node({}, status=2, says="bench.py: llvmlite is missing")
    assert status == 1
    assert outcome["faults"] == ["bench.py ended with status 2: bench.py: llvmlite is missing"]
    assert outcome["variables"] == outcome["references"] == {}
    assert capfd.readouterr().err.count("llvmlite is missing") == 2  # as bench.py said it, and as the fault


def test_an_exit_status_is_a_fault_even_beside_a_sound_record(run_node):
    status, outcome = run_node(canned.encoded(*SOUND()), status=1, says="bench.py: it is invalid")
    assert (status, len(outcome["faults"])) == (1, 1)
    assert "peak" in outcome["variables"]


def test_what_is_wrong_with_a_record_is_a_fault_although_the_run_ended_well(run_node):
    status, outcome = run_node({**canned.encoded(*SOUND()), canned.RESULTS: changed_afterwards()})
    assert status == 1
    assert "changed afterwards" in outcome["faults"][0]


def test_a_record_that_contradicts_itself_is_a_fault(run_node):
    files = canned.encoded(*SOUND())
    files[canned.RESULTS] = files[canned.RESULTS].replace(b'"best": ', b'"best": 1')
    status, outcome = run_node(files)
    assert status == 1
    assert "does not follow from its seconds" in outcome["faults"][0]


# --- the node's checkout ----------------------------------------------------------------------------


@pytest.fixture
def original(tmp_path):
    """A small repository of the lab's form, in a folder with a space, with records and what a run leaves."""
    lab = tmp_path / "a check out"
    for folder in checkout.CODE:
        (lab / folder / ".state").mkdir(parents=True)
        (lab / folder / "code.py").write_text("1")
        (lab / folder / ".state" / "measured").write_text("here")
    (lab / "experiments" / "01-roofline" / "kernels.json").write_text("{}")
    (lab / "labkit" / "doctor").mkdir()
    (lab / "labkit" / "doctor" / "__init__.py").write_text("")
    (lab / checkout.FRONT_PAGE).write_text("")
    (lab / ".gitignore").write_text(".state/\n")
    return lab


def git(folder, *words):
    who = ("-c", "user.name=n", "-c", "user.email=e")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_nodes_checkout_has_the_code_and_no_roof_that_another_has_measured(original, tmp_path):
    checkout.make(original, tmp_path / "node")
    made = {str(file.relative_to(tmp_path / "node")) for file in (tmp_path / "node").rglob("*") if file.is_file()}
    packages = {f"{folder}/code.py" for folder in checkout.CODE}
    assert made == {*packages, "labkit/doctor/__init__.py", checkout.FRONT_PAGE}


@pytest.mark.parametrize("changed", [False, True])
def test_a_nodes_checkout_knows_its_commit_and_whether_its_code_differs(original, tmp_path, changed):
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "m"]):
        git(original, *words)
    if changed:
        (original / "labkit" / "code.py").write_text("2")
    there = tmp_path / "node"
    checkout.make(original, there)
    assert git(there, "rev-parse", "HEAD") == git(original, "rev-parse", "HEAD")
    assert bool(git(there, "status", "--porcelain")) == changed
    assert (there / "labkit" / "code.py").read_text() == ("2" if changed else "1")
    assert not list(there.rglob(".state"))


def test_in_a_git_hook_no_other_repository_is_touched(original, tmp_path, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(original, other)
    for repository in (original, other):
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", str(repository.name)]):
            git(repository, *words)
    (other / "tests").mkdir()
    (other / "tests" / "kept.py").write_text("1")
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "kept")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    checkout.make(original, tmp_path / "node")
    monkeypatch.undo()
    assert (other / "tests" / "kept.py").exists()
    assert git(tmp_path / "node", "rev-parse", "HEAD") == git(original, "rev-parse", "HEAD")


def test_the_repository_itself_can_be_copied_and_run_from(tmp_path):
    checkout.make(REPOSITORY, tmp_path / "node")
    bench = tmp_path / "node" / node.BENCH / "bench.py"
    done = subprocess.run([sys.executable, str(bench), "--help"], capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
    code = f"import runpy; runpy.run_path({str(tmp_path / 'node' / 'fleet' / 'node.py')!r}); import labkit"
    code += "; print(labkit.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(tmp_path / "node") in done.stdout  # its own labkit, not the one that this Python has installed


# --- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["checkout", "a check out"])
def test_jobs_run_in_a_folder_without_a_space(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    (tmp_path / name).mkdir()
    shutil.copy(REPOSITORY / "fleet" / "settings.py", tmp_path / name)
    settings = runpy.run_path(str(tmp_path / name / "settings.py"))["site_configuration"]
    for system in settings["systems"]:
        assert " " not in system["stagedir"]
        assert system["stagedir"].startswith("/cache/" if " " in name else str(tmp_path))


def test_one_machine_runs_one_job_at_a_time_and_machines_by_ssh_one_each(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEET_HOSTS", "one,two,three")
    shutil.copy(REPOSITORY / "fleet" / "settings.py", tmp_path)
    systems = runpy.run_path(str(tmp_path / "settings.py"))["site_configuration"]["systems"]
    jobs = {system["name"]: system["partitions"][0]["max_jobs"] for system in systems}
    assert (jobs["local"], jobs["ssh"]) == (1, 3)
