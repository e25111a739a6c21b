"""`labkit report`: the pages of one run or of several as one HTML file, whose figures answer to the pointer."""

import argparse
import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
from labkit.show.figures import bandwidth, history, ladder, limits, misses, perf, repeat, roofline, samples
from labkit.show.figures import comparison as comparison_figure
from labkit.show.tables import Table

# The picture of each answer: the first of these that the records can draw.
PICTURES = (
    ("perf.png",),
    ("ladder.png", "perf.png"),
    ("roofline.png", "limits.png"),
    ("misses.png", "perf.png"),
)
# The kinds of sections whose pages link to each other, by the folder or file that a page names.
LINKED = {find.BENCH: "benchmark", find.ROOFLINE: "roofline", find.LADDER: "ladder", "repeat.md": "repeat"}
# What is too wide scrolls by itself, by keyboard too.
_SCROLLING = {
    name: f'<div class="scroll" role="group" tabindex="0" aria-label="{label}">\\g<0></div>'
    for name, label in (("table", "Table"), ("pre", "Code"))
}
_ENVIRONMENT = pages.templates(escape=True)


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
    beside: bool = False  # its drawing stands beside all of its text

    @property
    def id(self) -> str:
        return f"{self.kind}-{canvas.slug(self.name)}" if self.name else self.kind


def run(args: argparse.Namespace) -> int:
    """The command: read the runs in `args.folders`, write the file `args.output`."""
    runs = find.gather(args.folders, args.label)
    data = render(runs).encode()
    io.write_atomically(args.output, data)
    print(f"Written: {args.output}, {len(data) / 1e6:.1f} MB, {', '.join(run.name for run in runs)}")
    return 0


def render(runs: Sequence[Run]) -> str:
    """The page, from the records of these runs alone."""
    several = len(runs) > 1
    # Of many runs only what compares them: a page for each would take as many megabytes.
    parts = [part for run in runs for part in sections(run, several)] if len(runs) <= perf.MOST_TOGETHER else []
    if several:
        record = compare(runs)
        curves = perf.draw(runs) if len(runs) <= perf.MOST_TOGETHER else perf.draw_each(runs)
        first = [Section("curves", "Over N", "# All runs over N\n\n![GFLOPS over N](perf.png)", {"perf.png": curves})]
        if dated := history.in_order(runs):
            page = "# Over time\n\n![Fractions of peak over time](history.png)"
            first.append(Section("history", "Over time", page, {"history.png": history.draw(dated)}))
        drawings = {comparison.FIGURE: comparison_figure.draw(record)}
        first.append(Section("comparison", "Comparison", comparison.page(record, comparison.FIGURE), drawings))
        parts = first + parts
    what = f"{len(runs)} runs side by side" if several else runs[0].results.short_name
    script = _ENVIRONMENT.get_template("report.js").render()
    # Nothing but this script may run, and nothing is fetched from anywhere. Drawings have styles of their own.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; style-src 'unsafe-inline'"
    return _ENVIRONMENT.get_template("report.html.j2").render(
        title=f"Why is np.matmul so much faster than a loop? {what}",
        sections=[(part, to_html(part, [other for other in parts if other.name == part.name])) for part in parts],
        variables=styles.variables(),
        script=Markup(script),
        policy=f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'",
    )


def sections(run: Run, several: bool = False) -> list[Section]:
    """A run: the four answers, each beside its picture, and then the pages of what was measured."""
    kernels = place(run.roofline, run.results) if run.roofline else []
    drawn = {"perf.png": perf.draw([run])}
    found: list[tuple[str, str, str, tuple[str, ...]]] = [
        ("benchmark", "Benchmark", pages.matmul_page(run, answered=True), ())
    ]
    if run.roofline:
        drawn["roofline.png"] = roofline.draw(run.roofline, kernels, run.traffic)
        drawn["bandwidth.png"] = bandwidth.draw(run.roofline)
        drawn |= misses.drawings(run.traffic)
        page = pages.roofline_page(run.roofline, _manifest(run, find.ROOFLINE), kernels, run.traffic)
        found.append(("roofline", "Roofline", page, ("bandwidth.png", "maps.png")))
    else:
        drawn["limits.png"] = limits.draw(run)
    if run.ladder:
        drawn["ladder.png"] = ladder.draw(run.ladder)
        page = pages.ladder_page(run.ladder, _manifest(run, find.LADDER))
        found.append(("ladder", "Ladder", page, ()))
    if run.repeat:
        drawn["repeat.png"] = repeat.draw(run.repeat)
        found.append(("repeat", "What repeats", pages.repeat_page(run.repeat), ("repeat.png",)))
    if not several:
        drawn["samples.png"] = samples.draw(run)
        page = (
            "# Each sample\n\n![The samples of each cell in their order, and how they are distributed](samples.png)\n"
        )
        found.append(("samples", "Each sample", page, ("samples.png",)))
    title, name = (f": {run.name}", run.name) if several else ("", "")
    made = [
        Section(kind, head + title, page, {file: drawn[file] for file in files if file in drawn}, name)
        for kind, head, page, files in found
    ]
    where = tables.markdown(Table("", "ll", ["what", "value"], [[what, told] for what, told in facts(run).items()]))
    last = Section("provenance", f"Machine and versions{title}", where, {}, name, folded=True)
    return [*_answers(run, drawn, name), *made, last]


def _answers(run: Run, drawn: Mapping[str, Drawing], name: str) -> list[Section]:
    """All four in brief, and then each with what it rests on beside the picture that shows it."""
    beside: dict[str, list[int]] = {}
    for i, files in enumerate(PICTURES):
        beside.setdefault(next(file for file in files if file in drawn), []).append(i)
    where = {i: f"answer-{1 + group[0]}" for group in beside.values() for i in group}
    told = list(zip(text.answers(run.results, run.analysis), pages.evidence(run), strict=True))
    brief = [f"1. [{answer.question}]({where[i]})\n\n   {answer.says}" for i, (answer, _) in enumerate(told)]
    notes = [f"**{head}**: {says}" for head, says in text.notes(run.results, run.analysis)]
    of_run = f": {name}" if name else ""
    parts = [Section("answers", f"Answers{of_run}", "\n\n".join(["# The four answers", *brief, *notes]), {}, name)]
    for file, group in beside.items():
        said = [f"# {told[i][0].question}\n\n{told[i][0].says}\n\n{told[i][1]}" for i in group]
        title = " ".join(text.plain(told[i][0].question) for i in group) + of_run
        parts.append(Section(where[group[0]], title, "\n\n".join(said), {file: drawn[file]}, name, beside=True))
    return parts


def _manifest(run: Run, experiment: str) -> Manifest:
    """Of an experiment beside a run or in it; the run's own, of the same machine, where there is none."""
    places = (run.folder.parent / experiment, run.folder / experiment)
    found = (io.read_if_there(place / io.MANIFEST, Manifest) for place in places)
    return next((manifest for manifest in found if manifest), run.manifest)


def to_html(section: Section, of_run: Sequence[Section]) -> Markup:
    """A section's Markdown as HTML: headings a level lower, images as drawings, links that lead within the page.

    An image whose drawing stands in another section of the run leads there.

    Nothing in a record is markup here: HTML is not read, and what names another file or address becomes text.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    ids = {other.kind: other.id for other in of_run}
    ids |= {file: other.id for other in of_run for file in other.drawings}
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
            elif child.type == "image" and child.attrs["src"] in ids:
                token.type, opening.hidden, closing.hidden = "html_block", True, True
                token.content = Markup('<p><a href="#{}">{}</a></p>').format(
                    ids[str(child.attrs["src"])], child.content
                )
            elif child.type == "image":
                child.type = "text"
    made = str(markdown.renderer.render(tokens, markdown.options, {}))
    if section.beside:
        (file,) = section.drawings
        made = f"<div>{made}</div>{_figure(section, file, '')}"
    for name, scrolling in _SCROLLING.items():
        made = re.sub(f"<{name}>.*?</{name}>", scrolling, made, flags=re.DOTALL)
    return Markup(made)


def _target(section: Section, ids: Mapping[str, str], href: str) -> str | None:
    """Where a page's link leads in this file; None where it leads out of it."""
    if href.startswith("#"):
        return f"#{_anchor(section, href[1:])}"
    kinds = (LINKED.get(part, part) for part in href.split("/"))
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
