"""What is seen while it runs: a live table and progress on a terminal, plain lines elsewhere."""

import functools
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from labkit.errors import LabError, os_error
from labkit.pages import duration

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# The screen is drawn between repetitions only, by the measuring thread: a thread of its own would take
# the interpreter away from what is being timed.
REFRESH_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0  # between lines that say it is still alive, where there is no terminal
BAR_COLUMNS = 40  # narrower than a terminal, so that a typed ^C does not wrap


class Screen:
    """Progress of one run. `columns` head the table that fills as cells are measured."""

    def __init__(self, columns: Sequence[str], console: Console | None = None) -> None:
        self.console = console or Console(
            highlight=False, soft_wrap=not sys.stdout.isatty(), force_terminal=sys.stdout.isatty()
        )
        self.columns = columns
        self.rows: dict[str, dict[str, str]] = {}
        self._said: set[tuple[str, str]] = set()
        self._live: Live | None = None
        self._drawn = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(bar_width=BAR_COLUMNS),
            TextColumn("{task.fields[left]} left"),
            auto_refresh=False,
            console=self.console,
        )
        self._task = self._progress.add_task("", total=1.0, left="?")
        self._now = ""

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, markup=False)

    def start(self) -> None:
        """Show the table and the bar (on a terminal)."""
        if self.console.is_terminal:
            self._live = Live(self._view(), console=self.console, auto_refresh=False)
            self._live.start(refresh=True)

    def stop(self) -> None:
        """Leave the last table standing."""
        if self._live:
            self._live.update(self._view(final=True), refresh=True)
            self._live.stop()
            self._live = None

    def update(self, now: str, done: float, left: float, busy: float = 0.0) -> None:
        """What runs now, seconds done and left; `busy`: for how long nothing will move on the screen."""
        self._now, long = now, busy > 2 * REFRESH_SECONDS
        if long:
            due = datetime.now() + timedelta(seconds=busy)
            self._now += f", about {duration(busy)}, due at {due:%H:%M:%S}"
        if long and not self.console.is_terminal and time.monotonic() - self._drawn > HEARTBEAT_SECONDS:
            self.say(f"{self._now}; about {duration(left)} left")
            self._drawn = time.monotonic()
        self._progress.update(self._task, total=max(done + left, 1e-9), completed=done, left=duration(left))
        self._refresh(force=long)

    def cell(self, row: str, column: str, text: str, line: str | None = None) -> None:
        """An entry of the table as it stands; `line` says a final one once, where there is no terminal."""
        self.rows.setdefault(row, {})[column] = text
        if line and not self.console.is_terminal and (row, column) not in self._said:
            self._said.add((row, column))
            self.say(line)

    def _refresh(self, force: bool = False) -> None:
        if self._live and (force or time.monotonic() - self._drawn > REFRESH_SECONDS):
            self._live.update(self._view(), refresh=True)
            self._drawn = time.monotonic()

    def _view(self, final: bool = False) -> Group:
        table = Table(*self.columns, box=None, pad_edge=False, header_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for name, entries in self.rows.items():
            table.add_row(name, *(entries.get(column, "") for column in self.columns[1:]))
        return Group(table) if final else Group(table, "", self._now, self._progress)


def run(
    name: str, main: Callable[..., Any], stopped: str = "the same command goes on with what was measured so far"
) -> None:
    """Run a command line: one line an error, exit status 2 for what the user can mend, 130 on Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill keeps what Ctrl-C keeps
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @functools.wraps(main)
    def interruptible(*args: Any, **kwargs: Any) -> Any:
        try:
            return main(*args, **kwargs)
        except KeyboardInterrupt:
            print(f"{name}: stopped; {stopped}", file=sys.stderr)
            return INTERRUPTED

    app.command()(interruptible)
    try:
        status = app(prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        status = _complain(name, f"{error.format_message().rstrip('.')}; see {name} --help")
    except LabError as error:
        status = _complain(name, str(error))
    except MemoryError:
        status = _complain(name, "there is not enough memory: allow this process more of it")
    except BrokenPipeError:
        status = _complain(name, "the reader of the output went away")
    except OSError as error:
        status = _complain(name, str(os_error("go on", error)))
    sys.exit(status if isinstance(status, int) else 0)


def _complain(name: str, message: str) -> int:
    print(f"{name}: {message}", file=sys.stderr)
    return 2
