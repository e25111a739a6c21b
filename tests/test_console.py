"""What is seen: a table on a terminal, plain lines elsewhere, one line an error and its exit status."""

import errno
import os
import re
import signal
from io import StringIO
from typing import Annotated

import pytest
import typer
from rich.console import Console

from labkit import console
from labkit.console import Screen
from labkit.errors import LabError, os_error


def plain():
    out = StringIO()
    return Screen(["method", "64", "128"], Console(file=out, force_terminal=False, width=100)), out


def terminal():
    out = StringIO()
    return Screen(["method", "64", "128"], Console(file=out, force_terminal=True, width=100, color_system=None)), out


def test_without_a_terminal_a_final_entry_is_one_line_said_once():
    screen, out = plain()
    screen.start()
    screen.cell("naive", "64", "3.9")
    assert out.getvalue() == ""
    for _ in range(3):
        screen.cell("naive", "64", "4.0", line="naive at N=64: 4.0 MFLOPS")
    screen.cell("naive", "128", "3.8", line="naive at N=128: 3.8 MFLOPS")
    screen.update("round 1", 1.0, 2.0, busy=60.0)
    screen.stop()
    assert out.getvalue() == "naive at N=64: 4.0 MFLOPS\nnaive at N=128: 3.8 MFLOPS\n"


def test_a_line_in_square_brackets_is_said_as_it_stands():
    screen, out = plain()
    screen.say("interval [1, 2] and [bold]")
    assert out.getvalue() == "interval [1, 2] and [bold]\n"


def test_on_a_terminal_the_table_fills_and_the_last_one_stays():
    screen, out = terminal()
    screen.start()
    screen.cell("naive", "64", "3.9", line="not said here")
    screen.cell("naive", "64", "4.0", line="not said here")
    screen.cell("matmul", "128", "80.5")
    screen.update("round 1", 30.0, 10.0, busy=5.0)
    shown = out.getvalue()
    assert re.search(r"round 1, about 5 s, due at \d\d:\d\d:\d\d", shown)
    assert re.search(r"75%.*10 s left", shown)
    at = len(shown)
    screen.stop()
    last = out.getvalue()[at:]
    assert re.search(r"naive +4\.0", last)
    assert re.search(r"matmul +80\.5", last)
    assert "left" not in last
    assert "not said here" not in out.getvalue()
    screen.stop()  # a second time is no error


def test_without_a_terminal_a_line_a_minute_says_which_long_call_runs(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    screen, out = plain()
    for round_ in range(185):
        now[0] += 1.0
        screen.update(f"naive {round_}", 60.0, 120.0, busy=5.0)
        screen.update(f"round {round_}", 60.0, 120.0)
    line = r"naive \d+, about 5 s, due at [\d:]+; about 2 min 00 s left\n"
    assert re.fullmatch(f"({line}){{3}}", out.getvalue())


def test_a_screen_that_would_freeze_says_until_when_and_a_brief_wait_does_not():
    screen, _ = plain()
    screen.update("naive at N=512", 1.0, 400.0, busy=70.0)
    assert re.fullmatch(r"naive at N=512, about 1 min 10 s, due at \d\d:\d\d:\d\d", screen._now)
    screen.update("naive at N=64", 1.0, 2.0, busy=0.5)
    assert screen._now == "naive at N=64"


def test_the_screen_is_not_drawn_at_every_repetition(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    screen, _ = terminal()
    screen.start()
    drawn = []
    monkeypatch.setattr(screen._live, "update", lambda *_args, **_options: drawn.append(now[0]))
    for _ in range(300):
        now[0] += 0.01
        screen.update("round", 1.0, 1.0)
    assert 2 <= len(drawn) <= 4
    screen._live.stop()


def test_nothing_done_and_nothing_left_is_no_division_by_zero():
    screen, _ = terminal()
    screen.start()
    screen.update("", 0.0, 0.0)
    screen.stop()


@pytest.fixture(autouse=True)
def _signals(monkeypatch):
    """A command line under test leaves this process's signals alone."""
    handlers = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    return handlers


def status_of(main, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["bench.py", *words])
    with pytest.raises(SystemExit) as exit_:
        console.run("bench.py", main)
    return exit_.value.code


def raising(error):
    def main() -> None:
        raise error

    return main


REFUSALS = [
    (LabError("choose a smaller N"), "choose a smaller N"),
    (MemoryError(), "there is not enough memory: allow this process more of it"),
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "cannot go on: No space left on device; free some space"),
    (BrokenPipeError(), "the reader of the output went away"),
    (typer.BadParameter("no such thing."), "no such thing; see bench.py --help"),
]


@pytest.mark.parametrize(("error", "said"), REFUSALS, ids=lambda x: type(x).__name__)
def test_what_the_user_can_mend_is_one_line_and_exit_status_two(monkeypatch, capsys, error, said):
    assert status_of(raising(error), monkeypatch) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("bench.py: ")
    assert said in err
    assert err.count("\n") == 1


def sized(sizes: Annotated[int, typer.Option()] = 64, quick: bool = False) -> int:
    """Measure."""
    return 0 if quick else sizes


@pytest.mark.parametrize("words", [["--sise", "64"], ["--sizes"], ["--sizes", "many"], ["stray"]])
def test_an_option_that_is_not_understood_points_to_help_in_one_line(monkeypatch, capsys, words):
    assert status_of(sized, monkeypatch, *words) == 2
    err = capsys.readouterr().err
    assert err.startswith("bench.py: ")
    assert err.endswith("; see bench.py --help\n")
    assert err.count("\n") == 1


def test_ctrl_c_is_exit_status_130_without_a_traceback(monkeypatch, capsys):
    assert status_of(raising(KeyboardInterrupt()), monkeypatch) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_polite_kill_stops_a_run_as_ctrl_c_does(monkeypatch, _signals):  # noqa: PT019
    assert status_of(lambda: None, monkeypatch) == 0
    assert _signals[signal.SIGTERM] is signal.default_int_handler


def test_the_exit_status_is_what_main_returns_and_zero_if_nothing(monkeypatch):
    assert status_of(sized, monkeypatch, "--sizes", "3") == 3
    assert status_of(sized, monkeypatch, "--quick") == 0
    assert status_of(lambda: None, monkeypatch) == 0


def test_help_is_exit_status_zero_and_tells_the_options(monkeypatch, capsys):
    assert status_of(sized, monkeypatch, "--help") == 0
    assert "--sizes" in capsys.readouterr().out


def test_a_fault_of_our_own_is_not_passed_off_as_the_user_s(monkeypatch):
    monkeypatch.setattr("sys.argv", ["bench.py"])
    with pytest.raises(ZeroDivisionError):
        console.run("bench.py", raising(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("code", "hint"), [("ENOSPC", "free some space"), ("EROFS", "--output"), ("ENOTDIR", "a file stands")]
)
def test_a_refusal_of_the_system_says_what_to_do_about_it(code, hint):
    number = getattr(errno, code)
    message = str(os_error("write x", OSError(number, os.strerror(number))))
    assert message.startswith(f"cannot write x: {os.strerror(number)}; ")
    assert hint in message


def test_a_refusal_without_a_known_remedy_is_said_without_one():
    assert str(os_error("write x", OSError("odd"))) == "cannot write x: odd"
