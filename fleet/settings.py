"""ReFrame's settings: this machine, a Slurm cluster, and machines reached by ssh. Nothing here names a machine."""

import hashlib
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPORTS = HERE / "reports"
REPORTS.mkdir(exist_ok=True)  # ReFrame opens its log in there before it makes any folder
# Each run has folders of its own, so that two at once do not wipe each other.
SESSION = os.environ.get("FLEET_SESSION", "by-hand")
# A job that Slurm starts again later would run in a folder that is gone. By the name fleet/run finds what is left.
SLURM = {"launcher": "srun", "max_jobs": 100, "access": ["--no-requeue", f"--job-name=fleet-{SESSION}"]}
# Of a perflog: the same ones whatever was timed, so that a system has one file.
COLUMNS = (
    *("job_completion_time", "node", "result", "peak", "n", "matmul", "fraction", "as_it_was", "einsum"),
    *("einsum_fraction", "speedup", "disturbed"),
)
# For --system=ssh: names as ssh takes them, separated by commas. ReFrame wants one at least.
HOSTS = os.environ.get("FLEET_HOSTS", "localhost").split(",")


def stage_folder():
    """Where jobs run. ReFrame starts none in a folder whose path has a space: then in the user's cache."""
    if not any(letter.isspace() for letter in str(HERE)):
        return str(HERE / "stage" / SESSION)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "matmul-fleet", hashlib.sha256(str(HERE).encode()).hexdigest()[:8], SESSION)


def system(name, descr, partition, hostnames=("^$",)):
    """A system of one partition. Without host names it is not found by itself, but chosen by --system=NAME."""
    return {
        "name": name,
        "descr": descr,
        "hostnames": list(hostnames),
        "stagedir": stage_folder(),
        "outputdir": str(HERE / "output" / SESSION),
        "partitions": [{"name": "nodes", "environs": ["as-it-is"], **partition}],
    }


site_configuration = {
    "systems": [
        system(
            "local",
            "this machine, one job at a time: two would take the core's clock and bandwidth from each other",
            {"scheduler": "local", "launcher": "local", "max_jobs": 1},
            hostnames=(".*",),
        ),
        system(
            "slurm",
            "a cluster: the partition, account and so on with -J, as in -J partition=cpu -J account=lab",
            {"scheduler": "slurm", **SLURM},
        ),
        system(
            "slurm-squeue", "the same without accounting: where sacct does not work", {"scheduler": "squeue", **SLURM}
        ),
        system(
            "ssh",
            "a few machines without a scheduler, named in FLEET_HOSTS, a job for each of them",
            {"scheduler": "ssh", "launcher": "local", "sched_options": {"ssh_hosts": HOSTS}, "max_jobs": len(HOSTS)},
        ),
    ],
    "environments": [{"name": "as-it-is"}],
    "general": [
        {
            "check_search_path": [str(HERE / "matmul_check.py")],
            "report_file": str(REPORTS / f"{SESSION}.json"),
            "topology_prefix": str(REPORTS / "topology"),
        }
    ],
    "logging": [
        {
            "handlers$": [{"type": "stream", "name": "stdout", "level": "info", "format": "%(message)s"}],
            "handlers": [{"type": "file", "name": str(REPORTS / f"{SESSION}.log"), "level": "debug2", "append": False}],
            "handlers_perflog": [
                {
                    "type": "filelog",
                    "basedir": str(HERE / "perflogs"),
                    "prefix": "%(check_system)s",
                    "format": ",".join(f"%(check_{column})s" for column in COLUMNS),
                    "use_locking": True,
                }
            ],
        }
    ],
}
