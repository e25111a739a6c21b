"""`labkit verify`: its table, its JSON, its Markdown, its exit status."""

import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from submissions import Doctored

from labkit.commands import main
from labkit.verify import presenting
from labkit.verify.outcome import Check
from labkit.verify.verdict import Verdict


def test_a_valid_result_is_status_0_and_the_json_has_the_fixed_shape(valid: Doctored, capsys):
    assert main(["verify", str(valid.folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"passed", "checks"}
    assert said["passed"] is True
    assert all(set(check) == {"name", "passed", "reason"} for check in said["checks"])
    assert {check["passed"] for check in said["checks"]} == {True, None}
    names = [check["name"] for check in said["checks"]]
    assert len(set(names)) == len(names)


def test_one_requirement_missed_is_status_1(valid: Doctored, capsys):
    valid.edit("results.json", lambda record: record["protocol"].update(seed=1))
    assert main(["verify", str(valid.folder)]) == 1
    assert "not a valid result" in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_is_not_there_is_status_2_and_the_others_are_looked_at(valid: Doctored, capsys):
    assert main(["verify", str(valid.folder), str(valid.folder / "nowhere"), "--markdown"]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert "not a folder" in said.err
    assert "met" in said.out


def test_an_empty_folder_is_a_result_in_which_nothing_is_met(tmp_path, capsys):
    assert main(["verify", str(tmp_path), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not [check for check in said["checks"] if check["passed"]]


def test_a_checkout_is_taken_for_the_experiment_in_it(valid: Doctored, tmp_path, capsys):
    inner = tmp_path / "a checkout" / "experiments" / "03-matmul-perf"
    inner.parent.mkdir(parents=True)
    shutil.copytree(valid.folder, inner)
    assert main(["verify", str(tmp_path / "a checkout"), "--json"]) == 0


def a_verdict(folder: str, passed: bool | None) -> Verdict:
    return Verdict(Path(folder), [Check("seconds", passed, "a | b <img> `x` *y* " + "long " * 40)])


def test_of_thirty_submissions_only_what_is_wrong_is_shown_and_the_count(capsys):
    verdicts = [a_verdict(f"submissions/{i}", i % 3 != 0) for i in range(30)]
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        presenting.show(verdicts, console)
    text = captured.get()
    assert "20 of 30 are valid" in text
    assert text.count("seconds") == 10
    assert max(map(len, (line for line in text.splitlines() if not line.startswith("submissions")))) <= 80


def test_several_results_in_json_each_say_of_which_folder_they_are():
    said = json.loads(presenting.as_json([a_verdict("a", True), a_verdict("b", False)]))
    assert said["passed"] is False
    assert [(one["folder"], one["passed"]) for one in said["results"]] == [("a", True), ("b", False)]


def test_a_reason_cannot_break_out_of_its_markdown_cell():
    text = presenting.as_markdown([a_verdict("a", None)])
    assert "could not be told" in text
    assert "a \\| b \\<img\\> \\`x\\`" in text


@pytest.mark.parametrize(
    "arguments", [["verify"], ["verify", ".", "--json", "--markdown"], ["verify", ".", "--nonsense"]]
)
def test_nonsense_is_one_line_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_instead_of_a_folder_is_one_line(valid: Doctored, capsys):
    assert main(["verify", str(valid.folder / "results.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


LEARNERS_BENCH = '''
"""My own four matmuls."""
import json, time
import numpy as np

def matmul_naive(A, B):
    n, K = A.shape
    m = B.shape[1]
    C = np.zeros((n, m), dtype=np.float32)
    for i in range(n):
        for j in range(m):
            for k in range(K):
                C[i, j] += A[i, k] * B[k, j]
    return C

def matmul_blocked(A, B, block_size=64):
    """block_size is how many rows and columns a block has."""
    n, K = A.shape
    m = B.shape[1]
    C = np.zeros((n, m), dtype=np.float32)
    for ii in range(0, n, block_size):
        for jj in range(0, m, block_size):
            for kk in range(0, K, block_size):
                for i in range(ii, min(ii + block_size, n)):
                    for j in range(jj, min(jj + block_size, m)):
                        for k in range(kk, min(kk + block_size, K)):
                            C[i, j] += A[i, k] * B[k, j]
    return C

def matmul_einsum(A, B):
    return np.einsum('ik,kj->ij', A, B)

def main():
    rng = np.random.default_rng(42)
    A = rng.standard_normal((64, 64)).astype(np.float32)
    B = rng.standard_normal((64, 64)).astype(np.float32)
    start = time.perf_counter()
    np.matmul(A, B)
    json.dump(time.perf_counter() - start, open('results.json', 'w'))

if __name__ == "__main__":
    main()
'''


def test_a_learners_own_bench_without_anything_of_this_repository_is_checked(valid: Doctored, capsys):
    for path in valid.folder.glob("*.py"):
        path.unlink()
    valid.write("bench.py", LEARNERS_BENCH)
    main(["verify", str(valid.folder), "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert not [check for check in checks.values() if check["passed"] is False]
    assert checks["methods table"]["passed"] is None  # it has no table, and needs none
    assert checks["agreement"]["passed"] is True


def test_the_exported_schema_of_a_submission_is_the_one_that_is_read():
    from labkit.codec import schema
    from labkit.verify import shapes

    assert shapes.SCHEMA_FILE.read_bytes() == schema(shapes.Results)
