"""The check under ReFrame itself: one run that measures, then nodes that leave made-up records, good and bad.

This runs with the project's Python; ReFrame runs in its own environment, as a user's would.
"""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import made_up
import pytest

from labkit.records import derive, io
from labkit.records.find import gather
from labkit.roofline.obtain import limits_of

HERE = Path(__file__).resolve().parent
# It leaves the records that lie beside it, and ends as it is told.
BENCH = """
import pathlib, shutil, sys
if "--quick" not in sys.argv:
    sys.exit("bench.py: nobody asked for the quick protocol")
here, output = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
print("bench.py was given", *sys.argv[1:])
shutil.copytree(here / "made", output, dirs_exist_ok=True)
print((here / "says").read_text(), file=sys.stderr)
sys.exit(int((here / "status").read_text()))
"""
# The project's Python, except that nothing is measured: the made-up roofline and doctor take its place.
PYTHON = """#!/bin/sh
case "$*" in
  "-m labkit roofline --output "*) mkdir -p "$5" && cp {roofline} "$5" ;;
  "-m labkit doctor --json") cat {doctor} ;;
  *) exec {python} "$@" ;;
esac
"""
# Stand-ins for the commands of a scheduler: they run the job here and now.
SLURM = {
    "scontrol": """case "$*" in
  *partitions) echo "PartitionName=cpu AllocNodes=ALL Default=YES" ;;
  *"show hostname "*) echo "${@: -1}" ;;
  *) for node in one two; do echo "NodeName=$node Partitions=cpu ActiveFeatures=any State=IDLE"; done ;;
esac""",
    "sbatch": """node="$(sed -n 's/^#SBATCH --nodelist=//p' "$1")"
status=0; bash "$1" >rfm_job.out 2>rfm_job.err || status=$?
echo "$$|$([ $status = 0 ] && echo COMPLETED || echo FAILED)|$status:0|1700000000|$node" >>"$JOBS"
echo "Submitted batch job $$" """,
    "sacct": 'touch "$JOBS" && cat "$JOBS"',
    "srun": 'while [[ "$1" == -* ]]; do shift; done; exec "$@"',
}
# A job that somebody cancels before it has done anything.
SBATCH_CANCELLED = """touch rfm_job.out rfm_job.err
echo "7|CANCELLED|0:0|1700000000|one" >>"$JOBS"; echo "Submitted batch job 7" """
CANCELLED = """*"show job"*) echo "JobId=7 JobState=CANCELLED Reason=None RunTime=00:00:03" ;;
esac"""
# ssh and scp as ReFrame calls them: options, then a host (and its paths as host:path), here this machine's.
SSH = {
    "ssh": 'while [[ "$1" == -o ]]; do shift 2; done; shift; exec bash -c "$*"',
    "scp": """paths=()
while [ $# -gt 0 ]; do
  case "$1" in -r) shift ;; -o) shift 2 ;; *) paths+=("${1#*:}"); shift ;; esac
done
cp -r ${paths[@]}""",
    "rsync": "exit 1",
}


@pytest.fixture
def fleet(tmp_path):
    """`fleet/run` in a copy of its folder, in a path with a space: (exit status, output) of a run."""
    here = tmp_path / "a check out" / "fleet"
    here.mkdir(parents=True)
    for name in ("run", "session.py", "matmul_check.py", "node", ".venv"):
        (here / name).symlink_to(HERE / name)
    (here.parent / ".venv").symlink_to(HERE.parent / ".venv")
    (here / "settings.py").write_text((HERE / "settings.py").read_text())  # a link would lead to the folder here

    def run(checkout, *options, commands=None, python=None, **environment):
        for name, body in (commands or {}).items():
            (tmp_path / "bin").mkdir(exist_ok=True)
            (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
            (tmp_path / "bin" / name).chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "TMPDIR": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "JOBS": str(tmp_path / "jobs"),
            "RFM_COLORIZE": "0",
            **environment,
        }
        python = python or checkout / "python"
        words = [f"-Scheckout={checkout}", f"-Spython={python}", f"-Srecords={tmp_path / 'records'}", *options]
        done = subprocess.run(
            ["bash", str(here / "run"), *words],
            cwd="/",
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose bench.py leaves the record of a made-up machine, with these rates, and ends so."""

    def make(name="a node's checkout", status=0, says="", record=True, spoil=lambda results: None, doctor=(), **gflops):
        there = tmp_path / name
        bench = there / "experiments" / "03-matmul-perf"
        (bench / "made").mkdir(parents=True)
        measurement = made_up.measurement((64, 128), ("einsum", "matmul"), quick=True, gflops=gflops)
        measurement.limits = limits_of(made_up.roofline())
        for i, s in enumerate(measurement.samples):  # no clock shows the same times twice
            s.seconds = [seconds * (1 + 1e-4 * i) for seconds in s.seconds]
        results = derive.results(measurement)
        spoil(results)
        if record:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            made = made_up.manifest(created=now, outputs={})
            made_up.write(bench / "made", results, made, **{"perf.png": b"", "README.md": b""})
        for file, text in {"bench.py": BENCH, "status": str(status), "says": says}.items():
            (bench / file).write_text(text)
        (there / "doctor.json").write_text(json.dumps({"findings": list(doctor)}))
        for part in ("labkit", "fleet"):
            (there / part).symlink_to(HERE.parent / part)
        (there / "kernels.json").write_bytes(io.encode(made_up.roofline()))
        files = {"roofline": there / "kernels.json", "doctor": there / "doctor.json", "python": sys.executable}
        words = {name: shlex.quote(str(file)) for name, file in files.items()}
        (there / "python").write_text(PYTHON.format(**words))
        (there / "python").chmod(0o755)
        return there

    return make


def collected(tmp_path):
    """The records of the nodes."""
    return sorted((tmp_path / "records").glob("*/*"))


def changed_afterwards(results):
    results.cells[-1].peak_fraction.value = 0.99


def wrong_product(results):
    results.agreement.methods["einsum"].within_bound = False


def test_a_real_run_passes_and_its_record_can_be_compared(fleet, tmp_path):
    small = ["-S", "sizes=64", "-S", "methods=matmul", "-S", "least_fraction=0.01"]
    status, said = fleet(HERE.parent, *small, python=sys.executable)
    assert status == 0, said
    for name in ("peak", "matmul", "fraction"):
        assert f"P: {name}: " in said, said  # while it runs ...
        assert f"│ {name} " in said, said  # ... and in the report
    (run,) = gather(collected(tmp_path))
    assert run.roofline
    assert run.results.protocol.quick
    assert run.results.protocol.sizes == [64]
    assert str(tmp_path) not in "".join(file.read_text() for file in tmp_path.rglob("records/**/*.json"))


def test_a_node_below_the_reference_fails_and_no_run_erases_its_record(fleet, checkout, tmp_path):
    status, said = fleet(checkout(matmul=20.0))
    assert status == 1
    assert re.search(r"fraction=0\.(19|2)\d* of peak, expected 0\.5", said), said
    (first,) = collected(tmp_path)
    before = [file.read_bytes() for file in sorted(first.rglob("*.json"))]
    assert fleet(checkout("a worse one", status=2))[0] == 1
    assert collected(tmp_path) == [first]
    assert fleet(checkout("a sound one"))[0] == 0
    assert len(collected(tmp_path)) == 2
    assert [file.read_bytes() for file in sorted(first.rglob("*.json"))] == before != []


def test_a_node_whose_blas_is_below_what_its_cpu_can_do_fails_though_it_is_fast_enough(fleet, checkout, tmp_path):
    finding = {
        "check": "kernel",
        "seen": "the BLAS uses its Sandybridge kernel",
        "cost": "a factor of 1.4",
        "mend": "x",
    }
    status, said = fleet(checkout(doctor=[finding]))
    assert status == 1
    assert "the BLAS uses its Sandybridge kernel [a factor of 1.4]" in " ".join(said.split())
    assert len(collected(tmp_path)) == 1
    assert fleet(checkout("another", doctor=[{**finding, "check": "load"}]))[0] == 0


def test_figures_agree_and_the_perflog_has_the_same_columns_whatever_was_timed(fleet, checkout, tmp_path):
    status, said = fleet(checkout())
    assert status == 0, said
    fleet(checkout("another", status=2))
    (file,) = (tmp_path / "a check out" / "fleet" / "perflogs").rglob("*.log")
    done, failed = csv.DictReader(file.open())
    assert float(done["matmul"]) == pytest.approx(float(done["fraction"]) * float(done["peak"]))
    assert (done["result"], failed["result"], failed["peak"]) == ("pass", "fail", "null")
    assert done["node"]


def test_a_sound_node_passes_and_the_reference_can_be_given(fleet, checkout):
    there = checkout()
    assert fleet(there)[0] == 0
    status, said = fleet(there, "-S", "least_fraction=0.9", "-S", "sizes=64,128")
    assert status == 1
    assert "expected 0.9" in said


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"matmul": 140.0}, "matmul at N = 128: it reaches 140 % of the peak"),
        ({"record": False, "status": 2, "says": "bench.py: {no} BLAS"}, "ended with status 2: bench.py: {no} BLAS"),
        ({"record": False}, "the job ended without record/results.json"),
        ({"python": "/nowhere/python"}, "/nowhere/python"),
        ({"spoil": changed_afterwards}, "G1 what is recorded follows from the samples: "),
        ({"spoil": wrong_product}, "einsum does not compute the product"),
    ],
    ids=["impossible", "failed", "missing", "no interpreter", "changed", "wrong"],
)
def test_a_record_that_does_not_hold_fails_with_the_reason_and_is_not_collected(how, reason, fleet, checkout, tmp_path):
    made = checkout(**{key: value for key, value in how.items() if key != "python"})
    status, said = fleet(made, python=how.get("python"))
    assert status == 1, said
    assert "sanity error" in said
    assert reason in " ".join(said.split())
    assert collected(tmp_path) == []


def test_every_node_of_a_partition_runs_into_a_folder_of_its_own_alone_on_one_core(fleet, checkout, tmp_path):
    options = ["--system=slurm", "-J", "partition=cpu", "--distribute=all"]
    status, said = fleet(checkout(), *options, commands=SLURM)
    assert status == 0, said
    assert_one_record_a_node(said, tmp_path)
    scripts = [script.read_text() for script in tmp_path.rglob("output/**/rfm_job.sh")]
    assert len({line for script in scripts for line in script.splitlines() if "--nodelist=" in line}) == 2
    for script in scripts:
        for option in ("--exclusive", "--ntasks=1", "--cpus-per-task=1", "--partition=cpu"):
            assert f"#SBATCH {option}\n" in script
        assert "export OPENBLAS_NUM_THREADS=1" in script
        assert "\nsrun " in script


def test_the_records_of_machines_reached_by_ssh_come_back(fleet, checkout, tmp_path):
    options = ["--system=ssh", "--distribute=all"]
    status, said = fleet(checkout(), *options, commands=SSH, FLEET_HOSTS="one,two")
    assert status == 0, said
    assert_one_record_a_node(said, tmp_path)


def test_a_partition_without_a_node_that_takes_jobs_is_an_error(fleet, checkout):
    none = {**SLURM, "scontrol": SLURM["scontrol"].replace("State=IDLE", "State=IDLE+DRAIN")}
    status, said = fleet(checkout(), "--system=slurm", "--distribute", commands=none)
    assert status == 2
    assert "no node was checked" in said


def test_without_accounting_nothing_is_submitted_and_another_system_is_advised(fleet, checkout, tmp_path):
    without = {**SLURM, "sacct": "echo 'accounting is disabled' >&2; exit 1"}
    status, said = fleet(checkout(), "--system=slurm", "--distribute=all", commands=without)
    assert status == 2
    assert "accounting is disabled" in said
    assert "--system=slurm-squeue" in said
    assert not (tmp_path / "jobs").exists()


def test_what_the_scheduler_said_is_the_reason(fleet, checkout):
    cancelled = {**SLURM, "sbatch": SBATCH_CANCELLED}
    cancelled["scontrol"] = SLURM["scontrol"].replace("esac", "", 1).rsplit("*)", 1)[0] + CANCELLED
    status, said = fleet(checkout(), "--system=slurm", "-J", "partition=cpu", commands=cancelled)
    assert status == 1
    assert "it was cancelled" in said


def test_of_four_nodes_the_slow_one_is_named_and_the_run_fails(fleet, checkout, tmp_path):
    slow, fine = checkout("slow", matmul=56.0), checkout("fine")
    python = tmp_path / "by node"
    python.write_text(f"""#!/bin/sh
[ "$SLURM_JOB_NODE" = three ] && there={shlex.quote(str(slow))} || there={shlex.quote(str(fine))}
case "$1" in */bench.py) shift; set -- "$there/experiments/03-matmul-perf/bench.py" "$@" ;; esac
exec "$there/python" "$@"
""")
    python.chmod(0o755)
    four = {**SLURM, "scontrol": SLURM["scontrol"].replace("one two", "one two three four")}
    four["sbatch"] = SLURM["sbatch"].replace("bash ", 'SLURM_JOB_NODE="$node" bash ', 1)
    status, said = fleet(
        fine, "--system=slurm", "-J", "partition=cpu", "--distribute=all", commands=four, python=python
    )
    assert status == 1
    assert "0 failure" in said
    assert re.search(r"^three +np\.matmul +0\.7", said, re.MULTILINE), said


def assert_one_record_a_node(said, tmp_path):
    """Links say which records are which node's; the records themselves do not."""
    named = {link.name: link.resolve() for link in (tmp_path / "nodes").iterdir()}
    assert set(named) == {"one", "two"}
    folders = collected(tmp_path)
    assert {folder.parent for folder in folders} == set(named.values())
    assert len(folders) == 2
    assert not [folder for folder in folders if "one" in folder.parent.name or "two" in folder.parent.name]
    assert all(run.roofline for run in gather(folders))
