"""ReFrame's settings: where jobs run, and how many at a time. fleet/test_reframe.py has all that needs ReFrame."""

import runpy
import shutil
from pathlib import Path

import pytest

SETTINGS = Path(__file__).resolve().parents[2] / "fleet" / "settings.py"


def systems(folder):
    shutil.copy(SETTINGS, folder)
    return runpy.run_path(str(folder / "settings.py"))["site_configuration"]["systems"]


@pytest.mark.parametrize("name", ["checkout", "a check out"])
def test_jobs_run_in_a_folder_without_a_space(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    (tmp_path / name).mkdir()
    for system in systems(tmp_path / name):
        assert " " not in system["stagedir"]
        assert system["stagedir"].startswith("/cache/" if " " in name else str(tmp_path))


def test_one_machine_runs_one_job_at_a_time_and_machines_by_ssh_one_each(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEET_HOSTS", "one,two,three")
    jobs = {system["name"]: system["partitions"][0]["max_jobs"] for system in systems(tmp_path)}
    assert (jobs["local"], jobs["ssh"]) == (1, 3)
