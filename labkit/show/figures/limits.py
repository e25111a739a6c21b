"""The roofline of a result without a record of one: the limits that results.json holds, and what NumPy reaches."""

from labkit.records.derive import PYTHON_METHODS
from labkit.records.find import Run
from labkit.roofline.model import NO_REUSE_INTENSITY, attainable, compulsory_intensity, proven_intensity
from labkit.show import canvas, numbers, styles, text
from labkit.show.canvas import Drawing, Label, Place, Point
from labkit.show.styles import BLACK, GREY

BEYOND = 2.0  # the axes go on by this factor


@canvas.look
def draw(run: Run) -> Drawing:
    """The diagonal of DRAM up to the peak; a bar for each method between the intensities that bound it."""
    roof, n = run.results.roof, max(run.results.protocol.sizes)
    title = f"The limits of one core of {run.results.short_name}, fp32, and what reaches them at N = {n}"
    figure, (axes,) = canvas.new_figure(title, left=0.107, right=0.735, top=0.9, bottom=0.11)
    peak, gbs, most = roof.peak_gflops, roof.dram_gbs, compulsory_intensity(n)
    left, right = NO_REUSE_INTENSITY / BEYOND, BEYOND * max(most, roof.ridge_flop_per_byte)
    cells = [c for c in run.analysis.cells if c.n == n and c.method not in PYTHON_METHODS]
    rates = [c.alone.gflops.value for c in cells]
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity, flop/byte of DRAM", ylabel="GFLOPS")
    axes.set(xlim=(left, right), ylim=(min([left * gbs, *rates]) / BEYOND, BEYOND * max([peak, *rates])))
    canvas.plain_numbers(axes.xaxis, axes.yaxis)
    ridge = roof.ridge_flop_per_byte
    axes.plot([left, ridge, right], [attainable(left, peak, gbs), peak, peak], color=BLACK, lw=2.2, zorder=2)
    axes.plot(ridge, peak, "D", color=BLACK, ms=6, zorder=4)
    for x in (NO_REUSE_INTENSITY, most):
        axes.axvline(x, color=GREY, lw=1.0, ls=canvas.DOTTED, zorder=1)
    labels: list[Label] = [(right, peak, f"FMA peak {numbers.significant(peak)}", BLACK, {})]
    points = [
        Point(axes, ridge, peak, "Limits", {"limit": "FMA peak of one core", "value": numbers.flops(peak)}),
        Point(axes, left, left * gbs, "Limits", {"limit": "DRAM", "value": f"{numbers.significant(gbs)} GB/s"}),
    ]
    for cell, rate in zip(cells, rates, strict=True):
        style, tags = styles.of_method(cell.method), {"method": cell.method}
        ends = min(proven_intensity(rate, gbs), most), most
        drawn = axes.plot(ends, [rate] * 2, color=style.colour, lw=5, alpha=0.45, solid_capstyle="butt", zorder=3)
        drawn += axes.plot(most, rate, style.marker, color=style.colour, ms=7, zorder=5)
        canvas.tag(drawn, tags)
        labels.append((right, rate, f"{style.name} {numbers.significant(rate)}", style.colour, tags))
        facts = {
            "method": f"{style.name}, N = {n}",
            "rate of a core alone": numbers.flops(rate),
            "fraction of peak": text.estimate(cell.peak_fraction),
            "flop/byte": numbers.interval(*ends),
        }
        points.append(Point(axes, most, rate, "Methods", facts, tags))
    canvas.label_ends(axes, labels)
    middle = (left * ridge) ** 0.5
    for says, x, y, ink in (
        (f"DRAM {numbers.significant(gbs)} GB/s", middle, attainable(middle, peak, gbs), BLACK),
        (f"ridge {numbers.significant(ridge, 2)} flop/byte", ridge, peak, BLACK),
        (f"no reuse: {NO_REUSE_INTENSITY} flop/byte", NO_REUSE_INTENSITY, axes.get_ylim()[0] * 1.3, GREY),
    ):
        canvas.place(axes, says, canvas.around((x, y)), ink)
    low = axes.get_ylim()[0]
    places: list[Place] = [((most, low * f), (-6, 0), "right", "center") for f in (1.3, 1.8, 2.5, 3.5)]
    canvas.place(axes, f"most reuse: N/6 = {numbers.significant(most)}", places, GREY)
    choices = {"method": {c.method: styles.of_method(c.method) for c in cells}}
    return Drawing(figure, title, points, choices if len(cells) > 1 else {})
