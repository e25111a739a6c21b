"""`labkit report`: the pages of one run or of several as one HTML file, whose figures answer to the pointer."""

import argparse
import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

from labkit import comparison
from labkit.records import find, io
from labkit.records.compare import compare
from labkit.records.facts import facts
from labkit.records.find import Run
from labkit.records.model import Manifest
from labkit.roofline.kernels import place
from labkit.show import canvas, pages, styles, tables, text
from labkit.show.canvas import Drawing
from labkit.show.figures import bandwidth, history, ladder, misses, perf, repeat, roofline, samples
from labkit.show.figures import comparison as comparison_figure
from labkit.show.tables import Table

# The kinds of sections whose pages link to each other, by the folder or file that a page names.
LINKED = {find.BENCH: "benchmark", find.ROOFLINE: "roofline", find.LADDER: "ladder", "repeat.md": "repeat"}
# What is too wide scrolls by itself, by keyboard too.
_SCROLLING = {
    name: f'<div class="scroll" role="group" tabindex="0" aria-label="{label}">\\g<0></div>'
    for name, label in (("table", "Table"), ("pre", "Code"))
}
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("labkit.show"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=True,
)


@dataclass(frozen=True)
class Section:
    """A page as Markdown, and the drawings that stand in it in place of images, by file name.

    `name` tells sections of one kind apart where there are several runs, and is a part of every id.
    """

    kind: str
    title: str
    markdown: str
    drawings: Mapping[str, Drawing] = field(default_factory=dict)
    name: str = ""
    folded: bool = False  # shown when it is asked for

    @property
    def id(self) -> str:
        return f"{self.kind}-{canvas.slug(self.name)}" if self.name else self.kind


def run(args: argparse.Namespace) -> int:
    """The command: read the runs in `args.folders`, write the file `args.output`."""
    runs = find.gather(args.folders)
    data = render(runs).encode()
    io.write_atomically(args.output, data)
    print(f"Written: {args.output}, {len(data) / 1e6:.1f} MB, {', '.join(run.name for run in runs)}")
    return 0


def render(runs: Sequence[Run]) -> str:
    """The page, from the records of these runs alone."""
    several = len(runs) > 1
    # Of many runs only what compares them: a page for each would take as many megabytes.
    parts = [part for run in runs for part in sections(run, several)] if len(runs) <= perf.MOST_TOGETHER else []
    if not several:
        parts.insert(0, answers(runs[0]))
    else:
        record = compare(runs)
        page = comparison.page(record, comparison.FIGURE) + "\n## All runs over N\n\n![GFLOPS over N](perf.png)\n"
        curves = perf.draw(runs) if len(runs) <= perf.MOST_TOGETHER else perf.draw_each(runs)
        drawings = {comparison.FIGURE: comparison_figure.draw(record), "perf.png": curves}
        if dated := history.in_order(runs):
            page += "\n## Over time\n\n![Fractions of peak over time](history.png)\n"
            drawings["history.png"] = history.draw(dated)
        parts.insert(0, Section("comparison", "Comparison", page, drawings))
    what = f"{len(runs)} runs side by side" if several else runs[0].results.short_name
    script = _ENVIRONMENT.get_template("report.js").render()
    # Nothing but this script may run, and nothing is fetched from anywhere. Drawings have styles of their own.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; style-src 'unsafe-inline'"
    return _ENVIRONMENT.get_template("report.html.j2").render(
        title=f"Why is np.matmul so much faster than a loop? {what}",
        sections=[(part, to_html(part, {p.kind: p.id for p in parts if p.name == part.name})) for part in parts],
        variables=styles.variables(),
        script=Markup(script),
        policy=f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'",
    )


def sections(run: Run, several: bool = False) -> list[Section]:
    """The pages of a run: the benchmark, and what stands beside it."""
    found = [("benchmark", "Benchmark", pages.matmul_page(run), {"perf.png": perf.draw([run])})]
    if run.roofline:
        kernels = place(run.roofline, run.results)
        page = pages.roofline_page(run.roofline, _manifest(run, find.ROOFLINE), kernels, run.traffic)
        drawn = roofline.draw(run.roofline, kernels, run.traffic)
        drawings = {"roofline.png": drawn, "bandwidth.png": bandwidth.draw(run.roofline)}
        drawings |= misses.drawings(run.traffic)
        found.append(("roofline", "Roofline", page, drawings))
    if run.ladder:
        page = pages.ladder_page(run.ladder, _manifest(run, find.LADDER))
        found.append(("ladder", "Ladder", page, {"ladder.png": ladder.draw(run.ladder)}))
    if run.repeat:
        page = pages.repeat_page(run.repeat)
        found.append(("repeat", "What repeats", page, {"repeat.png": repeat.draw(run.repeat)}))
    if not several:
        page = "# Each sample\n\n![What the answers rest on, one by one over the time of the run](samples.png)\n"
        found.append(("samples", "Each sample", page, {"samples.png": samples.draw(run)}))
    title, name = (f": {run.name}", run.name) if several else ("", "")
    made = [Section(kind, head + title, page, drawings, name) for kind, head, page, drawings in found]
    where = tables.markdown(Table("", "ll", ["what", "value"], [[what, told] for what, told in facts(run).items()]))
    return [*made, Section("provenance", f"Machine and versions{title}", where, {}, name, folded=True)]


def answers(run: Run) -> Section:
    """The four questions and their answers, and where the picture of each is."""
    ladder_, roofline_ = (find.LADDER if run.ladder else find.BENCH), (find.ROOFLINE if run.roofline else find.BENCH)
    lines = ["# The four answers"]
    for answer, where in zip(
        text.answers(run.results, run.analysis), (find.BENCH, ladder_, roofline_, find.BENCH), strict=True
    ):
        lines += [f"**{answer.question}**", f"{answer.says} [See the picture]({where}/README.md)"]
    lines += [f"**{head}**: {says}" for head, says in text.notes(run.results, run.analysis)]
    return Section("answers", "Answers", "\n\n".join(lines))


def _manifest(run: Run, experiment: str) -> Manifest:
    """Of an experiment beside a run or in it; the run's own, of the same machine, where there is none."""
    places = (run.folder.parent / experiment, run.folder / experiment)
    found = (io.read_if_there(place / io.MANIFEST, Manifest) for place in places)
    return next((manifest for manifest in found if manifest), run.manifest)


def to_html(section: Section, ids: Mapping[str, str]) -> Markup:
    """A section's Markdown as HTML: headings a level lower, images as drawings, links that lead within the page.

    Nothing in a record is markup here: HTML is not read, and what names another file or address becomes text.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(re.sub(r"^<!-- Rendered .* -->$", "", section.markdown, flags=re.MULTILINE))
    for i, token in enumerate(tokens):
        if token.type != "inline":
            continue
        opening, closing = tokens[i - 1], tokens[i + 1]
        if opening.type == "heading_open":
            opening.tag = closing.tag = f"h{int(opening.tag[1]) + 1}"
            opening.attrs["id"] = _anchor(section, token.content)
        elif opening.type == "th_open":
            opening.attrs["scope"] = "col"
        elif tokens[i - 2].type == "tr_open":
            opening.tag = closing.tag = "th"
            opening.attrs["scope"] = "row"
        for child in token.children or []:
            if child.type == "link_open":  # without a target it is no link, but text
                target = _target(section, ids, str(child.attrs["href"]))
                child.attrs = {"href": target} if target else {}
            elif child.type == "image" and child.attrs["src"] in section.drawings:
                token.type, token.content = "html_block", _figure(section, str(child.attrs["src"]), child.content)
                opening.hidden = closing.hidden = True
            elif child.type == "image":
                child.type = "text"
    made = str(markdown.renderer.render(tokens, markdown.options, {}))
    for name, scrolling in _SCROLLING.items():
        made = re.sub(f"<{name}>.*?</{name}>", scrolling, made, flags=re.DOTALL)
    return Markup(made)


def _target(section: Section, ids: Mapping[str, str], href: str) -> str | None:
    """Where a page's link leads in this file; None where it leads out of it."""
    if href.startswith("#"):
        return f"#{_anchor(section, href[1:])}"
    kinds = (LINKED.get(part, "") for part in href.split("/"))
    return next((f"#{ids[kind]}" for kind in kinds if kind in ids), None)


def _anchor(section: Section, heading: str) -> str:
    """The id of a heading, from its text or from the anchor that GitHub makes of it."""
    return f"{section.id}-{re.sub(r'[^a-z0-9]+', '-', heading.lower()).strip('-')}"


def _figure(section: Section, file: str, alternative: str) -> str:
    """A drawing, and every value that it shows in tables, which the script reads."""
    drawing, name = section.drawings[file], f"figure-{section.id}-{file.removesuffix('.png')}"
    by_table: dict[str, list[tuple[canvas.Point, tuple[float, float]]]] = {}
    for point, at in zip(drawing.points, canvas.places(drawing), strict=True):
        by_table.setdefault(point.table, []).append((point, at))
    return _ENVIRONMENT.get_template("report_figure.html.j2").render(
        id=name,
        drawing=drawing,
        alternative=alternative or drawing.title,
        svg=Markup(canvas.svg(drawing, name)),
        tables=by_table,
        slug=canvas.slug,
        themed=styles.themed,
    )
