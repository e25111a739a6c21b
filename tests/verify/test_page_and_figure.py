"""A page that states what no record says, or answers nothing, is refused; so is a figure of something else."""

import io
import re

import pytest
from PIL import Image, PngImagePlugin
from submissions import Doctored, refused

from labkit.verify.figures_in_text import stated


def first_number(text: str, pattern: str) -> str:
    return re.search(pattern, text)[1]


EDITED = {
    "the speedup": (r"it is \*\*([\d,]+)×\*\*", "27,100", "page's figures", "27,100"),
    "what einsum gains": (r"worth ([\d,.]+)×", "9,870", "page's figures", "9,870"),
    "what BLAS gains": (r"remaining ([\d.]+)×", "7.77", "page's figures", "7.77"),
    "the share of the peak": (r"reaches ([\d.]+) %", "93.1", "page's figures", "93.1"),
    "how blocked compares": (r"runs at ([\d.]+) times", "1.75", "page's figures", "1.75"),
    "a rate in the table": (r"\| 64 \|.*?\| ([\d.]+) GFLOPS", "99.9", "page's figures", "99.9"),
}


@pytest.mark.parametrize("what", EDITED)
def test_an_edited_figure_in_the_page_is_refused(valid: Doctored, what):
    pattern, new, name, word = EDITED[what]
    text = (valid.folder / "README.md").read_text("utf-8")
    found = re.search(pattern, text)
    valid.write("README.md", text[: found.start(1)] + new + text[found.end(1) :])
    refused(valid, name, word, "no record")


ANSWERS = {
    "answer 1, speedup": ("# My page\n\nBLAS is a lot faster than Python, and that is nice.\n", "times at N=1024"),
    "answer 2, decomposition": ("np.matmul is 20,000 times as fast as naive. BLAS is magic.\n", "einsum over naive"),
    "answer 3, roofline": ("It sits high up on the roof, near the peak.\n", "flop/byte"),
    "answer 4, blocking": ("Blocking the naive loop is a good idea in Python.\n", "blocked beats naive"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_page_that_leaves_a_question_open_is_told_which_and_what_to_say(valid: Doctored, name):
    page, word = ANSWERS[name]
    refused(valid.write("README.md", page), name, word)


def test_a_page_that_does_not_tell_of_extrapolations_is_refused(valid: Doctored):
    text = re.sub("(?i)extrapolat", "estimat", (valid.folder / "README.md").read_text("utf-8"))
    refused(valid.write("README.md", text), "page's extrapolations", "document it")


LEARNERS_PAGE = """# What I measured

At N = 1024 np.matmul is about 20,000x faster than matmul_naive (naive extrapolated from N=512).

Most of it is the interpreter: einsum is 4000 times as fast as naive, and np.matmul another factor of 5 over einsum.
As the lab says, SIMD is some 8x and cache blocking 5-10x.

np.matmul reaches 80 % of the roof. Its arithmetic intensity is at least 4 FLOP/byte (80 GFLOPS / 20 GB/s), at most 171.

matmul_blocked does not beat naive in Python: 0.975x its speed, as the interpreter hides every cache miss.
"""


def test_a_learners_own_words_are_an_answer_if_the_figures_are_the_records(valid: Doctored):
    checks = valid.write("README.md", LEARNERS_PAGE).checks()
    wrong = [check for check in checks.values() if check.passed is False]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("16,900 times as fast", "times", 16900), ("16,900× as fast", "times", 16900), ("1.69e4x", "times", 16900),
        ("a factor of 4.58 more", "times", 4.58), ("a 50-fold gain", "times", 50), ("5.95 MFLOPS", "GFLOPS", 0.00595),
        ("86 %", "percent", 86), ("2.2 flop a byte", "flop/byte", 2.2), ("0.25 FLOP/byte", "flop/byte", 0.25),
        ("44.8 GB/s", "GB/s", 44.8), ("366 s", "seconds", 366), ("21.6 ms", "seconds", 0.0216),
        ("2 min", "seconds", 120),
        ("$20{,}000\\times$", "times", 20000), ("20.000-mal", "times", 20000), ("20 000 veces", "times", 20000),
        ("20'000x", "times", 20000), ("2 × 10⁴", "times", 2e4), ("2×10^4", "times", 2e4), ("20k×", "times", 2e4),
        ("speedup: **20000**", "times", 20000), ("(ratio 0.975)", "times", 0.975), ("0,975x", "times", 0.975),
        ("4 FLOP/B", "flop/byte", 4), ("$4\\,\\text{FLOP/byte}$", "flop/byte", 4), ("20,000 (times)", "times", 20000),
        ("341 ns", "seconds", 3.41e-7), ("**17,000**×", "times", 17000),
    ],
)  # fmt: skip
def test_a_figure_is_read_as_it_is_meant(text, kind, value):
    (found,) = stated(text)
    assert found.kind == kind
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["2*1024", "600 × 64", "N = 1024", "2 × 128 KiB", "Python 3.11.7", "(64, 64)", "sizes", "i5-8250U"]
)
def test_what_is_no_figure_with_a_unit_is_not_read_as_one(text):
    assert not list(stated(text))


def test_a_rounded_figure_is_the_one_that_it_was_rounded_from_and_no_other():
    (found,) = stated("16,900 times")
    assert found.is_one_of([16_917.4])
    assert not found.is_one_of([16_960.0])
    assert not found.is_one_of([26_917.4])


# --- the figure -------------------------------------------------------------------------------------


def redrawn(doctored: Doctored, change, picture: Image.Image | None = None) -> Doctored:
    """perf.png with other data in it, or another picture with the same data."""
    import json

    old = Image.open(doctored.folder / "perf.png")
    data = json.loads(old.text["Description"])
    change(data)
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", json.dumps(data))
    buffer = io.BytesIO()
    (picture or old).save(buffer, "PNG", pnginfo=text, compress_level=1)
    return doctored.write("perf.png", buffer.getvalue())


FIGURES = {
    "a curve of something else": (lambda d: d["curves"]["matmul"][0].update(gflops=500.0), "figure's curves", "500"),
    "a curve left out": (lambda d: d["curves"].pop("einsum"), "figure's curves", "einsum"),
    "a point left out": (lambda d: d["curves"]["naive"].pop(), "figure's curves", "naive"),
    "an extrapolation drawn as measured": (
        lambda d: d["curves"]["naive"][-1].update(extrapolated=False), "figure's curves", "not extrapolated"),
    "linear axes": (lambda d: d["axes"].update(y="linear"), "figure's curves", "logarithmic"),
    "no roof": (lambda d: d.pop("roof"), "figure's roof", "no roof"),
    "another roof": (lambda d: d["roof"].update(peak_gflops=300.0), "figure's roof", "300"),
    "a title without the threads": (lambda d: d.update(title="On a CPU, fp32"), "figure's title", "single-threaded"),
    "a title of another machine": (
        lambda d: d.update(title="Matmul performance on i5, fp32, single-threaded"), "figure's title", "a CPU"),
}  # fmt: skip


@pytest.mark.parametrize("what", FIGURES)
def test_a_figure_of_something_else_is_refused(valid: Doctored, what):
    change, name, word = FIGURES[what]
    refused(redrawn(valid, change), name, word)


def test_a_blank_figure_is_refused_whatever_data_it_carries(valid: Doctored):
    refused(redrawn(valid, lambda d: None, Image.new("RGB", (900, 600), "white")), "figure", "blank")


def test_a_stamp_is_no_figure(valid: Doctored):
    small = Image.open(valid.folder / "perf.png").resize((60, 40))
    refused(redrawn(valid, lambda d: None, small), "figure", "60 x 40")


@pytest.mark.parametrize("raw", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_a_file_that_is_no_picture_is_refused(valid: Doctored, raw):
    refused(valid.write("perf.png", raw), "figure", "no PNG")


def test_a_picture_cut_short_is_refused(valid: Doctored):
    refused(valid.write("perf.png", (valid.folder / "perf.png").read_bytes()[:5000]), "figure", "no PNG")


def test_of_a_figure_without_data_it_could_not_be_told(valid: Doctored):
    buffer = io.BytesIO()
    Image.open(valid.folder / "perf.png").convert("RGB").save(buffer, "PNG", compress_level=1)
    checks = valid.write("perf.png", buffer.getvalue()).checks()
    assert checks["figure"].passed is True
    assert checks["figure's curves"].passed is None
