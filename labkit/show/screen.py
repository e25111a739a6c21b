"""The terminal during a run: a live table and a progress bar, or plain lines where there is no terminal."""

import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from labkit.show.numbers import duration

# The screen is drawn between samples only, by the measuring thread: a thread of its own would take
# the interpreter away from what is being timed.
REFRESH_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0  # between lines that say it is still alive, where there is no terminal
BAR_COLUMNS = 40  # narrower than a terminal, so that a typed ^C does not wrap


class Screen:
    """Progress of one run. `columns` head the table that fills as cells are measured, row by row."""

    def __init__(self, columns: Sequence[str], rows: Iterable[str] = (), console: Console | None = None) -> None:
        self.console = console or Console(
            highlight=False, soft_wrap=not sys.stdout.isatty(), force_terminal=sys.stdout.isatty()
        )
        self.columns = columns
        self.rows: dict[str, dict[str, str]] = {row: {} for row in rows}
        self._said: set[tuple[str, str]] = set()
        self._live: Live | None = None
        self._drawn = time.monotonic()
        self._now, self._done, self._left = "", 0.0, "?"  # done: a portion

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
        self._done, self._left = done / max(done + left, 1e-9), duration(left)
        if self._live and (long or time.monotonic() - self._drawn > REFRESH_SECONDS):
            self._live.update(self._view(), refresh=True)
            self._drawn = time.monotonic()

    def cell(self, row: str, column: str, text: str, line: str | None = None) -> None:
        """An entry of the table as it stands; `line` says a final one once, where there is no terminal."""
        self.rows.setdefault(row, {})[column] = text
        if line and not self.console.is_terminal and (row, column) not in self._said:
            self._said.add((row, column))
            self.say(line)

    def _view(self, final: bool = False) -> Group:
        table = Table(*self.columns, box=None, pad_edge=False, header_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for name, entries in self.rows.items():
            table.add_row(name, *(entries.get(column, "") for column in self.columns[1:]))
        bar = Table.grid(padding=(0, 1))
        bar.add_row(f"{self._done:>4.0%}", ProgressBar(1.0, self._done, BAR_COLUMNS), f"{self._left} left")
        return Group(table) if final else Group(table, "", self._now, bar)
