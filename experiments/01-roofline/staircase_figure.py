"""staircase.png: load bandwidth over the working set, and the peak over its chains. A function of the record alone."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from roof_figure import LEVEL_COLOURS

from labkit import figures, pages
from labkit.figures import BLACK, BLUE, GREY, ORANGE
from labkit.records import Roofline

FONT = 10
WIDTH_COLOURS = (BLUE, ORANGE)
# A name beside its vertical reaches down to so small a portion of its size.
LABEL_FACTOR = 12


def draw(roofline: Roofline) -> bytes:
    """The figure as a PNG, its data in the file's metadata."""
    figure = Figure(figsize=(figures.WIDTH_INCHES, 3.9), dpi=figures.DPI)
    stairs, chains = figure.subplots(1, 2, width_ratios=(2.05, 1))
    figure.subplots_adjust(left=0.075, right=0.985, top=0.89, bottom=0.145, wspace=0.2)
    _draw_stairs(stairs, roofline)
    _draw_chains(chains, roofline)
    data = {
        "title": f"The staircase of {roofline.short_name}",
        "staircase": {str(s.working_set_bytes): s.gbs.best for s in roofline.staircase},
        "verticals": {f"L{c.level}": c.bytes for c in roofline.levels},
        "chains": [[s.lanes, s.accumulators, s.gflops] for s in roofline.peak.sweep],
    }
    return figures.png(figure, str(data["title"]), data)


def _draw_stairs(axes: Axes, roofline: Roofline) -> None:
    sizes = [s.working_set_bytes for s in roofline.staircase]
    best = [s.gbs.best for s in roofline.staircase]
    axes.set(yscale="log", xlabel="working set", ylabel="load, GB/s")
    axes.set_xscale("log", base=2)
    axes.set_title("Bandwidth falls a step at each cache", loc="left", pad=9, fontsize=12)
    low = min(s.gbs.low for s in roofline.staircase)
    axes.set_ylim(0.6 * low, 1.9 * max(best))
    row, last = 0, 0
    for cache in roofline.levels:
        # Names of neighbours stand in two rows.
        row, last = 1 - row if cache.bytes < LABEL_FACTOR * last else 0, cache.bytes
        colour = LEVEL_COLOURS.get(f"L{cache.level}", GREY)
        axes.axvline(cache.bytes, color=colour, lw=1.4, ls=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"L{cache.level} {pages.bytes_(cache.bytes)}", (cache.bytes, 1.0), xycoords=("data", "axes fraction"),
            xytext=(-4, -3 - 14 * row), textcoords="offset points", ha="right", va="top", fontsize=FONT,
            color=figures.ink(colour),
        )  # fmt: skip
    axes.fill_between(sizes, [s.gbs.low for s in roofline.staircase], best, color=BLACK, alpha=0.13, lw=0)
    axes.plot(sizes, best, "o-", color=BLACK, ms=3.5, lw=1.5)
    ticks = [1 << k for k in range(12, 40, 4) if sizes[0] <= 1 << k <= 1.1 * sizes[-1]]
    axes.set_xticks(ticks, [pages.bytes_(t) for t in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_chains(axes: Axes, roofline: Roofline) -> None:
    peak = roofline.peak
    axes.set(xlabel="independent chains", ylabel="GFLOPS")
    axes.set_title("The peak needs many chains", loc="left", pad=9, fontsize=12)
    widths = sorted({s.lanes for s in peak.sweep}, reverse=True)
    for lanes, colour in zip(widths, WIDTH_COLOURS, strict=False):
        points = sorted((s.accumulators, s.gflops) for s in peak.sweep if s.lanes == lanes)
        axes.plot(*zip(*points, strict=True), "o-", color=colour, ms=4, lw=1.6, label=f"{32 * lanes} bits")
    # A legend, as the curves of two widths may end in one and the same line.
    legend = axes.legend(loc="center right", fontsize=FONT, frameon=False, handlelength=1.2)
    for name, colour in zip(legend.get_texts(), WIDTH_COLOURS, strict=False):
        name.set_color(figures.ink(colour))
    best = peak.fp32_fma_gflops.best
    axes.axhline(best, color=GREY, lw=1.0, ls=(0, (4, 3)), zorder=1)
    if peak.latency_cycles:
        need = peak.latency_cycles * peak.steps_per_cycle
        left = need < 0.5 * max(s.accumulators for s in peak.sweep)
        axes.axvline(need, color=GREY, lw=1.0, ls=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"latency {peak.latency_cycles:.1f}\nx {peak.steps_per_cycle:.1f} a cycle\n= {need:.1f} chains",
            (need, 0), xytext=(5 if left else -5, 6), textcoords="offset points", ha="left" if left else "right",
            va="bottom", fontsize=FONT, color=GREY,
        )  # fmt: skip
    axes.set_xlim(0, max(s.accumulators for s in peak.sweep) + 1)
    axes.set_ylim(0, 1.14 * best)
