"""The command line: one tree, one line an error, its exit status; nothing heavy is loaded to say what there is."""

import errno
import importlib
import os
import signal
import subprocess
import sys

import pytest

from labkit import cli
from labkit.errors import UserError, os_error

COMMANDS = (
    "roofline",
    "traffic",
    "ladder",
    "gemm",
    "repeat",
    "doctor",
    "verify",
    "compare",
    "report",
    "export",
    "redraw",
    "schema",
)


@pytest.fixture(autouse=True)
def handlers(monkeypatch):
    """A command line under test leaves this process's signals alone."""
    found = {}
    monkeypatch.setattr(signal, "signal", found.__setitem__)
    return found


def guarded(run):
    return cli.guarded("bench.py", run)


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("choose a smaller N"), "choose a smaller N"),
        (MemoryError(), "there is not enough memory: allow this process more of it"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "cannot go on: No space left on device; free some space"),
        (ModuleNotFoundError("x", name="llvmlite"), "this Python has no llvmlite"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_the_user_can_fix_is_one_line_and_exit_status_two(capsys, error, said):
    assert guarded(raising(error)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"bench.py: {said}")
    assert err.count("\n") == 1


def test_a_reader_that_goes_away_is_exit_status_two_and_one_line():
    program = (
        "import os, sys\nreading, writing = os.pipe()\nos.close(reading)\nos.dup2(writing, 1)\n"
        "from labkit import cli\nsys.exit(cli.main(['schema', 'results']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "labkit: the reader of the output went away\n")


def test_ctrl_c_and_a_polite_kill_are_exit_status_130_without_a_traceback(capsys, handlers):
    assert guarded(raising(KeyboardInterrupt())) == 130
    assert handlers[signal.SIGTERM] is signal.default_int_handler
    assert capsys.readouterr().err == "bench.py: stopped\n"


def test_the_exit_status_is_what_the_command_returns_and_a_fault_of_our_own_is_not_passed_off_as_the_users():
    assert [guarded(lambda status=status: status) for status in (0, 1, 3)] == [0, 1, 3]
    for fault in (ZeroDivisionError(), ModuleNotFoundError("x", name="labkit.gone")):
        with pytest.raises(type(fault)):
            guarded(raising(fault))


@pytest.mark.parametrize(
    ("code", "hint"), [("ENOSPC", "free some space"), ("EROFS", "--output"), ("ENOTDIR", "a file is where a folder")]
)
def test_a_refusal_of_the_system_says_what_to_do_about_it(code, hint):
    number = getattr(errno, code)
    message = str(os_error("write x", OSError(number, os.strerror(number))))
    assert message.startswith(f"cannot write x: {os.strerror(number)}; ")
    assert hint in message
    assert str(os_error("write x", OSError("odd"))) == "cannot write x: odd"


# --- the tree ---------------------------------------------------------------------------------------------


def tree():
    [commands] = [action.choices for action in cli.parser()._actions if action.choices]
    return commands


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["export", "x"],
        ["export", "x", "--format", "xml"],
        ["verify"],
        ["--x"],
        ["export", "x", "--form", "csv"],
    ],
)
def test_words_that_are_not_understood_are_one_line_that_points_to_help_and_exit_status_two(capsys, words):
    with pytest.raises(SystemExit) as exit_:
        cli.main(words)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("labkit")
    assert err.rstrip().endswith("--help")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_its_options_an_example_and_its_exit_statuses_in_80_columns(capsys, name):
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    assert f"example:\n  labkit {name}" in said
    assert "exit status: 0 " in said
    assert max(map(len, said.splitlines())) <= 80


def test_every_command_is_a_function_that_is_there(monkeypatch):
    assert set(COMMANDS) | {"completion"} == set(tree())
    targets = []
    monkeypatch.setattr(cli, "_later", targets.append)
    cli.parser()
    for target in targets:
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), target


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_can_complete_every_command(capsys, shell):
    assert cli.main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)


def test_saying_what_there_is_loads_neither_numpy_nor_anything_that_must_be_installed():
    program = (
        "import sys\nfrom labkit import cli\ncli.parser().format_help()\n"
        "heavy = {'numpy', 'msgspec', 'rich', 'filelock', 'jinja2', 'matplotlib'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
