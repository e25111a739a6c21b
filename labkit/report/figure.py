"""A figure of the page: what Vega draws, what may be chosen, and the same in words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import altair as alt

from labkit import runs
from labkit.report.looks import Look
from labkit.report.tables import Table
from labkit.runs import Run

Row = dict[str, Any]
T = TypeVar("T", alt.Color, alt.Fill, alt.Stroke, alt.Shape, alt.StrokeDash, alt.FillOpacity)
HEIGHT_PIXELS = 400
# For layers that follow the first, whose scale is the figure's; the page's script sets the one chosen.
LOG = alt.Scale(type="log")
# Room between the outermost points and the frame, in pixels.
PADDING_PIXELS = 14
# Numbers on an axis, in d3's notation: without an exponent, whichever the scale.
DECIMAL, PERCENT = ".3~r", ".3~p"
# The grid of a logarithmic axis is faint between powers of ten: where the first digit is not 1.
FAINT = {"condition": {"test": "substring(format(datum.value, '.0e'), 0, 1) == '1'", "value": 1}, "value": 0.35}
LOGARITHMIC: Row = {
    "scale": {"type": "log", "nice": False, "padding": PADDING_PIXELS},
    "axis": {"gridOpacity": FAINT, "tickOpacity": FAINT},
}
LINEAR: Row = {"scale": {"type": "linear", "zero": True, "nice": True}, "axis": {}}
SCALES: Row = {"log": LOGARITHMIC, "linear": LINEAR}


@dataclass(frozen=True)
class Option:
    """One thing that may be chosen. With a look it is drawn beside its words, so that the choice is the legend too."""

    value: str
    words: str
    look: Look | None = None
    chosen: bool = True


@dataclass(frozen=True)
class Choice:
    """Options under a name. `name` is the field of the rows that it picks by, or the axis whose scale it sets."""

    name: str
    words: str
    options: list[Option]
    many: bool = False


@dataclass(frozen=True)
class Figure:
    """`alternative` says in words what the figure shows, `caption` how to read it, `absent` why a run is not in it."""

    key: str
    title: str
    alternative: str
    caption: str
    choices: list[Choice]
    legend: list[Option]
    tables: list[Table]
    spec: Row | None
    absent: list[str] = field(default_factory=list)


def scale_choice(name: str, words: str) -> Choice:
    """Logarithmic, which is how the lab draws, or linear."""
    return Choice(name, words, [Option("log", "logarithmic"), Option("linear", "linear", chosen=False)])


def run_choice(several: Sequence[Run]) -> list[Choice]:
    """One run at a time; nothing to choose where there is one."""
    options = [Option(run.name, run.name, chosen=i == 0) for i, run in enumerate(several)]
    return [Choice("run", "Run", options)] if len(options) > 1 else []


# What a reader sees beside every value of where it comes from.
_ORIGIN = {"CPU": "machine", "Python": "python", "NumPy": "numpy", "BLAS kernel": "blas_kernel", "commit": "commit"}


def origin(run: Run) -> Row:
    """Where a run's values come from, for each of its rows."""
    facts = runs.provenance(run.results, run.manifest)
    return {"run": run.name} | {key: facts[what] for what, key in _ORIGIN.items()}


def tooltips(**fields: str) -> list[alt.Tooltip]:
    """A tooltip of these fields of a row, each under its title, and of where it comes from."""
    titles = fields | {key: what if what != "CPU" else "machine" for what, key in _ORIGIN.items()}
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in titles.items()]


def as_given(channel: type[T], field: str) -> T:
    """A channel whose rows hold the very colour, shape or dashes that are drawn: the same whatever is chosen."""
    return channel(field, scale=None, legend=None)


def spec(layers: Sequence[alt.Chart], datasets: dict[str, list[Row]], meta: Row, height: int) -> Row:
    """The layers as Vega-Lite; what the page's script needs in order to change it stands in `usermeta`.

    The script leaves out the layers of a dataset of which nothing is chosen.
    """
    made: Row = alt.layer(*layers).properties(width="container", height=height).to_dict()
    made["datasets"], made["usermeta"] = datasets, meta
    for name in ("config", "$schema"):  # the script has one for all figures, and knows that this is Vega-Lite
        made.pop(name, None)
    return made
