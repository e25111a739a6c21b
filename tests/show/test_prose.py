"""The words that people read: no phrase of the first version, no long sentence, whatever the record."""

import re

import made_up
import pytest

from labkit.records.provenance import REPOSITORY
from labkit.roofline.kernels import place
from labkit.show import pages

MOST_WORDS = 30  # of a sentence
# The field has a word for each of these: see the guide for developers.
BANNED = (
    "share of the roof|sentinel|transfer standard|forensic|sliver|staircase|twins|same twice|row a rung|flop a byte|"
    "is spoken of|could not be told|nobody's|somebody else's|'s affair|mood of|reference kernel|what others took|"
    "quick (?:pass|protocol|benchmark)|disturbed visits?|vitals|is no jail"
)
WRITTEN = [
    path
    for folder, kinds in (
        (".", "*.md"),
        ("docs", "*.md"),
        ("fleet", "*.md"),
        ("experiments/03-speedup-ladder", "gemm.md"),
    )
    for path in sorted((REPOSITORY / folder).glob(kinds))
    if path.name != "assignment.md"  # the user's own
]


def noisy():
    run = made_up.measurement()
    run.readings = made_up.readings(contended=range(0, made_up.READINGS, 3))
    for series in run.samples:
        series.cpu_seconds = [0.9 * s for s in series.seconds]
    return run


def einsum_by_blas():
    run = made_up.measurement(gflops={"einsum": 79.0})
    run.agreement.methods["einsum"].bit_identical_to = ["matmul"]
    return run


ROOFLINE = made_up.roofline()
RENDERED = {
    "noisy": lambda: pages.matmul_page(made_up.run(noisy())),
    "partial": lambda: pages.matmul_page(made_up.run(made_up.measurement(complete=False, quick=True))),
    "one method": lambda: pages.matmul_page(made_up.run(made_up.measurement(methods=("matmul",)))),
    "einsum by BLAS": lambda: pages.matmul_page(made_up.run(einsum_by_blas())),
    "blocked faster": lambda: pages.matmul_page(made_up.run(made_up.measurement(gflops={"blocked": 0.006}))),
    "with a ladder": lambda: pages.matmul_page(made_up.run(ladder=made_up.ladder(), repeat=made_up.repeat())),
    "with traffic": lambda: pages.matmul_page(made_up.run(roofline=made_up.roofline(), traffic=made_up.traffic())),
    "roofline with traffic": lambda: pages.roofline_page(
        ROOFLINE, made_up.manifest("01-roofline"), place(ROOFLINE, made_up.results()), made_up.traffic()
    ),
    "roofline": lambda: pages.roofline_page(ROOFLINE, made_up.manifest("01-roofline"), place(ROOFLINE)),
    "ladder": lambda: pages.ladder_page(made_up.ladder(), made_up.manifest("03-speedup-ladder")),
    "ladder with rivals": lambda: pages.ladder_page(
        made_up.ladder_derive.derive(made_up.ladder_measurement(others=list(made_up.OTHERS), cores=4)),
        made_up.manifest("03-speedup-ladder"),
    ),
    "repeat": lambda: pages.repeat_page(made_up.repeat(pythons=("3.11.7", "3.12.1"))),
}
TEXTS = {
    path.name if path.parent == REPOSITORY else f"{path.parent.name}/{path.name}": path.read_text for path in WRITTEN
}


def sentences(text):
    """Without code, tables, headings and comments; a list's item or a line of its own ends a sentence."""
    text = re.sub(r"```.*?```|<!--.*?-->|^ {4}.*$|^\|.*$|^#.*$|^---.*$", "\n\n", text, flags=re.M | re.S)
    text = re.sub(r"^\s*([-*>]|\d+\.) ", "\n\n", text, flags=re.M)
    for paragraph in re.split(r"\n\s*\n", re.sub(r"\]\([^)]*\)", "]", text)):
        yield from re.split(r"(?<=[.?!])\**\s+(?=[*`(\[]*[A-Z0-9`*])", " ".join(paragraph.split()))


@pytest.mark.parametrize("name", [*TEXTS, *RENDERED])
def test_no_sentence_is_long_or_nested_or_says_what_the_field_has_a_word_for(name):
    text = {**TEXTS, **RENDERED}[name]()
    assert not re.findall(BANNED, text, re.I)
    for sentence in sentences(text):
        assert len(re.findall(r"[\w`'-]*[A-Za-z]\w*", sentence)) <= MOST_WORDS, sentence
        assert not re.search(r"\([^()]*\([^()]*\)[^()]*\)", re.sub(r"`[^`]*`", "", sentence)), sentence


def test_no_text_of_the_program_says_what_the_field_has_a_word_for():
    for path in (REPOSITORY / "labkit").rglob("*.py"):
        assert not re.findall(BANNED, path.read_text(), re.I), path.name
