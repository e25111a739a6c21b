"""The page as one string: from runs, the doctor's opinion and Vega's scripts, with nothing read from anywhere else."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from labkit.records import RunComparison
from labkit.report import checks, lab_figure, ladder_figure, provenance, roofline_figure, side_by_side, tables, words
from labkit.report.figure import Row
from labkit.report.opinion import Opinion
from labkit.runs import Run

HERE = Path(__file__).resolve().parent
TEMPLATE = "page.html.j2"


def render(several: Sequence[Run], comparison: RunComparison | None, doctor: Opinion | str | None, vega: str) -> str:
    """The page; `vega` are its scripts.

    `comparison` is that of several runs, and None of one. `doctor` is what was found, or why it could not be told, or
    None if it was not asked.
    """
    figures = [make(several) for make in (lab_figure.make, roofline_figure.make, ladder_figure.make)]
    scripts = [Markup(_inline(script)) for script in (vega, _own("page.js"))]
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            runs=several,
            title=_title(several),
            parts=[_Part(run) for run in several],
            differing=tables.differing(several) if len(several) > 1 else None,
            compared=side_by_side.tables(comparison) if comparison else [],
            notes=side_by_side.notes(comparison) if comparison else [],
            figures={figure.key: figure for figure in figures},
            doctor=None if isinstance(doctor, str) else doctor,
            doctor_rows=_checks(doctor),
            no_doctor=doctor if isinstance(doctor, str) else None,
            style=Markup(_own("page.css")),
            specs=Markup(_data({figure.key: figure.spec for figure in figures if figure.spec})),
            scripts=scripts,
            policy=_policy(scripts),
        )
    )


class _Part:
    """What the page says of one run alone."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.warnings, self.answer = words.warnings(run), words.answer(run)
        self.overview, self.sanity, self.agreement = tables.overview(run), checks.sanity(run), checks.agreement(run)
        self.checks = [table for table in (checks.pairs(run), checks.cube_law(run)) if table.rows]
        self.embedding = checks.embedding(run.results)
        self.provenance = provenance.tables(run)


def _title(several: Sequence[Run]) -> str:
    where = several[0].results.short_name if len(several) == 1 else f"{len(several)} runs side by side"
    return f"Why is np.matmul so much faster than a loop? {where}"


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )


def _own(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _data(specs: dict[str, Row]) -> str:
    """JSON that ends no script, whatever a record calls its CPU: no `<` is left in it."""
    return json.dumps(specs, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _inline(script: str) -> str:
    """A script as it may stand between two tags: in a string of JavaScript `<\\/` is `</`, and `<\\!` is `<!`."""
    unended = re.sub("</(?=script)", r"<\\/", script.replace("\r\n", "\n"), flags=re.IGNORECASE)
    return unended.replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str]) -> str:
    """What the page may do: run the scripts with these digests, and nothing from anywhere.

    Vega sets styles on the elements that it draws, so styles in the page are allowed; it evaluates its expressions
    with its own interpreter, so no code is made from strings.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _checks(doctor: Opinion | str | None) -> list[list[str]]:
    return [[c.check, c.state, c.seen] for c in doctor.checks] if isinstance(doctor, Opinion) else []
