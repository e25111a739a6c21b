"""Where a record comes from: the commit and whether code differs from it, and nothing of the machine's paths."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import made_up
import numpy as np
import pytest

from labkit.records import io, provenance
from labkit.records.model import Git


def test_the_command_is_recorded_without_the_machine_s_paths(monkeypatch):
    folder = os.sep.join(("", "home", "someone", "lab"))
    out = os.path.join(folder, "out")
    words = [os.path.join(folder, "bench.py"), "--sizes", "64,128", "--output", out, f"--output={out}", "--quick"]
    monkeypatch.setattr(sys, "argv", words)
    expected = ["bench.py", "--sizes", "64,128", "--output", "out", "--output=out", "--quick"]
    assert provenance.command() == expected


def test_the_versions_are_those_of_what_is_loaded_and_what_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "_PACKAGES", ("numpy", "no-such-package-here"))
    found = provenance.versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == np.__version__
    assert "no-such-package-here" not in found


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The files of a checkout, whatever the git settings and the hook that this runs under."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("code.py", "README.md", "experiments/lab/results.json", "experiments/lab/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as committed\n")
    return tmp_path


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    said = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return said.stdout.strip()


@pytest.fixture
def committed(checkout):
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "one")
    return checkout


def test_a_clean_checkout_is_its_commit(committed):
    head = git(committed, "rev-parse", "HEAD")
    assert provenance.git_state(committed) == Git(commit=head, dirty=False)


def test_a_folder_whose_name_the_system_s_text_lacks_is_a_checkout(committed):
    """As on Windows, whose text is not in the encoding of git's paths."""
    there = committed.rename(committed.with_name("\u00c1"))
    probe = (
        "import sys, pathlib; from labkit.records import provenance as p; print(p.git_state(pathlib.Path(sys.argv[1])))"
    )
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", probe, there], env=plain, capture_output=True, text=True, check=False)
    assert "dirty=False" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "name", ["experiments/lab/README.md", "experiments/lab/results.json", "experiments/lab/new.png"]
)
def test_what_a_run_itself_writes_does_not_make_the_checkout_dirty(committed, name):
    (committed / name).write_text("measured anew\n")
    assert provenance.git_state(committed).dirty is False


@pytest.mark.parametrize("name", ["code.py", "new.py", "README.md", "experiments/lab/bench.py"])
def test_anything_else_that_differs_from_the_commit_makes_it_dirty(committed, name):
    (committed / name).write_text("changed\n")
    assert provenance.git_state(committed).dirty is True


def test_without_a_checkout_a_commit_or_git_there_is_a_reason_in_the_commit_s_place(checkout, monkeypatch):
    assert "not a git checkout" in provenance.git_state(checkout).reason
    git(checkout, "init", "--quiet")
    assert "without a commit" in provenance.git_state(checkout).reason
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "one")
    inner = provenance.git_state(checkout / "experiments")
    assert (inner.commit, inner.dirty, inner.reason) == (None, None, "not a git checkout of its own")
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance.git_state(checkout) == Git(commit=None, dirty=None, reason="git is not installed")


def test_a_manifest_says_what_was_run_when_and_with_which_threads_and_holds_no_path_and_no_host(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    manifest = provenance.manifest("03-lab", 42, {"sizes": [64]}, provenance.observe())
    assert (manifest.experiment, manifest.seed, manifest.config) == ("03-lab", 42, {"sizes": [64]})
    assert datetime.fromisoformat(manifest.created).utcoffset() == timedelta(0)
    assert (manifest.threads["OMP_NUM_THREADS"], manifest.threads["MKL_NUM_THREADS"]) == ("1", None)
    assert manifest.outputs == {}
    text = io.encode(manifest).decode()
    for secret in (str(provenance.REPOSITORY), str(Path.home()), sys.prefix, os.uname().nodename):
        assert len(secret) < 3 or secret not in text


def test_what_was_observed_names_the_machine_as_its_manifest_does():
    observed = provenance.Observed(made_up.hardware(), made_up.blas(), Git(commit=None, dirty=None))
    assert observed.identity.cpu == "a CPU"
    assert observed.identity.numpy == np.__version__


def test_the_repository_is_the_folder_that_holds_labkit():
    assert (provenance.REPOSITORY / "labkit" / "records" / "provenance.py").is_file()
