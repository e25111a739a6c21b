"""ladder.png: a bar a rung with the factors between them, and the rungs over N. A function of the record alone."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from labkit import figures, pages
from labkit.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, YELLOW
from labkit.records import Factor, Ladder, LadderRung

FONT = 10
HEIGHT_INCHES = 6.4
# The steps from the bottom to the top; a ladder of ten rungs takes the palette once and begins again, with squares.
COLOURS = (PURPLE, VERMILION, ORANGE, YELLOW, GREEN, SKY, BLUE, BLACK, GREY)
BAR = 0.52  # of the distance between two rungs: the factors stand in the gaps
# The axis begins so far below the slowest rung and ends at the peak.
BELOW = 2.5


def draw(ladder: Ladder) -> bytes:
    """The figure as a PNG, its data in the file's metadata."""
    figure = Figure(figsize=(figures.WIDTH_INCHES, HEIGHT_INCHES), dpi=figures.DPI)
    bars, curves = figure.subplots(1, 2, width_ratios=(1.75, 1))
    figure.subplots_adjust(left=0.185, right=0.985, top=0.90, bottom=0.095, wspace=0.6)
    steps = [rung for rung in ladder.rungs if rung.kind == "step"]
    _draw_bars(bars, ladder, steps)
    _draw_curves(curves, ladder, steps)
    title = f"From the loop to the BLAS on {ladder.short_name}, fp32, one thread"
    figure.suptitle(title, x=0.012, ha="left", fontsize=13)
    data = {
        "title": title,
        "n": ladder.n,
        "peak_gflops": ladder.roof.peak_gflops,
        "bars": {r.name: c.gflops.median for r in steps if (c := ladder.cell(r.name, ladder.n))},
        "factors": {f"{f.rung} / {f.over}": [f.ratio, f.low, f.high] for f in ladder.factors},
        "curves": {r.name: [[c.n, c.gflops.median] for c in ladder.cells if c.rung == r.name] for r in steps},
    }
    return figures.png(figure, title, data)


def _draw_bars(axes: Axes, ladder: Ladder, steps: list[LadderRung]) -> None:
    peak, n = ladder.roof.peak_gflops, ladder.n
    rates = {rung.name: cell.gflops.median for rung in steps if (cell := ladder.cell(rung.name, n))}
    start = min(rates.values()) / BELOW
    axes.set(xscale="log", xlabel=f"GFLOPS at N = {n}, up to the measured peak")
    axes.set_xlim(start, peak)
    axes.set_ylim(len(steps) - 0.5, -0.6)
    axes.grid(False, axis="y")
    by_rung: dict[str, Factor] = {f.rung: f for f in ladder.factors}
    for place, (rung, colour) in enumerate(zip(steps, _colours(len(steps)), strict=True)):
        rate = rates[rung.name]
        axes.barh(place, rate - start, left=start, height=BAR, color=colour, zorder=3)
        inside = rate > (start * peak) ** 0.5
        axes.annotate(
            pages.flops(rate), (rate, place), xytext=(-5 if inside else 5, 0), textcoords="offset points", va="center",
            ha="right" if inside else "left", fontsize=FONT, color=_on(colour) if inside else BLACK, zorder=4,
        )  # fmt: skip
        if factor := by_rung.get(rung.name):
            axes.annotate(
                f"x {pages.significant(factor.ratio)}  ({pages.significant(factor.low)} to "
                f"{pages.significant(factor.high)})",
                (start, place - 0.5), xytext=(5, 0), textcoords="offset points", va="center", fontsize=FONT, color=GREY,
            )  # fmt: skip
        if cell := ladder.cell(rung.name, n):
            axes.annotate(
                _share(cell.roof.share), (1.02, place), xycoords=axes.get_yaxis_transform(), va="center", fontsize=FONT
            )
    axes.annotate(
        "of the peak", (1.02, -0.5), xycoords=axes.get_yaxis_transform(), va="center", fontsize=FONT, color=GREY
    )
    axes.set_yticks(range(len(steps)), [_two_lines(rung.title) for rung in steps], fontsize=FONT)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _draw_curves(axes: Axes, ladder: Ladder, steps: list[LadderRung]) -> None:
    axes.set(xscale="log", yscale="log", xlabel="N", ylabel="GFLOPS")
    for rung, colour in zip(steps, _colours(len(steps)), strict=True):
        cells = [c for c in ladder.cells if c.rung == rung.name]
        axes.plot([c.n for c in cells], [c.gflops.median for c in cells], "o-", color=colour, ms=4, lw=1.6)
    axes.axhline(ladder.roof.peak_gflops, color=BLACK, lw=1.4, ls=(0, (4, 3)))
    axes.xaxis.set_major_locator(FixedLocator(ladder.sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.set_title("Over N, under the peak", loc="left", pad=8, fontsize=11.5)


def _colours(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _share(share: float) -> str:
    return pages.percent(share) if share >= 0.01 else f"1/{pages.significant(1 / share, 2)}"


def _on(colour: str) -> str:
    """The ink that can be read on a bar of this colour."""
    return BLACK if colour in (YELLOW, ORANGE, SKY, PURPLE) else "white"


def _two_lines(title: str) -> str:
    """A long title broken at the space nearest to its middle."""
    if len(title) <= 22:
        return title
    spaces = [i for i, letter in enumerate(title) if letter == " "]
    middle = min(spaces, key=lambda i: abs(i - len(title) / 2))
    return f"{title[:middle]}\n{title[middle + 1 :]}"
