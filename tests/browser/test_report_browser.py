"""The page in a real headless Chromium: drawn, wired, readable, and silent on the network.

One browser and two files serve all tests. Without a Chromium they are skipped, unless LAB_NEEDS_BROWSER is set.
"""

import os
import re
import shutil

import pytest
from made_up_report import HOSTILE, opinion, several, whole, with_cell

from labkit.comparison.side_by_side import compare
from labkit.report import page
from labkit.report.vega import scripts

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATIENCE_MS = 20_000  # on a busy machine; nothing waits so long where all is well
CHANGED = "all.filter(i => i.defaultChecked && !i.checked)"
PHONE = {"width": 360, "height": 740}


def unavailable(why):
    if os.environ.get("LAB_NEEDS_BROWSER"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        unavailable("no Chromium is installed here")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        except Error as error:
            unavailable(f"{program} does not start: {error.message.splitlines()[0]}")
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One run, with a noisy and an invalid cell; and several, one of them of a hostile name."""
    folder, vega = tmp_path_factory.mktemp("report"), scripts()
    one = with_cell(whole(), "einsum", 128, invalid=["above its roof"])
    one = with_cell(one, "einsum", 64, noisy=True)
    made = {"one": page.render([one], None, opinion(), vega)}
    made["three"] = page.render(several(), compare(several()), "the doctor is out", vega)
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return folder


class Opened:
    """A page that has drawn its figures, with all that it said and asked for."""

    def __init__(self, browser, files, name, **how):
        self.context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **how})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto((files / f"{name}.html").as_uri())
        for i in range(self.page.locator(".plot").count()):
            self.page.locator(".plot[data-drawn]").nth(i).wait_for()

    def figure(self, key="lab"):
        return self.page.locator(f"#figure-{key}")

    def choice(self, words, key="lab"):
        return self.figure(key).locator("label", has_text=words).locator("input")

    def drawing(self, key="lab"):
        return self.figure(key).locator(".plot svg").inner_html()

    def as_at_first(self):
        for key in ("lab", "roofline", "ladder"):
            inputs = self.figure(key).locator("input")
            while inputs.evaluate_all(f"all => {CHANGED}.length"):
                self.redrawn(lambda them=inputs: them.evaluate_all(f"all => {CHANGED}[0].click()"), key)
        self.page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0) }")
        self.page.mouse.move(0, 0)
        self.said.clear()

    def redrawn(self, action, key="lab"):
        """The drawing after an action, once the figure has been drawn again."""
        plot = self.figure(key).locator(".plot")
        next_ = int(plot.get_attribute("data-drawn")) + 1
        action()
        self.figure(key).locator(f".plot[data-drawn='{next_}']").wait_for()
        return self.drawing(key) if self.figure(key).locator(".plot svg").count() else ""

    def points(self, key="lab"):
        return int(self.figure(key).locator(".count").inner_text().split()[0])

    def labels(self, key="lab"):
        return self.figure(key).locator(".plot svg text").all_text_contents()

    def style(self, selector, name):
        return self.page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{name}")


@pytest.fixture(scope="module")
def opened(browser, files):
    """Opens a page, or gives the one that is open already with everything chosen as at first."""
    pages = {}

    def open_(name="one", fresh=False, **how):
        key = name, str(how), fresh and len(pages)
        if key not in pages:
            pages[key] = Opened(browser, files, name, **how)
        else:
            pages[key].as_at_first()
        return pages[key]

    yield open_
    for one in pages.values():
        one.context.close()


@pytest.mark.parametrize("name", ["one", "three"])
def test_figures_are_drawn_without_a_word_and_without_a_request(opened, name):
    p = opened(name)
    for key, least in (("lab", 12), ("roofline", 3), ("ladder", 9)):
        assert p.points(key) >= least
        assert p.figure(key).locator(".plot svg .mark-symbol path, .plot svg .mark-rect path").count() >= least
    for field in p.figure().locator("input").all():
        if field.get_attribute("type") == "checkbox" or not field.is_checked():
            p.redrawn(field.click)
    assert p.said == []
    assert [re.sub(r".*/", "", url) for url in p.asked] == [f"{name}.html"]
    assert p.page.title().startswith("Why is np.matmul")  # which a hostile name would have changed
    assert p.page.locator("img").count() == 0


def test_the_policy_stops_a_script_that_is_not_the_pages_own_and_a_request(opened):
    p = opened(fresh=True)
    p.page.evaluate(
        "() => { const s = document.createElement('script'); s.text = 'window.got = 1'; document.body.append(s) }"
    )
    p.page.evaluate("() => { const i = new Image(); i.src = 'https://example.invalid/x.png'; document.body.append(i) }")
    p.page.wait_for_timeout(100)
    assert p.page.evaluate("() => window.got") is None
    assert len(p.said) >= 2
    assert all("Content Security Policy" in said for said in p.said)


def test_a_method_that_is_not_chosen_is_not_drawn_and_comes_back(opened):
    p = opened()
    before, all_ = p.drawing(), p.points()
    box = p.choice("np.matmul")
    assert p.redrawn(box.uncheck) != before
    assert p.points() == all_ - 3
    assert p.redrawn(box.check) == before


def test_nothing_chosen_says_so(opened):
    p = opened()
    for box in p.figure().locator("input[name=method]").all():
        p.redrawn(box.uncheck)
    assert "Nothing is chosen" in p.figure().locator(".count").inner_text()
    assert p.figure().locator(".plot svg").count() == 0
    assert p.said == []


def test_runs_are_chosen(opened):
    p = opened("three")
    all_ = p.points()
    p.redrawn(p.choice("a slower CPU").uncheck)
    assert p.points() == all_ * 2 // 3


@pytest.mark.parametrize("key", ["roofline", "ladder"])
def test_the_run_of_the_other_figures_is_chosen(opened, key):
    p = opened("three")
    points = p.points(key)
    p.redrawn(p.choice(HOSTILE, key).check, key)
    assert p.points(key) == points


def test_the_axis_of_the_rate_is_logarithmic_until_linear_is_chosen(opened):
    p = opened()
    assert {"0.01", "0.1", "1", "10"} <= set(p.labels())
    p.redrawn(p.figure().locator("input[name=y][value=linear]").check)
    assert {"0", "20", "100"} <= set(p.labels())
    assert not {"0.01", "0.1"} & set(p.labels())
    assert p.said == []


def test_the_axis_of_n_becomes_linear(opened):
    p = opened()

    def place(n):
        return p.figure().locator(".plot svg text", has_text=re.compile(f"^{n}$")).first.bounding_box()["x"]

    logarithmic = place(1024) - place(128)
    p.redrawn(p.figure().locator("input[name=x][value=linear]").check)
    assert place(1024) - place(128) > 1.2 * logarithmic


def test_shares_of_the_roof_have_an_axis_of_their_own(opened):
    p = opened()
    assert "GFLOPS" in p.labels()
    p.redrawn(p.choice("share of the roof").check)
    assert "share of the roof" in p.labels()
    assert any(label.endswith("%") for label in p.labels())


@pytest.mark.parametrize(("key", "axis"), [("roofline", "x"), ("roofline", "y"), ("ladder", "x")])
def test_other_figures_have_linear_axes_too(opened, key, axis):
    p = opened()
    before = p.drawing(key)
    assert p.redrawn(p.figure(key).locator(f"input[name={axis}][value=linear]").check, key) != before
    assert p.said == []


def test_kernels_are_chosen(opened):
    p = opened()
    p.redrawn(p.choice("np.copyto", "roofline").uncheck, "roofline")
    assert p.points("roofline") == 2


def test_a_point_tells_value_interval_and_provenance(opened):
    p = opened()
    p.figure().scroll_into_view_if_needed()
    p.figure().locator(".plot svg .mark-symbol path[fill-opacity='1']").last.hover()
    tip = p.page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    said = tip.inner_text()
    for words in ("np.matmul, N = 1024", "80.0 GFLOPS", "95 % interval", "repetitions", "a CPU", "0123456"):
        assert words in said


def test_a_hostile_name_is_text_in_a_tooltip_too(opened):
    p = opened("three")
    for name in ("a CPU", "a slower CPU"):
        p.redrawn(p.figure().locator(f"input[name=run][value='{name}']").uncheck)
    p.figure().scroll_into_view_if_needed()
    p.figure().locator(".plot svg .mark-symbol path[fill-opacity='1']").last.hover()
    tip = p.page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert "<img src=x" in tip.inner_text()
    assert tip.locator("img").count() == 0


def test_everything_is_done_by_keyboard_alone(opened):
    p = opened(fresh=True)
    keyboard = p.page.keyboard
    keyboard.press("Tab")
    assert p.page.evaluate("() => document.activeElement.className") == "skip"
    keyboard.press("Enter")
    assert p.page.evaluate("() => document.activeElement.id") == "main"
    keyboard.press("Tab")
    assert p.page.evaluate("() => document.activeElement.name") == "method"
    all_ = p.points()
    p.redrawn(lambda: keyboard.press("Space"))
    assert p.points() < all_
    for _ in range(4):
        keyboard.press("Tab")
    assert p.page.evaluate("() => document.activeElement.name") == "unit"
    p.redrawn(lambda: keyboard.press("ArrowRight"))
    assert "share of the roof" in p.labels()
    while p.page.evaluate("() => document.activeElement.tagName") != "SUMMARY":
        keyboard.press("Tab")
    keyboard.press("Enter")
    assert p.page.locator("details[open]").count() == 1


def test_the_theme_follows_the_system_until_it_is_chosen(opened):
    p = opened(fresh=True, color_scheme="dark")
    dark = p.style("body", "backgroundColor")
    ink = p.style("#figure-lab .plot svg text", "fill")
    p.page.get_by_label("light", exact=True).check()
    light = p.style("body", "backgroundColor")
    assert light == "rgb(255, 255, 255)" != dark
    assert p.style("#figure-lab .plot svg text", "fill") != ink
    p.page.get_by_label("as the system").check()
    assert p.style("body", "backgroundColor") == dark
    p.page.emulate_media(color_scheme="light")
    assert p.style("body", "backgroundColor") == light
    p.page.get_by_label("dark", exact=True).check()
    assert p.style("body", "backgroundColor") == dark


@pytest.mark.parametrize("name", ["one", "three"])
def test_a_phone_shows_it_without_scrolling_sideways(opened, name):
    p = opened(name, viewport=PHONE)
    p.page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    assert p.page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]
    for key in ("lab", "roofline", "ladder"):
        box = p.figure(key).locator(".plot svg").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


def test_a_figure_takes_the_width_that_there_is(opened):
    p = opened(fresh=True)
    wide = p.figure().locator(".plot svg").bounding_box()["width"]
    p.page.set_viewport_size(PHONE)
    p.page.wait_for_timeout(300)
    assert p.figure().locator(".plot svg").bounding_box()["width"] < min(wide, PHONE["width"])


def test_on_paper_there_are_tables_and_legends_and_no_controls_in_light_colours(opened):
    p = opened(fresh=True, color_scheme="dark")
    p.redrawn(p.choice("einsum").uncheck)
    p.page.emulate_media(media="print", color_scheme="dark")
    for selector in ("nav", ".theme", "summary", "#figure-lab input", "#figure-lab fieldset:has([name=unit])"):
        assert not p.page.locator(selector).first.is_visible(), selector
    assert p.figure().get_by_text("np.matmul", exact=True).is_visible()
    assert not p.figure().get_by_text("einsum", exact=True).is_visible()
    assert p.page.get_by_text("The data of the figure").first.is_visible()
    assert p.style("body", "backgroundColor") == "rgb(255, 255, 255)"
    assert p.page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize(("name", "scheme"), [("one", "light"), ("one", "dark"), ("three", "light")])
def test_nothing_is_against_wcag(opened, name, scheme):
    from axe_playwright_python.sync_playwright import Axe

    p = opened(name, color_scheme=scheme)
    p.page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    # The second page has the colours of the first, and contrast takes the longest to look at.
    options = {"runOnly": WCAG, "rules": {"color-contrast": {"enabled": name == "one"}}}
    found = Axe().run(p.page, options=options).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_marks_stand_out_from_the_paper(opened, scheme):
    p = opened(color_scheme=scheme)
    names = ("blue", "green", "sky", "vermilion", "purple", "orange", "yellow", "ink", "soft", "link", "alarm")
    read = (
        "name => { const e = document.body.appendChild(document.createElement('i')); e.style.color = `var(--${name})`;"
        " return getComputedStyle(e).color }"
    )
    paper = luminance(p.style("body", "backgroundColor"))
    for name in names:
        colour = luminance(p.page.evaluate(read, name))
        contrast = (max(colour, paper) + 0.05) / (min(colour, paper) + 0.05)
        least = 4.5 if name in ("ink", "soft", "link", "alarm") else 3.0  # of text, of graphics
        assert contrast >= least, (name, contrast)


def luminance(colour):
    """The relative luminance of WCAG, from `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_without_scripts_the_numbers_are_there(browser, files):
    context = browser.new_context(java_script_enabled=False)
    page_ = context.new_page()
    page_.goto((files / "one.html").as_uri())
    assert page_.locator("noscript p").first.is_visible()
    assert not page_.locator("form").first.is_visible()
    page_.locator("summary").first.click()
    assert page_.get_by_text("The data of the figure").first.is_visible()
    context.close()
