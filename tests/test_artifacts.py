"""The artifacts of this checkout: whole, of one piece with their pages, and (as committed) a complete lab.

A run may be interrupted or still be in the making: what it had put in place by then is looked at in a copy,
in which a set that was cut short is settled first, as the next run would.
"""

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import explain
import pytest
import roof_page
from PIL import Image

from labkit import codec, store
from labkit.records import Manifest, Results, Roofline

REPOSITORY = Path(__file__).resolve().parents[1]
LAB_FOLDER, ROOF_FOLDER = "experiments/03-matmul-perf", "experiments/01-roofline"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The experiments and the front page, settled."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(
        REPOSITORY / "experiments", root / "experiments", ignore=shutil.ignore_patterns("__pycache__", "lock", "matrix")
    )
    shutil.copy(REPOSITORY / "README.md", root / "README.md")
    for folder in (LAB_FOLDER, ROOF_FOLDER):
        store.settle(root / folder)
    return root


def read(root, folder, name, kind):
    return codec.decode((root / folder / name).read_bytes(), kind, name)


def test_the_labs_page_is_what_its_records_render_to(copy):
    results, manifest = (
        read(copy, LAB_FOLDER, "results.json", Results),
        read(copy, LAB_FOLDER, "manifest.json", Manifest),
    )
    assert (copy / LAB_FOLDER / "README.md").read_text("utf-8") == explain.render_page(
        results, manifest, explain.read_ladder(copy / "experiments" / "03-speedup-ladder", manifest)
    )


def test_the_front_page_is_what_the_labs_records_render_to(copy):
    results, manifest = (
        read(copy, LAB_FOLDER, "results.json", Results),
        read(copy, LAB_FOLDER, "manifest.json", Manifest),
    )
    assert (copy / "README.md").read_text("utf-8") == explain.render_front_page(results, manifest)


def test_the_roofs_page_is_what_its_record_renders_to(copy):
    roofline, manifest = (
        read(copy, ROOF_FOLDER, "kernels.json", Roofline),
        read(copy, ROOF_FOLDER, "manifest.json", Manifest),
    )
    assert (copy / ROOF_FOLDER / "README.md").read_text("utf-8") == roof_page.render(roofline, manifest)


@pytest.mark.parametrize("folder", [LAB_FOLDER, ROOF_FOLDER])
def test_every_output_has_the_digest_that_its_manifest_says(copy, folder):
    outputs = read(copy, folder, "manifest.json", Manifest).outputs
    assert len(outputs) == {LAB_FOLDER: 3, ROOF_FOLDER: 4}[folder]
    for name, digest in outputs.items():
        assert store.digest((copy / folder / name).read_bytes()) == digest, name


def test_the_figure_shows_the_records_curves_and_roof(copy):
    results = read(copy, LAB_FOLDER, "results.json", Results)
    data = json.loads(Image.open(copy / LAB_FOLDER / "perf.png").text["Description"])
    assert set(data["curves"]) == {cell.method for cell in results.cells}
    for cell in results.cells:
        assert any(p["n"] == cell.n and p["gflops"] == cell.gflops.median for p in data["curves"][cell.method])
    assert data["roof"]["peak_gflops"] == results.roof.peak_gflops


def test_records_hold_no_absolute_path():
    for path in REPOSITORY.glob("experiments/*/*.json"):
        assert not re.search(r'"(/|[A-Z]:\\)', path.read_text("utf-8")), path.name


# --- the stop conditions of the lab, on what is committed -------------------------------------------


def committed(name: str) -> bytes:
    """A file of the newest commit; outside a git checkout, the file as it stands."""
    shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=REPOSITORY, capture_output=True, check=False)
    return shown.stdout if shown.returncode == 0 else Path(REPOSITORY / name).read_bytes()


@pytest.fixture(scope="module")
def results():
    return codec.decode(committed(f"{LAB_FOLDER}/results.json"), Results, "results.json")


def test_the_committed_run_is_complete_and_measured_every_cell(results):
    assert results.status == "complete"
    assert results.protocol.measure_all
    assert {(c.method, c.n) for c in results.cells} == {
        (method, n) for method in ("naive", "blocked", "einsum", "matmul") for n in (64, 128, 256, 512, 1024)
    }
    assert not any(cell.extrapolated for cell in results.cells)


def test_the_committed_run_followed_the_protocol(results):
    for cell in results.cells:
        if not (cell.method in ("naive", "blocked") and cell.n >= 1024):
            assert len(cell.seconds_per_call) >= 5, (cell.method, cell.n)
            assert cell.total_seconds >= 1.0, (cell.method, cell.n)


def test_stop_condition_the_methods_agree_at_the_labs_tolerance(results):
    assert (results.agreement.n, results.agreement.rtol, results.agreement.atol) == (64, 1e-5, 1e-6)
    for record in results.agreement.methods.values():
        assert record.within_bound
        assert record.exact_on_integers


def test_stop_condition_the_plot_has_all_four_curves_and_the_roof():
    data = json.loads(Image.open(io.BytesIO(committed(f"{LAB_FOLDER}/perf.png"))).text["Description"])
    assert set(data["curves"]) >= {"naive", "blocked", "einsum", "matmul"}
    assert data["roof"]["peak_gflops"] > 0


def test_stop_condition_the_page_answers_the_four_questions():
    page = committed(f"{LAB_FOLDER}/README.md").decode()
    answers = re.findall(r"\*\*([1-4])\. .*?(?=\*\*[1-4]\. |\n## )", page, re.DOTALL)
    assert answers == ["1", "2", "3", "4"]
    assert "does not say" not in page


def test_stop_condition_the_speedup_is_at_least_fifty(results):
    assert results.speedup.n == 1024
    assert results.speedup.factor >= 50
    assert results.speedup_measured.factor >= 50


def test_the_harness_of_the_committed_run_cost_less_than_a_twentieth(results):
    assert results.harness.share < 0.05


def test_the_committed_set_is_a_valid_result_of_the_lab(tmp_path):
    """As `make verify` has it, with what stands beside it, and from wherever it was copied to."""
    from labkit.verify.verdict import verify

    beside = ("experiments/01-roofline/kernels.json", "experiments/03-speedup-ladder/results.json")
    its = [f"{LAB_FOLDER}/{name}" for name in ("results.json", "manifest.json", "perf.png", "README.md")]
    sources = [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / LAB_FOLDER).glob("*.py")]
    for name in (*its, *sources, *beside):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(committed(name))
    assert not [check for check in verify(tmp_path).checks if check.passed is False]


def test_the_matrix_page_is_what_its_record_renders_to():
    import matrix

    from labkit.records import Matrix

    record = codec.decode(committed(f"{LAB_FOLDER}/matrix.json"), Matrix, "matrix.json")
    assert committed(f"{LAB_FOLDER}/matrix.md").decode() == matrix.render(record)
