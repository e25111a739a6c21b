"""One run of the check: ReFrame in folders of its own, then the nodes of this run beside each other.

It runs in ReFrame's environment, and ends with 0 if every node passed, 1 if one did not, 2 if none was checked.
"""

import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).absolute().parent
LABKIT = HERE.parent / ".venv" / "bin" / "labkit"
LOOKING = ("--dry-run", "--list", "-l", "--describe", "--version", "--help", "-h", "--show-config")
FAILED, USER_ERROR, INTERRUPTED = 1, 2, 130


def main(words: list[str]) -> int:
    """ReFrame with these options; the exit status."""
    looking = any(word.partition("=")[0] in LOOKING for word in words)
    system = " ".join(words).partition("--system")[2].lstrip("= ").split(" ")[0].partition(":")[0]
    if not looking and system == "slurm" and (why := without_accounting()):
        return complain(f"there is no accounting here ({why}): use --system=slurm-squeue")
    name = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H%M%SZ}-{os.getpid()}"
    status = reframe(name, words if looking else ["--run", "--performance-report", *words])
    report = HERE / "reports" / f"{name}.json"
    if looking or status == INTERRUPTED:
        return status
    told = json.loads(report.read_text()) if report.exists() else {"runs": []}  # of no node ReFrame leaves none
    cases = [case for run in told["runs"] for case in run["testcases"]]
    if not (cases or status):
        return complain("no node was checked: there is none that takes jobs with these options")
    nodes = sorted({case.get("kept") for case in cases} - {None, ""})
    if len(nodes) > 1 and LABKIT.exists():
        print("\nThe nodes of this run beside each other:\n", flush=True)
        slower = subprocess.run([LABKIT, "compare", *nodes], check=False).returncode
        status = max(status, min(slower, FAILED))
    return status


def reframe(name: str, words: list[str]) -> int:
    """ReFrame's exit status. However it ends, it leaves no job in the queue."""
    command = [sys.executable, HERE / ".venv/bin/reframe", f"--config-file={HERE / 'settings.py'}", *words]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    process = subprocess.Popen(command, env={**os.environ, "FLEET_SESSION": name})
    try:
        return process.wait()
    except KeyboardInterrupt:
        with contextlib.suppress(KeyboardInterrupt):
            process.send_signal(signal.SIGINT)
            process.wait()
        return INTERRUPTED
    finally:
        if shutil.which("scancel"):
            subprocess.run(["scancel", "--quiet", f"--name=fleet-{name}"], stderr=subprocess.DEVNULL, check=False)


def without_accounting() -> str:
    """Why sacct does not work; empty if it does."""
    if not shutil.which("sacct"):
        return "sacct is not installed"
    asked = subprocess.run(["sacct", "--noheader", "--jobs=1"], capture_output=True, text=True, check=False)
    return " ".join(asked.stderr.split()) or "sacct fails" if asked.returncode else ""


def complain(line: str) -> int:
    """Say it; the exit status."""
    print(f"fleet/run: {line}", file=sys.stderr)
    return USER_ERROR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
