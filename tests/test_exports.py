"""Results as pyperf, Bencher and a spreadsheet read them: each file is given to its reader, or to its schema."""

import csv
import io
import json
import os
import platform
import re
import subprocess
import sys

import jsonschema
import made_up
import msgspec
import pyperf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import codec, statistics
from labkit.commands import main
from labkit.errors import LabError
from labkit.exports import bencher, cells, spreadsheet
from labkit.exports import pyperf as for_pyperf
from labkit.provenance import REPOSITORY
from labkit.runs import Run

ALL = (for_pyperf, bencher, spreadsheet)
REASON = "it reaches 130 % of the roof (128 % or more)"
# The Bencher Metric Format as its reference describes it: names of 1024 letters and slugs of 64 at most.
BENCHER_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64},
        "additionalProperties": {
            "type": "object",
            "properties": {key: {"type": "number"} for key in ("value", "lower_value", "upper_value")},
            "required": ["value"],
            "additionalProperties": False,
        },
    },
}


def run_of(results=None, manifest=None):
    return Run("a CPU", REPOSITORY, results or made_up.results(), manifest or made_up.manifest(), None, None)


def with_invalid(method="matmul", n=128):
    run = run_of()
    run.results.cell(method, n).invalid = [REASON]
    return run


def slowed(results, factor):
    """The same result with every time so many times as long."""
    for cell in results.cells:
        cell.seconds_per_call = [factor * s for s in cell.seconds_per_call]
    return results


def timed(run):
    return [cell for cell in run.results.cells if not cell.extrapolated]


def suite(run):
    return pyperf.BenchmarkSuite.loads(for_pyperf.export(run))


def run_pyperf(*words):
    """What pyperf's own command says; it must end well."""
    done = subprocess.run([sys.executable, "-m", "pyperf", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(run):
    return list(csv.DictReader(io.StringIO(spreadsheet.export(run))))


@pytest.fixture
def folder(tmp_path):
    """A result on disk, as `bench.py` leaves it."""
    (tmp_path / "results.json").write_bytes(codec.encode(made_up.results()))
    (tmp_path / "manifest.json").write_bytes(codec.encode(made_up.manifest()))
    return tmp_path


# --- pyperf -----------------------------------------------------------------------------------------


def test_pyperf_reads_each_timed_cell_with_its_own_seconds_and_calls():
    run = run_of()
    run.results.cell("matmul", 64).calls_per_repetition = 37
    read = suite(run)
    assert read.get_benchmark_names() == [cells.name(cell) for cell in timed(run)]
    for benchmark, cell in zip(read, timed(run), strict=True):
        assert list(benchmark.get_values()) == cell.seconds_per_call
        assert benchmark.get_loops() == cell.calls_per_repetition
        assert benchmark.get_unit() == "second"


def test_pyperf_stats_show_check_and_metadata_read_the_file(tmp_path):
    (tmp_path / "run.json").write_text(for_pyperf.export(run_of()))
    said = run_pyperf("stats", tmp_path / "run.json")
    assert "matmul N=1024" in said
    assert "Number of value per run: 12" in said
    assert "matmul N=1024" in run_pyperf("show", tmp_path / "run.json")
    run_pyperf("check", tmp_path / "run.json")
    said = run_pyperf("metadata", tmp_path / "run.json")
    assert "cpu_model_name: a CPU" in said
    assert "warmup_calls: 1" in said


def test_pyperf_compare_to_finds_the_run_that_takes_twice_as_long(tmp_path):
    (tmp_path / "one.json").write_text(for_pyperf.export(run_of()))
    (tmp_path / "two.json").write_text(for_pyperf.export(run_of(slowed(made_up.results(), 2.0))))
    said = run_pyperf("compare_to", tmp_path / "one.json", tmp_path / "two.json")
    assert said.count("2.00x slower") == len(timed(run_of())) + 1  # and the geometric mean


def test_pyperf_reads_a_cell_of_one_repetition(tmp_path):
    run = run_of()
    cell = run.results.cell("naive", 64)
    cell.seconds_per_call = cell.seconds_per_call[:1]
    (tmp_path / "run.json").write_text(for_pyperf.export(run))
    run_pyperf("stats", tmp_path / "run.json")
    run_pyperf("compare_to", tmp_path / "run.json", tmp_path / "run.json")


def test_an_extrapolated_cell_is_no_benchmark_and_the_file_says_that_it_is_left_out():
    read = suite(run_of())
    assert "naive N=1024" not in read.get_benchmark_names()
    assert read.get_metadata()["left_out"] == "naive N=1024; blocked N=1024"
    assert for_pyperf.remarks(run_of()) == ["left out, as not timed but extrapolated: naive N=1024, blocked N=1024"]


def test_an_invalid_cell_says_so_in_its_name_and_is_compared_with_no_valid_one(tmp_path):
    run = with_invalid()
    assert suite(run).get_benchmark("matmul N=128 (invalid)").get_metadata()["invalid"] == REASON
    assert any("cannot be true: matmul N=128" in remark for remark in for_pyperf.remarks(run))
    (tmp_path / "one.json").write_text(for_pyperf.export(run_of()))
    (tmp_path / "two.json").write_text(for_pyperf.export(run_of(slowed(run.results, 2.0))))
    compared = run_pyperf("compare_to", tmp_path / "one.json", tmp_path / "two.json").split("Ignored")[0]
    assert "matmul N=64" in compared
    assert "matmul N=128" not in compared


def test_pyperf_metadata_holds_rates_and_provenance_and_says_what_is_noisy():
    run = run_of()
    run.results.cell("matmul", 64).noisy = True
    of_cell = suite(run).get_benchmark("matmul N=64").get_metadata()
    assert of_cell["gflops"] == run.results.cell("matmul", 64).gflops.median
    assert of_cell["share_of_roof"] == run.results.cell("matmul", 64).roof.share
    assert of_cell["noisy"] == "yes"
    assert "noisy" not in suite(run).get_benchmark("matmul N=1024").get_metadata()
    assert {"python_version", "numpy", "blas", "commit", "peak_gflops"} <= suite(run).get_metadata().keys()


def test_pyperf_takes_metadata_that_is_empty_or_has_line_ends():
    run = run_of()
    run.manifest.hardware.cpu = "a CPU\n of two lines "
    run.manifest.versions = {}
    assert suite(run).get_metadata()["cpu_model_name"] == "a CPU of two lines"


def test_exporting_needs_no_pyperf(folder):
    code = "import sys; sys.modules['pyperf'] = None\nfrom labkit.commands import main\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", "pyperf", str(folder)], cwd=REPOSITORY, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == "1.0"


# --- Bencher ----------------------------------------------------------------------------------------


def test_bencher_output_is_as_its_reference_describes_it():
    jsonschema.validate(json.loads(bencher.export(run_of())), BENCHER_SCHEMA)


def test_bencher_latency_is_in_nanoseconds_and_agrees_with_the_rate():
    run = run_of()
    read = json.loads(bencher.export(run))
    for cell in timed(run):
        measures = read[cells.name(cell)]
        # flops a ns are GFLOPS; the middle of an even number of repetitions is not quite the same for both
        assert cell.flops / measures["latency"]["value"] == pytest.approx(cell.gflops.median, rel=1e-3)
        assert measures["gflops"]["value"] == cell.gflops.median
        assert measures["share-of-roof"]["value"] == cell.roof.share


def test_bencher_intervals_hold_their_values():
    for measures in json.loads(bencher.export(run_of())).values():
        for metric in measures.values():
            assert metric["lower_value"] < metric["value"] < metric["upper_value"]


def test_bencher_is_given_no_cell_that_is_extrapolated_or_invalid_and_that_is_said():
    read = json.loads(bencher.export(with_invalid()))
    assert not {"matmul N=128", "naive N=1024"} & read.keys()
    said = "\n".join(bencher.remarks(with_invalid()))
    assert "cannot be true: matmul N=128" in said
    assert "extrapolated: naive N=1024" in said


# --- a spreadsheet ----------------------------------------------------------------------------------


def test_csv_has_a_row_for_every_cell_with_the_numbers_of_the_record():
    run = run_of()
    for row, cell in zip(rows(run), run.results.cells, strict=True):
        assert (row["method"], int(row["n"])) == (cell.method, cell.n)
        assert float(row["gflops_median"]) == cell.gflops.median
        assert float(row["share_of_roof"]) == cell.roof.share
        assert int(row["repetitions"]) == len(cell.seconds_per_call)
        low, middle, high = (float(row[f"seconds_per_call_{which}"]) for which in ("low", "median", "high"))
        assert low <= middle <= high
        assert middle * cell.gflops.median * 1e9 == pytest.approx(cell.flops, rel=1e-3)
        if not cell.extrapolated:
            assert middle == statistics.median(cell.seconds_per_call)


def test_csv_says_which_cells_are_extrapolated_noisy_or_invalid():
    run = with_invalid()
    run.results.cell("einsum", 64).noisy = True
    table = {(row["method"], row["n"]): row for row in rows(run)}
    assert table["naive", "1024"]["extrapolated"] == "yes"
    assert table["naive", "1024"]["extrapolated_from_n"] == "128"
    assert table["naive", "128"]["extrapolated"] == "no"
    assert table["einsum", "64"]["noisy"] == "yes"
    assert table["matmul", "128"]["invalid"] == REASON
    assert table["matmul", "64"]["invalid"] == ""


def test_csv_says_where_every_row_comes_from():
    run = run_of()
    run.manifest.git.commit, run.manifest.blas.kernel = "0123456789abcdef", "Haswell"
    for row in rows(run):
        assert (row["run_cpu"], row["run_commit"], row["run_blas_kernel"]) == ("a CPU", "0123456", "Haswell")
        assert row["run_created"] == run.manifest.created


HOSTILE = ["=1+1", "+1", "-2+3", "@SUM(A1)", " =1", "\t=1", "\r=1", '"=1', "a\nb", "a,b;c"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_in_the_csv_is_a_formula_or_breaks_its_row(text):
    run = run_of()
    run.manifest.hardware.cpu = text
    run.results.cells[0].notes = [text]
    for row in rows(run):
        assert None not in row
        assert None not in row.values()
        for field in row.values():
            assert re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", field) or not field.startswith(("=", "+", "-", "@"))


RUN = run_of()


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_whatever_a_cpu_is_called_each_format_is_read_back_whole(text):
    hardware = msgspec.structs.replace(RUN.manifest.hardware, cpu=text)
    run = run_of(RUN.results, msgspec.structs.replace(RUN.manifest, hardware=hardware))
    assert len(suite(run)) == len(timed(run))
    assert len(rows(run)) == len(run.results.cells)
    assert " ".join(text.split()) in (rows(run)[0]["run_cpu"], rows(run)[0]["run_cpu"][1:], "")


# --- all of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("made_by", ALL)
def test_nothing_names_the_host_or_a_folder(made_by):
    run = run_of()
    text = made_by.export(run)
    assert "hostname" not in text
    assert platform.node() not in text
    assert str(run.folder) not in text


@pytest.mark.parametrize("made_by", ALL)
def test_a_result_of_which_nothing_can_be_said_is_refused(made_by):
    run = run_of()
    run.results.cells = []
    with pytest.raises(LabError, match="nothing"):
        made_by.export(run)


def test_bencher_refuses_a_result_that_is_invalid_altogether():
    run = run_of()
    for cell in run.results.cells:
        cell.invalid = [REASON]
    with pytest.raises(LabError, match="nothing for Bencher"):
        bencher.export(run)


# --- the command ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pyperf", "bencher", "csv"])
def test_the_command_prints_the_same_as_it_writes(name, folder, capsys):
    assert main(["export", name, str(folder)]) == 0
    said = capsys.readouterr()
    assert main(["export", name, str(folder), "--output", str(folder / "made")]) == 0
    assert said.out == (folder / "made").read_text()
    assert said.out.endswith("\n")
    assert capsys.readouterr() == ("", said.err)
    assert ("left out" in said.err) == (name != "csv")


def test_a_failed_write_leaves_the_older_file_and_nothing_beside_it(folder, monkeypatch, capsys):
    (folder / "made.csv").write_text("older")
    before = sorted(os.listdir(folder))

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    assert main(["export", "csv", str(folder), "--output", str(folder / "made.csv")]) == 2
    assert (folder / "made.csv").read_text() == "older"
    assert sorted(os.listdir(folder)) == before
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_pipe_or_a_link_to_one_is_written_into_and_not_replaced(folder):
    # Not a device of the system's: whoever tests this as root with the check taken out would replace it.
    pipe, link = folder / "pipe", folder / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for output in (pipe, link):
        assert main(["export", "csv", str(folder), "--output", str(output)]) == 0
        assert os.read(reader, 1 << 16).startswith(b"method,")
    os.close(reader)
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_link_to_a_file_stays_a_link(folder):
    (folder / "real.csv").write_text("older")
    (folder / "link.csv").symlink_to("real.csv")
    assert main(["export", "csv", str(folder), "--output", str(folder / "link.csv")]) == 0
    assert (folder / "link.csv").is_symlink()
    assert (folder / "real.csv").read_text().startswith("method,")


@pytest.mark.parametrize("output", ["missing/made.csv", "."])
def test_an_output_that_cannot_be_written_is_one_line(output, folder, capsys):
    assert main(["export", "csv", str(folder), "--output", str(folder / output)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_without_a_result_is_one_line(tmp_path, capsys):
    assert main(["export", "pyperf", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_the_output_is_utf_8_whatever_the_terminal_speaks(folder):
    manifest = made_up.manifest()
    manifest.hardware.cpu = "a CPU® of 3 µm"
    (folder / "manifest.json").write_bytes(codec.encode(manifest))
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "export", "csv", str(folder)],
        cwd=REPOSITORY, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "a CPU® of 3 µm" in done.stdout.decode("utf-8")
