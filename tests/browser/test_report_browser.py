"""The report in a real headless Chromium: it answers, it can be read by anybody, and it asks the network for nothing.

One browser and two files serve all tests. Without a Chromium they are skipped, unless LAB_NEEDS_BROWSER is set.
"""

import os
import re
import shutil

import made_up
import pytest

from labkit.show import html

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATIENCE_MS = 20_000  # on a busy machine; nothing waits so long where all is well
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1400, "height": 900}
HOSTILE = '<img src=x onerror="document.title = 1">'


def unavailable(why):
    if os.environ.get("LAB_NEEDS_BROWSER"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        unavailable("no Chromium is installed here")
    from playwright.sync_api import Error, sync_playwright  # an optional package

    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        except Error as error:
            unavailable(f"{program} does not start: {error.message.splitlines()[0]}")
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One run with all that can stand beside it, noisy and invalid cells; and three runs, one of a hostile name."""
    folder = tmp_path_factory.mktemp("report")
    beside = {"roofline": made_up.roofline(), "ladder": made_up.ladder(), "repeat": made_up.repeat()}
    one = made_up.run(**beside)
    one.analysis.cell("einsum", 64).noisy = True
    one.analysis.cell("einsum", 128).invalid = ["above the peak"]
    slow = made_up.measurement(gflops={"matmul": 40.0, "einsum": 9.0, "naive": 0.003})
    three = [made_up.run(name="a CPU", **beside), made_up.run(slow, "a slower CPU"), made_up.run(name=HOSTILE)]
    (folder / "one.html").write_text(html.render([one]), encoding="utf-8")
    (folder / "three.html").write_text(html.render(three), encoding="utf-8")
    return folder


class Opened:
    """A page, with all that it said and asked for."""

    def __init__(self, browser, files, name, **how):
        self.context = browser.new_context(**{"viewport": DESK, **how})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto((files / f"{name}.html").as_uri())

    def figure(self, key="answer-1-perf"):
        return self.page.locator(f"#figure-{key}")

    def choice(self, words, key="answer-1-perf"):
        return self.figure(key).locator("label", has_text=words).locator("input")

    def shown(self, tag, key="answer-1-perf"):
        """How many parts of the drawing that carry this tag are shown."""
        return self.figure(key).locator(f".series[{tag}]:not(.off)").count()

    def point_at(self, key, words, index=-1, wait=True):
        """Move the pointer to where the row of a value says that it stands."""
        plot = self.figure(key).locator(".plot svg")
        plot.scroll_into_view_if_needed()
        at = plot.evaluate(
            """(svg, words) => {
                const rows = [...svg.closest("figure").querySelectorAll("tbody tr")];
                const found = rows.filter((row) => row.textContent.includes(words)).map((row) => row.dataset);
                const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
                return found.map((at) => [box.x + scale * at.x, box.y + scale * at.y]);
            }""",
            words,
        )
        self.page.mouse.move(*at[index])
        tip = self.page.locator(".tip.shown")
        if wait:
            tip.wait_for()
        return tip

    def style(self, selector, name):
        return self.page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{name}")


@pytest.fixture
def opened(browser, files):
    pages = []

    def open_(name="one", **how):
        pages.append(Opened(browser, files, name, **how))
        return pages[-1]

    yield open_
    for one in pages:
        one.context.close()


@pytest.mark.parametrize("name", ["one", "three"])
def test_it_opens_without_a_word_and_without_a_request(opened, name):
    p = opened(name)
    for box in p.page.locator("input").all():
        box.click()
    assert p.said == []
    assert [re.sub(r".*/", "", url) for url in p.asked] == [f"{name}.html"]
    assert p.page.title().startswith("Why is np.matmul")  # which a hostile name would have changed
    assert p.page.locator("img").count() == 0


def test_the_policy_stops_a_script_that_is_not_the_pages_own_and_a_request(opened):
    p = opened()
    p.page.evaluate(
        "() => { const s = document.createElement('script'); s.text = 'window.got = 1'; document.body.append(s) }"
    )
    p.page.evaluate("() => { const i = new Image(); i.src = 'https://example.invalid/x.png'; document.body.append(i) }")
    p.page.wait_for_timeout(100)
    assert p.page.evaluate("() => window.got") is None
    assert len(p.said) >= 2
    assert all("Content Security Policy" in said for said in p.said)


def test_a_method_and_a_kernel_that_are_not_chosen_are_hidden_and_come_back(opened):
    p = opened()
    for words, tag, key in (
        ("np.matmul", 'data-method="matmul"', "answer-1-perf"),
        ("np.dot", 'data-kernel="dot"', "answer-3-roofline"),
    ):
        before = p.shown(tag, key)
        assert before >= 3
        p.choice(words, key).uncheck()
        assert p.shown(tag, key) == 0
        p.choice(words, key).check()
        assert p.shown(tag, key) == before


def test_a_run_that_is_not_chosen_is_hidden_with_all_its_methods(opened):
    p = opened("three")
    all_ = p.shown("data-run", "curves-perf")
    p.choice("a slower CPU", "curves-perf").uncheck()
    assert p.shown("data-run", "curves-perf") == all_ * 2 // 3
    assert not p.figure("curves-perf").locator(".series[data-run='a-20-slower-20-CPU']").first.is_visible()


def test_a_point_tells_its_value_interval_and_fraction_unless_it_is_hidden(opened):
    p = opened()
    said = p.point_at("answer-1-perf", "np.matmul, N = 1024").inner_text()
    for words in ("np.matmul, N = 1024", "80.0 GFLOPS", "95 % interval", "80.0 % (", "samples", "12"):
        assert words in said
    assert "cannot be true: above the peak" in p.point_at("answer-1-perf", "einsum, N = 128").inner_text()
    assert "of DRAM" in p.point_at("answer-3-roofline", "np.dot").inner_text()
    assert "100×" in p.point_at("answer-2-ladder", "compiled", 0).inner_text()
    p.choice("einsum").uncheck()
    p.page.mouse.move(0, 0)
    p.page.locator(".tip:not(.shown)").wait_for(state="attached")
    p.point_at("answer-1-perf", "einsum, N = 256", wait=False)
    assert "einsum" not in "".join(p.page.locator(".tip.shown").all_inner_texts())


def test_a_value_that_lies_under_another_is_read_by_pointer_by_tap_and_by_arrow_key(opened):
    p = opened(has_touch=True)
    assert "naive, N = 512" in p.point_at("answer-1-perf", "naive, N = 512").inner_text()
    at = p.page.locator(".ring.shown").first.bounding_box()
    p.page.mouse.move(0, 0)
    p.page.touchscreen.tap(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    assert "naive, N = 512" in p.page.locator(".tip.shown").inner_text()
    p.figure().locator(".plot").press("Home")
    for _ in range(60):
        p.page.keyboard.press("ArrowRight")
        if "naive, N = 512" in p.page.locator(".tip.shown").inner_text():
            break
    else:
        raise AssertionError("the arrow keys never came to it")


def test_a_hostile_name_is_text_in_a_tooltip_too(opened):
    p = opened("three")
    for name in ("a CPU", "a slower CPU"):
        p.choice(name, "curves-perf").uncheck()
    tip = p.point_at("curves-perf", "np.matmul, N = 1024")
    assert "<img src=x" in tip.inner_text()
    assert tip.locator("img").count() == 0


def test_everything_is_done_by_keyboard_alone(opened):
    p = opened()
    keyboard, active = p.page.keyboard, "() => document.activeElement"
    keyboard.press("Tab")
    assert p.page.evaluate(f"{active}.className") == "skip"
    keyboard.press("Enter")
    assert p.page.evaluate(f"{active}.id") == "main"
    while p.page.evaluate(f"{active}.value") != "matmul":  # after the links of the answers
        keyboard.press("Tab")
    keyboard.press("Space")
    assert p.shown('data-method="matmul"') == 0
    while p.page.evaluate(f"{active}.className") != "plot":
        keyboard.press("Tab")
    told = []
    for key in ("Home", "ArrowRight", "ArrowLeft", "End"):
        keyboard.press(key)
        told.append(p.page.locator(".tip.shown").inner_text())
    assert told[0] == told[2] != told[1]
    assert "einsum, N = 64" in told[0]  # the first that is chosen
    assert "each matrix moved once" in told[3]
    keyboard.press("Escape")
    assert p.page.locator(".tip.shown").count() == 0
    while p.page.evaluate(f"{active}.tagName") != "SUMMARY":
        keyboard.press("Tab")
    keyboard.press("Enter")
    assert p.page.locator("details[open]").count() == 1


def test_the_theme_follows_the_system_until_it_is_chosen_and_drawings_follow_the_theme(opened):
    p = opened(color_scheme="dark")
    dark, ink = p.style("body", "backgroundColor"), p.style(".plot svg text", "fill")
    p.page.get_by_label("light", exact=True).check()
    light = p.style("body", "backgroundColor")
    assert light == "rgb(255, 255, 255)" != dark
    assert p.style(".plot svg text", "fill") != ink
    p.page.get_by_label("as the system").check()
    assert p.style("body", "backgroundColor") == dark
    p.page.emulate_media(color_scheme="light")
    assert p.style("body", "backgroundColor") == light
    p.page.get_by_label("dark", exact=True).check()
    assert p.style(".plot svg text", "fill") == ink


@pytest.mark.parametrize("name", ["one", "three"])
def test_a_phone_shows_it_without_scrolling_the_page_sideways(opened, name):
    p = opened(name, viewport=PHONE)
    p.page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    assert p.page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]
    for plot in p.page.locator(".plot").all():
        box = plot.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    plot = p.page.locator(".plot").first
    # A drawing scrolls rather than shrinks: its text is as large as on paper.
    assert plot.locator("svg").evaluate("svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width") >= 1
    plot.press("End")
    box = p.page.locator(".tip.shown").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def test_a_table_that_is_too_wide_says_that_it_scrolls_and_no_other_does(opened):
    def wide(viewport):
        p = opened(viewport=viewport)
        boxes = p.page.locator(".scroll")
        told = boxes.evaluate_all("all => all.map(box => box.classList.contains('wide'))")
        return told, boxes.evaluate_all("all => all.map(box => box.scrollWidth > box.clientWidth)")

    for viewport in (PHONE, DESK):
        told, is_wide = wide(viewport)
        assert told == is_wide
    assert any(wide(PHONE)[0])


def test_on_paper_there_are_tables_and_legends_and_no_controls_in_light_colours(opened):
    p = opened(color_scheme="dark")
    p.choice("einsum").uncheck()
    p.page.emulate_media(media="print", color_scheme="dark")
    for selector in ("nav", ".theme", "summary", "#figure-answer-1-perf input", ".how"):
        assert not p.page.locator(selector).first.is_visible(), selector
    labels = p.figure().locator("label")
    assert labels.filter(has_text="np.matmul").is_visible()
    assert not labels.filter(has_text="einsum").is_visible()
    assert p.figure().locator("details table").first.is_visible()
    assert p.style("body", "backgroundColor") == "rgb(255, 255, 255)"
    assert p.page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize(("name", "scheme"), [("one", "light"), ("one", "dark"), ("three", "light")])
def test_nothing_is_against_wcag(opened, name, scheme):
    from axe_playwright_python.sync_playwright import Axe  # an optional package

    p = opened(name, color_scheme=scheme)
    p.page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    # In the dark only contrast can differ; the second page has the colours of the first. It takes the longest.
    options = {"runOnly": ["color-contrast"] if scheme == "dark" else WCAG}
    if name == "three":
        options["rules"] = {"color-contrast": {"enabled": False}}
    found = Axe().run(p.page, options=options).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []


def test_without_scripts_figures_and_numbers_are_there(browser, files):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((files / "one.html").as_uri())
    assert page.locator(".plot svg").first.is_visible()
    assert not page.locator("form").first.is_visible()
    assert not page.locator(".how").first.is_visible()
    page.locator("summary").first.click()
    assert page.locator("details table").first.is_visible()
    assert "np.matmul, N = 1024" in page.locator("details table").first.inner_text()
    context.close()
