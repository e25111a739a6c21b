"""Where a record comes from: nothing of the machine's paths, and a digest that changes when it must."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from labkit import provenance
from labkit.codec import encode
from labkit.records import Blas, Cores, Git, Hardware


@pytest.fixture
def code(tmp_path):
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(f"# {name}\n")
    return [tmp_path / "one.py", tmp_path / "two.py"]


def test_the_fingerprint_changes_with_any_byte_of_the_code_and_with_any_fact(code):
    facts = {"numpy": "2.4", "seed": 42}
    seen = {provenance.fingerprint(code, facts)}
    seen.add(provenance.fingerprint(code, {**facts, "seed": 43}))
    seen.add(provenance.fingerprint(code, {**facts, "more": None}))
    seen.add(provenance.fingerprint(code[:1], facts))
    code[1].write_text("# two.py \n")
    seen.add(provenance.fingerprint(code, facts))
    code[1].rename(code[1].with_name("three.py"))
    seen.add(provenance.fingerprint([code[0], code[1].with_name("three.py")], facts))
    assert len(seen) == 6


def test_text_that_moves_from_one_file_to_the_next_changes_the_fingerprint(code):
    code[0].write_text("ab")
    code[1].write_text("c")
    before = provenance.fingerprint(code, {})
    code[0].write_text("a")
    code[1].write_text("bc")
    assert provenance.fingerprint(code, {}) != before


def test_the_fingerprint_does_not_depend_on_order_or_on_the_folder(code, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copies = [elsewhere / path.name for path in code]
    for path, copy in zip(code, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    before = provenance.fingerprint(code, {"a": 1, "b": 2})
    assert provenance.fingerprint(reversed(copies), {"b": 2, "a": 1}) == before


def test_the_command_is_recorded_without_the_machine_s_paths(monkeypatch):
    folder = os.sep.join(("", "home", "someone", "lab"))
    words = [os.path.join(folder, "bench.py"), "--sizes", "64,128", "--output", os.path.join(folder, "out"), "--quick"]
    monkeypatch.setattr(sys, "argv", words)
    assert provenance.command() == ["bench.py", "--sizes", "64,128", "--output", "out", "--quick"]


def test_the_versions_are_those_of_what_is_loaded():
    found = provenance.versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == np.__version__
    assert all(isinstance(version, str) and version for version in found.values())


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "_PACKAGES", ("numpy", "no-such-package-here"))
    found = provenance.versions()
    assert "numpy" in found
    assert "no-such-package-here" not in found


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit, whatever the git settings and the hook this runs under."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("code.py", "README.md", "experiments/lab/results.json"):
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


@pytest.mark.parametrize("artifact", ["README.md", "experiments/lab/results.json", "experiments/lab/perf.png"])
def test_what_a_run_itself_writes_does_not_make_the_checkout_dirty(committed, artifact):
    (committed / artifact).write_text("measured anew\n")
    assert provenance.git_state(committed).dirty is False


@pytest.mark.parametrize("name", ["code.py", "new.py", "experiments/lab/bench.py"])
def test_code_that_differs_from_the_commit_makes_it_dirty(committed, name):
    (committed / name).write_text("changed\n")
    assert provenance.git_state(committed).dirty is True


def test_outside_a_checkout_the_commit_is_null_with_a_reason(checkout):
    state = provenance.git_state(checkout)
    assert (state.commit, state.dirty) == (None, None)
    assert "not a git checkout" in state.reason


def test_before_the_first_commit_the_commit_is_null_with_a_reason(checkout):
    git(checkout, "init", "--quiet")
    state = provenance.git_state(checkout)
    assert (state.commit, state.dirty) == (None, None)
    assert "without a commit" in state.reason


def test_without_git_the_commit_is_null_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state(tmp_path) == Git(commit=None, dirty=None, reason="git is not installed")


@pytest.fixture
def manifest(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    hardware = Hardware(
        cpu=None, short_name="this machine", microarchitecture=None, isa=[], caches=[], memory_bytes=1, governor=None,
        power=None, virtualized=None, cores=Cores(logical=1, physical=None, usable=1), reasons={},
    )  # fmt: skip
    library = Blas(library="openblas", version=None, kernel=None, threads=1)
    return provenance.manifest("03-lab", 42, {"sizes": [64]}, hardware, library, Git(commit=None, dirty=None))


def test_a_manifest_says_what_was_run_when_and_with_which_thread_settings(manifest):
    assert (manifest.experiment, manifest.seed, manifest.config) == ("03-lab", 42, {"sizes": [64]})
    assert datetime.fromisoformat(manifest.created).utcoffset() == timedelta(0)
    assert manifest.threads["OMP_NUM_THREADS"] == "1"
    assert manifest.threads["MKL_NUM_THREADS"] is None
    assert manifest.outputs == {}


def test_a_manifest_holds_no_absolute_path_and_no_host_name(manifest):
    text = encode(manifest).decode()
    for secret in (str(provenance.REPOSITORY), str(Path.home()), sys.prefix, os.uname().nodename):
        assert len(secret) < 3 or secret not in text


def test_the_repository_is_the_folder_that_holds_labkit():
    assert (provenance.REPOSITORY / "labkit" / "provenance.py").is_file()
