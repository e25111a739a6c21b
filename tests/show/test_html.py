"""The report as a file: it stands alone, its links lead somewhere, and nothing in a record is markup."""

import base64
import hashlib
import re
from argparse import Namespace
from html.parser import HTMLParser

import made_up
import msgspec
import pytest

from labkit.errors import UserError
from labkit.show import html

HOSTILE = '</script><img src=x onerror=alert(1)> ![a](http://x.invalid/a) [b](javascript:alert(1)) <!-- "q" | $x$'


class Parsed(HTMLParser):
    """Elements with their attributes, and the text of scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.within, self.text = [], [], None, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.within = None

    def handle_data(self, data):
        self.text += data
        if self.within == "script":
            self.scripts[-1] += data

    def all(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]

    def count(self, tag):
        return sum(found == tag for found, _ in self.elements)


def whole(name="", record=None):
    """A run with all that can stand beside it."""
    beside = {"roofline": made_up.roofline(), "ladder": made_up.ladder(), "repeat": made_up.repeat()}
    return made_up.run(record, name, **beside)


def hostile():
    """Every text of the record that a person or a program wrote is an attack."""
    record = msgspec.structs.replace(made_up.measurement(), short_name=HOSTILE)
    run = whole(HOSTILE, record)
    run.manifest.hardware.cpu = run.manifest.versions["python"] = HOSTILE
    run.manifest.config["warnings"] = [HOSTILE]
    run.roofline.short_name = run.ladder.short_name = run.repeat.short_name = HOSTILE
    run.roofline.notes, run.ladder.rungs[1].title, run.ladder.rungs[1].code = [HOSTILE], HOSTILE, HOSTILE
    run.analysis.cell("einsum", 64).invalid = [HOSTILE]
    return run


@pytest.fixture(scope="module")
def pages():
    """One run; and several, one of them hostile."""
    one, several = (
        html.render([whole()]),
        html.render([made_up.run(name="first"), hostile(), made_up.run(name="third")]),
    )
    return {"one": Parsed(one), "several": Parsed(several)}


@pytest.mark.parametrize("name", ["one", "several"])
def test_nothing_is_fetched_and_nothing_but_its_own_script_may_run(pages, name):
    page = pages[name]
    assert not [value for key in ("src", "data", "srcset", "poster", "action") for value in page.all(key)]
    assert all(link.startswith("#") for key in ("href", "xlink:href") for link in page.all(key))
    assert page.count("img") == page.count("link") == page.count("iframe") == 0
    assert not [key for _, attrs in page.elements for key in attrs if key.startswith("on")]
    policy = next(attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}';")
    assert page.count("script") == 1


@pytest.mark.parametrize("name", ["one", "several"])
def test_ids_are_unique_and_every_link_leads_to_one(pages, name):
    ids = pages[name].all("id")
    assert len(set(ids)) == len(ids)
    missing = {link[1:] for key in ("href", "xlink:href") for link in pages[name].all(key)} - set(ids)
    assert missing == set()
    used = re.findall(r"url\(#(\w+)\)", " ".join(pages[name].all("clip-path")))
    assert set(used) <= set(ids)


def test_every_figure_stands_in_its_page_with_its_numbers(pages):
    ids = [attrs["id"] for tag, attrs in pages["one"].elements if tag == "figure"]
    figures = ["answer-1-perf", "answer-2-ladder", "answer-3-roofline", "roofline-bandwidth", "repeat-repeat"]
    assert ids == [f"figure-{name}" for name in (*figures, "samples-samples")]
    of_several = [attrs["id"] for tag, attrs in pages["several"].elements if tag == "figure"]
    assert of_several[:2] == ["figure-curves-perf", "figure-comparison-comparison"]
    assert len(of_several) == 2 + len(figures) + 2 * len(["perf", "limits"])
    points = [p for part in html.sections(whole()) for drawing in part.drawings.values() for p in drawing.points]
    assert sum("data-x" in attrs for _, attrs in pages["one"].elements) == len(points)
    heads = {}
    for p in points:  # columns mean the same in every row of a table
        assert list(p.facts) == heads.setdefault(p.table, list(p.facts))
    assert pages["one"].text.count("np.matmul, N = 1024") >= 3


def test_the_pages_sentences_are_told_once_and_a_level_lower(pages):
    text = pages["one"].text
    assert text.count("Matmul performance on a CPU, fp32") == 1
    assert "20,000×" in text
    assert pages["one"].count("h1") == 1
    assert pages["one"].count("h2") == 10
    assert pages["one"].text.count("The 95 % interval is 19,200 to 20,900") == 1
    assert "Rendered from" not in text
    assert "2.4.6" in text  # NumPy's version, among the facts


def test_a_record_is_text_whatever_it_says(pages):
    page = pages["several"]
    assert page.text.count("<img src=x onerror=alert(1)>") >= 10
    assert "javascript:" not in " ".join(page.all("href"))


def test_the_command_writes_the_file_and_says_so_in_a_line(tmp_path, capsys):
    made_up.write(tmp_path / "run")
    assert html.run(Namespace(folders=[tmp_path / "run"], label=[], output=tmp_path / "r.html")) == 0
    assert (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")
    assert re.fullmatch(r"Written: .*r\.html, \d\.\d MB, a CPU\n", capsys.readouterr().out)
    with pytest.raises(UserError, match="nowhere"):
        html.run(Namespace(folders=[tmp_path / "nowhere"], label=[], output=tmp_path / "r.html"))


def test_each_answer_stands_beside_a_picture_that_the_records_can_draw():
    def beside(**more):
        found = [part for part in html.sections(made_up.run(**more)) if part.beside]
        return {file: part.markdown.count("\n# ") + 1 for part in found for file in part.drawings}

    assert beside() == {"perf.png": 3, "limits.png": 1}
    all_ = {"roofline": made_up.roofline(), "ladder": made_up.ladder(), "traffic": made_up.traffic()}
    assert beside(**all_) == dict.fromkeys(("perf.png", "ladder.png", "roofline.png", "misses.png"), 1)


def test_runs_have_the_names_that_are_given_and_each_needs_one(tmp_path, capsys):
    folders = [made_up.write(tmp_path / name) for name in ("a", "b")]
    args = {"folders": folders, "output": tmp_path / "r.html"}
    html.run(Namespace(label=["my laptop", "its dock"], **args))
    assert "my laptop, its dock" in capsys.readouterr().out
    for labels in (["one"], ["same", "same"]):
        with pytest.raises(UserError, match="2 folders need as many labels"):
            html.run(Namespace(label=labels, **args))
