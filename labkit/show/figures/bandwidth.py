"""bandwidth.png: load bandwidth by working-set size, and the peak over independent chains."""

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from labkit.records.model import Roofline
from labkit.show import canvas, numbers, styles
from labkit.show.canvas import Drawing, Point
from labkit.show.styles import BLACK, BLUE, GREY, ORANGE

HEIGHT_INCHES = 4.3
WIDTH_COLOURS = (BLUE, ORANGE)
# A name beside its vertical reaches down to so small a portion of its size.
LABEL_FACTOR = 12


@canvas.look
def draw(roofline: Roofline) -> Drawing:
    """On the left a step for each cache, on the right how much parallel work the peak needs."""
    title = f"Bandwidth by working-set size on {roofline.short_name}, loads only"
    figure, (sets, chains) = canvas.new_figure(
        title, HEIGHT_INCHES, 1, 2, width_ratios=(2.05, 1), left=0.075, right=0.985, top=0.82, bottom=0.135, wspace=0.2
    )
    return Drawing(figure, title, _draw_sets(sets, roofline) + _draw_chains(chains, roofline))


def _draw_sets(axes: Axes, roofline: Roofline) -> list[Point]:
    found = roofline.working_sets
    sizes, best, lows = zip(*((s.working_set_bytes, s.gbs.best, s.gbs.low) for s in found), strict=True)
    axes.set(yscale="log", xlabel="working set", ylabel="load, GB/s")
    axes.set_xscale("log", base=2)
    axes.set_title("Bandwidth falls at the size of each cache")
    axes.set_ylim(0.6 * min(lows), 1.9 * max(best))
    row, last = 0, 0
    for cache in roofline.levels:
        # Names of neighbours stand in two rows.
        row, last = 1 - row if cache.bytes < LABEL_FACTOR * last else 0, cache.bytes
        colour = styles.LEVELS.get(f"L{cache.level}", GREY)
        axes.axvline(cache.bytes, color=colour, lw=1.4, ls=canvas.DASHED, zorder=1)
        name, at, offset = f"L{cache.level} {numbers.bytes_(cache.bytes)}", (cache.bytes, 1.0), (-4, -3 - 14 * row)
        canvas.note(axes, name, at, offset, colour, "right", "top", xycoords=("data", "axes fraction"))
    axes.fill_between(sizes, lows, best, color=BLACK, alpha=0.13, lw=0)
    axes.plot(sizes, best, "o-", color=BLACK, ms=3.5, lw=1.5)
    ticks = [1 << k for k in range(12, 40, 4) if sizes[0] <= 1 << k <= 1.1 * sizes[-1]]
    axes.set_xticks(ticks, [numbers.bytes_(t) for t in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    canvas.plain_numbers(axes.yaxis)
    facts = [{"working set": numbers.bytes_(s.working_set_bytes), **canvas.rate_facts(s.gbs, "GB/s")} for s in found]
    table = "Bandwidth by working-set size"
    return [Point(axes, s.working_set_bytes, s.gbs.best, table, told) for s, told in zip(found, facts, strict=True)]


def _draw_chains(axes: Axes, roofline: Roofline) -> list[Point]:
    peak = roofline.peak
    best, most = peak.fp32_fma_gflops.best, max((s.accumulators for s in peak.sweep), default=1)
    axes.set(xlabel="independent chains", ylabel="GFLOPS", xlim=(0, most + 1), ylim=(0, 1.14 * best))
    axes.set_title("Peak needs several chains")
    for lanes, colour in zip(sorted({s.lanes for s in peak.sweep}, reverse=True), WIDTH_COLOURS, strict=False):
        points = sorted((s.accumulators, s.gflops) for s in peak.sweep if s.lanes == lanes)
        axes.plot(*zip(*points, strict=True), "o-", color=colour, ms=4, lw=1.6, label=f"{32 * lanes} bits")
    # A legend, as the curves of two widths may end in one and the same line.
    axes.legend(loc="center right", handlelength=1.2, frameon=True, framealpha=0.85, edgecolor="none")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.axhline(best, color=GREY, lw=1.0, ls=canvas.DASHED, zorder=1)
    if peak.latency_cycles:
        need = peak.latency_cycles * peak.steps_per_cycle
        ha, aside = ("left", 5) if need < 0.5 * most else ("right", -5)
        axes.axvline(need, color=GREY, lw=1.0, ls=canvas.DASHED, zorder=1)
        why = f"latency {peak.latency_cycles:.1f} cycles\n× {peak.steps_per_cycle:.1f} per cycle\n= {need:.1f} chains"
        canvas.note(axes, why, (need, 0), (aside, 6), GREY, ha, "bottom")
    return [
        Point(
            axes,
            s.accumulators,
            s.gflops,
            "The peak over independent chains",
            {"chains": str(s.accumulators), "width": f"{32 * s.lanes} bits", "rate": numbers.flops(s.gflops)},
        )
        for s in peak.sweep
    ]
