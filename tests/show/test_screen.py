"""What is seen during a run: a table on a terminal, plain lines elsewhere."""

import re
from io import StringIO

from rich.console import Console

from labkit.show import screen as screens
from labkit.show.screen import Screen


def screen(terminal=False):
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
    return Screen(["method", "64", "128"], ["naive", "matmul"], console), out


def test_without_a_terminal_a_final_entry_is_one_line_said_once():
    plain, out = screen()
    plain.start()
    plain.cell("naive", "64", "3.9")
    assert out.getvalue() == ""
    for _ in range(3):
        plain.cell("naive", "64", "4.0", line="naive at N = 64: 4.0 MFLOPS")
    plain.cell("naive", "128", "3.8", line="interval [1, 2] and [bold]")
    plain.update("round 1", 1.0, 2.0, busy=60.0)
    plain.stop()
    assert out.getvalue() == "naive at N = 64: 4.0 MFLOPS\ninterval [1, 2] and [bold]\n"


def test_on_a_terminal_the_table_fills_row_by_row_and_the_last_one_stays():
    live, out = screen(terminal=True)
    live.start()
    live.cell("matmul", "128", "80.5")
    live.cell("naive", "64", "3.9", line="not said here")
    live.cell("naive", "64", "4.0", line="not said here")
    live.update("round 1", 30.0, 10.0, busy=5.0)
    shown = out.getvalue()
    assert re.search(r"round 1, about 5 s, due at \d\d:\d\d:\d\d", shown)
    assert re.search(r"75%.*10 s left", shown)
    live.stop()
    last = out.getvalue()[len(shown) :]
    assert re.search(r"naive +4\.0[\s\S]*matmul +80\.5", last)  # in the order of the rows, not of arrival
    assert "left" not in last
    assert "not said here" not in out.getvalue()
    live.stop()  # a second time is no error


def test_without_a_terminal_a_line_a_minute_says_which_long_call_runs(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(screens.time, "monotonic", lambda: now[0])
    plain, out = screen()
    for round_ in range(185):
        now[0] += 1.0
        plain.update(f"naive {round_}", 60.0, 120.0, busy=5.0)
        plain.update(f"round {round_}", 60.0, 120.0)
    line = r"naive \d+, about 5 s, due at [\d:]+; about 2 min 00 s left\n"
    assert re.fullmatch(f"({line}){{3}}", out.getvalue())


def test_the_screen_is_drawn_about_once_a_second_and_before_a_long_call(monkeypatch):
    now, drawn = [100.0], []
    monkeypatch.setattr(screens.time, "monotonic", lambda: now[0])
    live, _ = screen(terminal=True)
    live.start()
    monkeypatch.setattr(live._live, "update", lambda *_args, **_options: drawn.append(now[0]))
    for _ in range(300):
        now[0] += 0.01
        live.update("round", 1.0, 1.0)
    assert 2 <= len(drawn) <= 4
    live.update("naive at N = 512", 1.0, 400.0, busy=70.0)
    assert drawn[-1] == now[0]
    live._live.stop()


def test_nothing_done_and_nothing_left_is_no_division_by_zero():
    live, _ = screen(terminal=True)
    live.start()
    live.update("", 0.0, 0.0)
    live.stop()
