"""Every command of this project, with or without make: `python run.py bench --quick` is `make bench ARGS=--quick`.

It makes the environment that a command needs, and runs the command in it. The standard library alone. This file must
parse on every Python, 2.7 too, so that one that is too old is told so: no annotations, no f-strings.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from glob import glob

OLDEST = (3, 11)  # as pyproject.toml has it
RESULT = "experiments/03-matmul-perf"
BIN, EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
# One thread, set before anything starts, as the assignment asks. The doctor must see the user's own settings.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
LEFT_BEHIND = """.venv .nox dist doctor.pyz .pytest_cache .mypy_cache .ruff_cache .hypothesis experiments/*/.state
                 fleet/.venv fleet/stage fleet/output fleet/reports"""  # the fleet's records stay

# name: the extra of pyproject.toml that it needs, what it does
TARGETS = {
    "bench": ("bench", "measure the assignment (a first complete set in a minute, all of it in ten or more)"),
    "roofline": ("bench", "measure what one core of this machine can do"),
    "ladder": ("ladder", "where the gap comes from: the loop rebuilt one change at a time, up to the BLAS and past it"),
    "gemm": ("bench", "the product that the ladder ends with, beside np.matmul"),
    "traffic": ("ladder", "the bytes that cross each cache, simulated and under Valgrind, in about seven minutes"),
    "repeat": ("repeat", "repeat the quick run: what moves, what stays"),
    "doctor": ("bench", "is the NumPy here healthy? its BLAS, its threads, its speed, in under 20 s"),
    "doctor.pyz": ("bench", "the doctor as one file, for other machines and Pythons from 3.9 on"),
    "verify": ("bench", "is " + RESULT + " a valid result of the assignment?"),
    "compare": ("bench", "results side by side: DIR1 DIR2"),
    "report": ("report", "a result as one HTML file, report.html"),
    "export": ("bench", "a result in the format of another tool: DIR --format csv"),
    "redraw": ("bench", "draw the figures and render the pages again, from the records"),
    "rivals": ("rivals", "install the libraries that the ladder then times beside np.matmul"),
    "fleet": ("bench", "the quick run on every node, through a scheduler (fleet/README.md)"),
    "test": ("dev", "run the tests"),
    "test-all": (
        "dev",
        "and those that need a browser, a wheel, ReFrame or an emulated CPU, and documents' commands",
    ),
    "test-arm": ("dev", "code generation, products, doctor and benchmark on Arm, emulated"),
    "test-slurm": ("bench", "try the fleet check under a real Slurm on this host, as root, in four minutes"),
    "lint": ("dev", "check style and types"),
    "clean": ("", "remove the environments, caches and what resuming needs"),
}
DEFAULTS = {"verify": [RESULT], "report": [RESULT]}
DEFAULTS["redraw"] = ["experiments/01-roofline", RESULT, "experiments/03-speedup-ladder"]
HOW = """
Without make: python run.py NAME [options]          With make: make NAME ARGS="options"
The options of a command: python run.py NAME --help, or make NAME ARGS=--help"""


def program(name, environment=".venv"):
    """The path of a program in an environment."""
    return "/".join((environment, BIN, name + EXE))


def commands(target, given):
    """What a target runs with the arguments given, one after the other."""
    python = program("python")
    pytest = [python, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--max-worker-restart", "0"]
    more = ["tests/browser", "tests/documents", "tests/installed", "tests/simulated", "fleet/test_reframe.py"]
    of_their_own = {
        "bench": [[python, RESULT + "/bench.py"] + given],
        "doctor.pyz": [[python, "-m", "labkit.doctor.bundle", target]],
        "rivals": [],
        "fleet": [["fleet/run"] + given],
        "test": [pytest + given],
        "test-all": [pytest + given, pytest + more + given, [".ci/emulated"], [".ci/arm", "--if-possible"]],
        "test-arm": [[".ci/arm"]],
        "test-slurm": [[".ci/slurm"]],
        "lint": [[python, "-m"] + words.split() for words in ("ruff check .", "ruff format --check .", "mypy")],
    }
    return of_their_own.get(target, [[program("labkit"), target] + (given or DEFAULTS.get(target, []))])


def prepare(target):
    """Make the environments that a target needs, where there is none or what it is made from has changed."""
    if not (target == "doctor" and fresh(".venv/doctor")):
        extra = TARGETS[target][0]
        missing = install(target, ["-c", "constraints.txt", "-e", ".[" + extra + "]"], ".venv/" + extra)
        if missing:
            says = "{} has no wheel for this Python, {}".format(missing, " ".join(sys.version.split()))
            if target != "doctor":
                end(says + ": '" + target + "' cannot run in it. CPython 3.12 has all wheels; the doctor needs none")
            say(says + ": the doctor cannot measure the peak here")
            missing = install(target, ["-c", "constraints.txt", "-e", "."], ".venv/doctor")  # with NumPy alone
            if missing:
                end(missing + " has no wheel for this Python either: take another one")
    if target in ("fleet", "test-all", "test-slurm"):  # ReFrame has an environment of its own: nothing else needs it
        install(target, ["-r", "fleet/requirements.txt"], "fleet/.venv/done")


def fresh(stamp):
    """Whether an environment is whole, where it was made, and younger than what it is made from."""
    sources = ("pyproject.toml", "constraints.txt", "fleet/requirements.txt")
    environment = os.path.dirname(stamp)
    if not (os.path.exists(stamp) and os.path.exists(program("python", environment))):
        return False
    with open(stamp) as file:  # of a folder that was moved or copied, programs would run the code where it was
        made_here = file.read() == json.dumps(os.path.realpath(environment))
    return made_here and os.path.getmtime(stamp) >= max(map(os.path.getmtime, sources))


def install(target, what, stamp):
    """Install it where the stamp is, unless that is fresh. Returns what has no wheel for this Python, if anything."""
    if fresh(stamp):
        return None
    if sys.version_info < OLDEST:
        found = "this needs Python 3.11 or newer, and this is {}.{}".format(*sys.version_info)
        end(found + ": take another one, as 'python3.12 run.py' or 'make PYTHON=python3.12' do")
    if subprocess.call([sys.executable, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL):
        end("this Python has no venv: install it (on Debian: apt install python3-venv) and run this again")
    environment = os.path.dirname(stamp)
    say("Installing what '" + target + "' needs into " + environment + " (once, a minute or so)")
    python = program("python", environment)
    whole = os.path.exists(python) and not subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL)
    if not whole and subprocess.call([sys.executable, "-m", "venv", "--clear", environment]):
        end("cannot make the environment " + environment + ": remove it, or look at this folder's permissions")
    # Without a wheel pip would compile: an hour, or an error of a hundred lines.
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    done = subprocess.run(pip + what, stderr=subprocess.PIPE, text=True, errors="replace")
    missing = re.search(r"No matching distribution found for (\S+)", done.stderr)
    offline = re.search("Retrying|Could not fetch URL", done.stderr)
    if missing and not offline:
        return missing.group(1)
    sys.stderr.write(done.stderr)
    if done.returncode:
        why = ": it did not reach its package index (no network, or a proxy to set?)" if offline else ", as said above"
        end("pip could not install what '" + target + "' needs" + why)
    # Matplotlib's list of fonts takes seconds to make: once here, and not in a run.
    subprocess.call([python, "-c", "import matplotlib.font_manager"], stderr=subprocess.DEVNULL)
    with open(stamp, "w") as file:
        file.write(json.dumps(os.path.realpath(environment)))
    return None


def run(command, last):
    """Run it; its exit status. The last one in place of this process where the system can: signals then reach it."""
    try:
        if last and os.name == "posix":
            os.execv(command[0], command)
        process = subprocess.Popen(command)
    except OSError as error:
        end("cannot start " + command[0] + ": " + str(error.strerror))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the command was told as well, and says what follows
            pass


def clean():
    """Remove all that can be made again."""
    caches = [os.path.join(place, name) for place, names, _ in os.walk(".") for name in names if name == "__pycache__"]
    for path in [path for pattern in LEFT_BEHIND.split() for path in glob(pattern)] + caches:
        os.remove(path) if os.path.isfile(path) else shutil.rmtree(path, ignore_errors=True)


def say(line):
    """Tell the user."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def end(line):
    """Tell the user what to mend, and go."""
    say("run.py: " + line)
    sys.exit(2)


def main(words):
    """Do what a target says; the exit status."""
    os.chdir(os.path.dirname(os.path.realpath(__file__)))
    target, given = (words or ["help"])[0], words[1:]
    if target in ("help", "-h", "--help"):
        print("\n".join(name.ljust(12) + says for name, (_, says) in TARGETS.items()))
        print(HOW)
    elif target == "clean":
        clean()
    elif target not in TARGETS:
        end("there is no '" + target + "'; 'python run.py help' lists what there is")
    else:
        if target != "doctor":
            os.environ.update(dict.fromkeys(THREADS, "1"))
        prepare(target)
        steps = commands(target, given)
        for step in steps:
            status = run(step, last=step is steps[-1])
            if status:
                return status
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
