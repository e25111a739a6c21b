"""What pages of the report are made of in tests, and how they are read: made-up runs and a doctor's opinion."""

import copy
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import made_up
from made_up_runs import of_cpu, run

from labkit.comparison.side_by_side import compare
from labkit.doctor.symptoms import Finding
from labkit.report import page
from labkit.report.opinion import Check, Opinion, Subject
from labkit.runs import Run

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "ladder"), str(TESTS.parent / "experiments" / "03-speedup-ladder")]

import made_ladder  # noqa: E402  (its path stands above)

VEGA = "window.vegaEmbed = null;"  # where no figure is to be drawn
# A CPU's name that would end a script, an attribute or a table cell, if it were not escaped.
HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"> \"'&{{7*7}}"


def roofline():
    """A core of 100 GFLOPS with a copy, a product whose traffic is not known, and one that is extrapolated."""
    line = made_up.roofline()
    line.kernels = [
        made_up.kernel("memcpy", 1 << 22, 0.0, intensity=0.0, gbs=12.0, roof="DRAM", share=0.6),
        made_up.kernel("matmul", 1024, 80.0, intensity=4.0, intensity_high=171.0, source="lab"),
        made_up.kernel(
            "naive", 1024, 0.004, intensity_high=171.0, extrapolated=True, extrapolated_from=128, source="lab"
        ),
    ]
    return line


def whole(name: str = "a CPU", **how) -> Run:
    """A run with its roof and its ladder beside it."""
    bare = of_cpu(run(**how), name)
    return Run(name, bare.folder, bare.results, bare.manifest, roofline(), made_ladder.ladder())


def several() -> list[Run]:
    """A whole run, one of another Python without roof or ladder, and one whose name is hostile."""
    other = of_cpu(run(speed=0.8, share=0.9, python="3.13.1"), "a slower CPU")
    return [whole(), other, whole(HOSTILE, speed=1.25)]


def with_cell(made: Run, method: str, n: int, **changes) -> Run:
    """The run with a cell changed."""
    results = copy.deepcopy(made.results)
    for name, value in changes.items():
        setattr(results.cell(method, n), name, value)
    return Run(made.name, made.folder, results, made.manifest, made.roofline, made.ladder)


def opinion() -> Opinion:
    """A doctor with one finding."""
    finding = Finding(
        "warning", "threads", "<b>OMP_NUM_THREADS</b> asks for 64", "half the speed", "unset OMP_NUM_THREADS"
    )
    checks = [Check("threads", "warning", "asks for 64"), Check("power", "not known", "no battery is reported")]
    return Opinion(Subject("3.11.7", "2.4.6"), [finding], checks)


class Seen(HTMLParser):
    """The words of a page that a reader sees, its elements, and the text of its scripts."""

    def __init__(self, html):
        super().__init__()
        self.words, self.elements, self.scripts = [], [], []
        self.inside = ""
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def seen(runs, doctor=None):
    return Seen(page.render(runs, compare(runs) if len(runs) > 1 else None, doctor, VEGA))


def specs(read):
    return json.loads(read.scripts[0])
