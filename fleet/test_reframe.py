"""The check under ReFrame itself: one run that measures, then labs that leave made-up records, well and badly.

`make test-fleet` runs this with the lab's Python; ReFrame runs in its own environment, as a user's would.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import canned
import pytest

from labkit.runs import gather

HERE = Path(__file__).resolve().parent
SMALL = ["-S", "sizes=64", "-S", "methods=matmul"]
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
    "sacct": 'cat "$JOBS"',
    "srun": 'while [[ "$1" == -* ]]; do shift; done; exec "$@"',
}
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
    for name in ("run", "settings.py", "matmul_check.py", "checkout.py", ".venv"):
        (here / name).symlink_to(HERE / name)
    (here / "settings.py").unlink()
    (here / "settings.py").write_text((HERE / "settings.py").read_text())
    python = tmp_path / "a folder" / "python"  # whose path has a space as well
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)

    def run(lab, *options, commands=None, **environment):
        for name, body in (commands or {}).items():
            (tmp_path / "bin").mkdir(exist_ok=True)
            (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
            (tmp_path / "bin" / name).chmod(0o755)
        environment = {
            **os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path / "cache"), "JOBS": str(tmp_path / "jobs"), "RFM_COLORIZE": "0",
            **environment,
        }  # fmt: skip
        words = [f"-Slab={lab}", f"-Spython={python}", f"-Srecords={tmp_path / 'records'}", *options]
        done = subprocess.run(
            ["bash", str(here / "run"), *words], cwd="/", env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout

    return run


@pytest.fixture
def lab(tmp_path):
    """A lab that leaves these files and ends so."""
    return lambda files, **how: canned.lab(tmp_path / "a lab", files, **how)


def sound(**gflops):
    return canned.encoded(*canned.records(**gflops))


def collected(tmp_path):
    return sorted((tmp_path / "records").glob("*"))


def test_a_real_run_passes_and_its_record_can_be_compared(fleet, tmp_path):
    status, said = fleet(HERE.parent, *SMALL)
    assert status == 0, said
    for name in ("peak", "matmul_64_rate", "matmul_64_share"):
        assert said.count(name) == 2, said  # while it runs, and in the report
    (run,) = gather(collected(tmp_path))
    assert run.roofline
    assert run.results.protocol.quick
    assert run.results.protocol.sizes == [64]
    assert str(tmp_path) not in "".join(file.read_text() for file in tmp_path.rglob("records/**/*.json"))


def test_a_node_below_the_reference_fails_and_its_record_is_kept_for_comparison(fleet, lab, tmp_path):
    status, said = fleet(lab(sound(matmul=20.0)))
    assert status == 1
    assert re.search(r"matmul_128_share=0\.(19|2)\d* of the roof, expected 0\.5", said), said
    assert len(gather(collected(tmp_path))) == 1


def test_the_reference_can_be_given(fleet, lab):
    status, said = fleet(lab(sound()), "-S", "least_share=0.9")
    assert status == 1
    assert "expected 0.9" in said


@pytest.mark.parametrize(
    ("files", "how", "reason"),
    [
        (sound(matmul=140.0), {}, "matmul at N=128 is invalid: it reaches 140 % of the roof"),
        ({}, {"status": 2, "says": "bench.py: {no} roof"}, "bench.py ended with status 2: bench.py: {no} roof"),
        ({}, {}, "results.json"),
    ],
    ids=["impossible", "failed", "missing"],
)
def test_a_record_that_does_not_hold_fails_with_the_reason_and_is_not_collected(
    files, how, reason, fleet, lab, tmp_path
):
    status, said = fleet(lab(files, **how))
    assert status == 1, said
    assert "sanity error" in said
    assert reason in " ".join(said.split())
    assert collected(tmp_path) == []


def test_a_node_without_the_interpreter_fails_and_says_so(fleet, lab, tmp_path):
    status, said = fleet(lab(sound()), "-S", "python=/nowhere/python")
    assert status == 1
    assert "the job ended without a record" in said
    assert "/nowhere/python" in said.split("without a record")[1]


def test_a_failed_run_leaves_the_record_of_the_run_before(fleet, lab, tmp_path):
    good = lab(sound())
    assert fleet(good)[0] == 0
    before = [file.read_bytes() for file in sorted(tmp_path.rglob("records/**/*.json"))]
    assert fleet(canned.lab(tmp_path / "a worse lab", {}, status=2))[0] == 1
    assert [file.read_bytes() for file in sorted(tmp_path.rglob("records/**/*.json"))] == before != []


def test_every_node_of_a_partition_runs_in_a_checkout_of_its_own_alone_on_one_core(fleet, lab, tmp_path):
    options = ["--system=slurm", "-J", "partition=cpu", "--distribute=all"]
    status, said = fleet(lab(sound()), *options, commands=SLURM)
    assert status == 0, said
    assert_one_record_a_node(said, tmp_path)
    scripts = [script.read_text() for script in tmp_path.rglob("output/**/rfm_job.sh")]
    assert len({line for script in scripts for line in script.splitlines() if "--nodelist=" in line}) == 2
    for script in scripts:
        for option in ("--exclusive", "--ntasks=1", "--cpus-per-task=1", "--partition=cpu"):
            assert f"#SBATCH {option}\n" in script
        assert "export OPENBLAS_NUM_THREADS=1" in script
        assert "\nsrun " in script


def test_machines_reached_by_ssh_are_sent_the_code_and_their_records_come_back(fleet, lab, tmp_path):
    options = ["--system=ssh", "--distribute=all"]
    status, said = fleet(lab(sound()), *options, commands=SSH, FLEET_HOSTS="one,two")
    assert status == 0, said
    assert_one_record_a_node(said, tmp_path)


def assert_one_record_a_node(said, tmp_path):
    """ReFrame's output says which hash is which node; the names of the records do not."""
    hashes = {node: re.search(rf"nid={node} /(\w+)", said)[1] for node in ("one", "two")}
    folders = collected(tmp_path)
    assert {folder.name.split("-")[-1] for folder in folders} == set(hashes.values())
    assert not [folder for folder in folders if "one" in folder.name or "two" in folder.name]
    assert all(run.roofline for run in gather(folders))
