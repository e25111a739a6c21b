"""Results as pyperf, Bencher and a spreadsheet read them: each file is given to its reader, or to its schema."""

import csv
import io
import json
import os
import platform
import re
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from statistics import median

import made_up
import msgspec
import pyperf
import pytest
from compared import run

from labkit import export
from labkit.errors import UserError
from labkit.records import io as record_io

REASON = "it reaches 130 % of the peak (128 % or more)"


def with_invalid(**how):
    made = run(**how)
    made.analysis.cell("matmul", 128).invalid = [REASON]
    return made


def timed(made):
    return [cell for cell in made.analysis.cells if not cell.extrapolated]


def suite(made):
    return pyperf.BenchmarkSuite.loads(export.pyperf(made))


def run_pyperf(*words):
    """What pyperf's own command says; it must end well."""
    done = subprocess.run([sys.executable, "-m", "pyperf", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(made):
    return list(csv.DictReader(io.StringIO(export.spreadsheet(made))))


@pytest.fixture
def folder(tmp_path):
    return made_up.write(tmp_path / "result")


def command(folder, format_, output=None):
    return export.run(Namespace(folder=folder, format=format_, output=output))


# --- pyperf ------------------------------------------------------------------------------------------------


def test_pyperf_reads_each_timed_cell_with_its_own_seconds_and_calls_and_where_it_comes_from():
    made = with_invalid()
    next(s for s in made.results.samples if (s.name, s.n) == ("matmul", 64)).calls[3] = 37
    read = suite(made)
    for benchmark, cell in zip(read, timed(made), strict=True):
        found = benchmark.get_metadata()
        assert benchmark.get_name() == export.name(cell) + " (invalid)" * (cell.n == 128 and cell.method == "matmul")
        assert list(benchmark.get_values()) == cell.seconds_per_call
        assert benchmark.get_loops() == (37 if (cell.method, cell.n) == ("matmul", 64) else 1)
        assert (found["gflops_median"], found["peak_fraction"]) == (cell.gflops.median, cell.peak_fraction.value)
        assert found.get("invalid") == (REASON if cell.invalid else None)
    assert read.get_metadata()["left_out"] == "naive N=1024; blocked N=1024"
    assert {"python_version", "numpy", "blas", "commit", "peak_gflops"} <= read.get_metadata().keys()


def test_pyperfs_commands_read_the_file_and_find_the_run_that_takes_twice_as_long(tmp_path):
    one, two, single = (tmp_path / f"{name}.json" for name in ("one", "two", "single"))
    one.write_text(export.pyperf(run()))
    two.write_text(export.pyperf(with_invalid(clock=0.5)))
    single.write_text(export.pyperf(run(samples=1)))
    said = run_pyperf("stats", one)
    assert "matmul N=1024" in said
    assert "Number of value per run: 12" in said
    assert "matmul N=1024" in run_pyperf("show", one)
    run_pyperf("check", one)
    assert "cpu_model_name: a CPU" in run_pyperf("metadata", one)
    run_pyperf("stats", single)
    compared, ignored = run_pyperf("compare_to", one, two).split("Ignored", 1)
    assert compared.count("2.00x slower") == len(timed(run()))  # all but the invalid one, and the geometric mean
    assert "matmul N=128" not in compared
    assert "matmul N=128" in ignored


# --- Bencher -----------------------------------------------------------------------------------------------


def test_bencher_output_is_as_its_reference_describes_it_with_cells_that_were_timed_and_can_be_true():
    made = with_invalid()
    read = json.loads(export.bencher(made))
    cells = {export.name(cell): cell for cell in timed(made) if not cell.invalid}
    assert read.keys() == cells.keys()
    assert not {"matmul N=128", "naive N=1024"} & read.keys()
    for named, measures in read.items():
        rate = cells[named].gflops
        assert measures["latency"]["value"] == pytest.approx(1e9 * median(cells[named].seconds_per_call))  # ns
        assert measures["gflops"] == {"value": rate.median, "lower_value": rate.low, "upper_value": rate.high}
        assert measures["peak-fraction"]["value"] == cells[named].peak_fraction.value
        for slug, metric in measures.items():
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
            assert metric.keys() == {"value", "lower_value", "upper_value"}
            assert metric["lower_value"] < metric["value"] < metric["upper_value"]


# --- a spreadsheet -----------------------------------------------------------------------------------------


def test_csv_has_a_row_for_every_cell_with_its_numbers_what_limits_it_and_where_it_comes_from():
    made = with_invalid()
    made.analysis.cell("einsum", 64).noisy = True
    for row, cell in zip(rows(made), made.analysis.cells, strict=True):
        assert (row["method"], int(row["n"])) == (cell.method, cell.n)
        assert float(row["gflops_median"]) == cell.gflops.median
        assert float(row["peak_fraction"]) == cell.peak_fraction.value
        assert int(row["samples"]) == len(cell.seconds_per_call)
        low, middle, high = (float(row[f"seconds_per_call_{which}"]) for which in ("low", "median", "high"))
        assert low <= middle <= high
        if not cell.extrapolated:
            assert middle == median(cell.seconds_per_call)
            assert low == pytest.approx(sorted(cell.seconds_per_call)[2])
        assert (row["extrapolated"], row["noisy"]) == (["no", "yes"][cell.extrapolated], ["no", "yes"][cell.noisy])
        assert row["extrapolated_from_n"] == ("128" if cell.extrapolated else "")
        assert row["invalid"] == "; ".join(cell.invalid)
        assert (row["run_cpu"], row["run_commit"], row["run_blas_kernel"]) == ("a CPU", "0123456", "Haswell")
        assert row["run_created"] == made.manifest.created


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2+3", "@SUM(A1)", " =1", "\t=1", '"=1', "a\nb", "a,b;c", "®\x00é"])
def test_whatever_a_text_of_the_record_is_each_format_is_read_back_whole(text):
    made = run()
    made = replace(made, manifest=msgspec.structs.replace(made.manifest, hardware=made_up.hardware()))
    made.manifest.hardware.cpu = text
    made.analysis.cells[0].notes = [text]
    assert len(suite(made)) == len(timed(made))
    assert suite(made).get_metadata()["cpu_model_name"] == " ".join(text.split())
    assert len(rows(made)) == len(made.analysis.cells)
    for row in rows(made):
        assert None not in row
        assert None not in row.values()
        for field in row.values():
            assert re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", field) or not field.startswith(("=", "+", "-", "@"))


# --- all of them, and the command --------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["pyperf", "bencher", "csv"])
def test_the_command_prints_the_same_as_it_writes_and_says_what_is_left_out(format_, folder, capfdbinary):
    assert command(folder, format_) == 0
    sys.stdout.flush()
    said = capfdbinary.readouterr()
    assert command(folder, format_, folder / "made") == 0
    assert said.out == (folder / "made").read_bytes()
    assert not re.search(f"hostname|{re.escape(platform.node())}|{folder}", said.out.decode())
    assert (b"left out, as not timed but extrapolated: naive N=1024" in said.err) == (format_ != "csv")


def test_exporting_needs_no_pyperf_and_writes_utf_8_whatever_the_terminal_speaks(folder):
    manifest = made_up.manifest()
    manifest.hardware.cpu = "a CPU® of 3 µm"
    (folder / "manifest.json").write_bytes(record_io.encode(manifest))
    code = "import sys; sys.modules['pyperf'] = None; from labkit.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["export", str(folder), "--format", "pyperf"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metadata"]["cpu_model_name"] == "a CPU® of 3 µm"


def test_a_pipe_is_written_into_and_a_link_stays_a_link(folder):
    # Not a device of the system's: whoever tests this as root with the check taken out would replace it.
    pipe, link = folder / "pipe", folder / "link.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert command(folder, "csv", pipe) == 0
    assert os.read(reader, 1 << 16).startswith(b"method,")
    os.close(reader)
    assert pipe.is_fifo()
    link.symlink_to("real.csv")
    assert command(folder, "csv", link) == 0
    assert link.is_symlink()
    assert (folder / "real.csv").read_text().startswith("method,")


@pytest.mark.parametrize("output", ["missing/made.csv", "."])
def test_what_cannot_be_read_or_written_or_holds_nothing_is_one_line(output, folder, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        command(folder, "csv", folder / output)
    with pytest.raises(UserError, match=r"cannot read results\.json"):
        command(tmp_path, "pyperf")
    made_up.write(folder, made_up.results((64, 128), ("matmul",), gflops={"matmul": 140.0}))
    with pytest.raises(UserError, match="nothing to export"):
        command(folder, "csv")
