"""The command that reinstalls NumPy where it is: with pip, conda, uv, pipx, or as the distribution does."""

from __future__ import annotations

import os
import shlex
import shutil

from labkit.doctor.facts import Facts

# Debian chooses among the libraries that are installed; a choice made by hand outlives an installation.
CHOOSE = (
    "for i in libblas.so.3 liblapack.so.3 libopenblas.so.0; do "
    "sudo update-alternatives --auto $i-$(uname -m)-linux-gnu; done"
)
THREADED = f"sudo apt install libopenblas0-pthread && {CHOOSE}"


def python_of(facts: Facts) -> str:
    """The examined Python as a shell finds it: by its name if that leads to it, else by its path."""
    path = facts.install["python"]
    for name in ("python", "python3"):
        found = shutil.which(name)
        if found and os.path.abspath(found) == os.path.abspath(path):
            return name
    return shlex.quote(path)


def install(facts: Facts, what: str = "numpy", again: bool = True) -> str:
    """Install NumPy anew (`again`), or a newer one; where a variable leads past what is installed, without it."""
    by = facts.install.get("by")
    return f"unset {by} && {_command(facts, what, again)}" if by else _command(facts, what, again)


def unset(facts: Facts, *names: str, again: bool = True) -> str:
    """Unset those of these variables that are set; where none is, install NumPy."""
    stray = [name for name in names if name in facts.environment]
    return f"unset {' '.join(stray)}" if stray else install(facts, again=again)


def _command(facts: Facts, what: str, again: bool) -> str:
    python, kind = python_of(facts), facts.install["kind"]
    quoted = shlex.quote(what)
    if kind == "conda":
        return f"conda install {'--force-reinstall' if again else '--update-deps'} {quoted} 'libblas=*=*openblas'"
    if kind == "uv":
        return f"uv pip install --python {python} {'--reinstall' if again else '--upgrade'} {quoted}"
    if kind == "pipx":
        application = os.path.basename(os.path.dirname(os.path.dirname(facts.install["python"])))
        return f"pipx runpip {application} install {'--force-reinstall' if again else '--upgrade'} {quoted}"
    if kind == "debian" and again:
        return THREADED.replace("install", "install --reinstall python3-numpy", 1)
    if kind in ("debian", "managed"):  # pip refuses there; the distribution has no newer one
        return f"{python} -m venv fresh && fresh/bin/python -m pip install --only-binary numpy {quoted}"
    pip = f"{python} -m ensurepip && {python} -m pip" if kind == "no pip" else f"{python} -m pip"
    return f"{pip} install {'--force-reinstall' if again else '--upgrade'} --only-binary numpy {quoted}"
