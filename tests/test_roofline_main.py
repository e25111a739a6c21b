"""What the program makes of a roof that is right, wrong or another machine's."""

import made_up
import pytest
import roof_figure
import roofline
import staircase_figure
from test_roof_page import full_record

from labkit import codec, store
from labkit.errors import LabError
from labkit.records import Manifest, Roofline


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the artifacts of a roof that this checkout has measured; no lab beside it."""
    monkeypatch.setattr(roofline, "LAB", tmp_path / "no lab")
    monkeypatch.setattr(roof_figure, "draw", lambda record: b"a roof")
    monkeypatch.setattr(staircase_figure, "draw", lambda record: b"a staircase")
    roofline._finish(tmp_path, full_record(), made_up.manifest(), own=True)
    return tmp_path


def marked(folder):
    marker = folder / store.STATE / roofline.MARKER
    return marker.exists() and marker.read_text() == store.digest((folder / roofline.RECORD).read_bytes())


def test_a_roof_leaves_its_record_figures_page_and_their_digests(folder):
    manifest = codec.read(folder / "manifest.json", Manifest)
    assert set(manifest.outputs) == {"kernels.json", "roofline.png", "staircase.png", "README.md"}
    for name, digest in manifest.outputs.items():
        assert store.digest((folder / name).read_bytes()) == digest
    assert marked(folder)


def test_redraw_changes_nothing_where_nothing_has_changed(folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    roofline._redraw(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert marked(folder)


def test_a_point_above_its_roof_is_an_error_and_the_roof_is_not_used(folder):
    record = codec.read(folder / "kernels.json", Roofline)
    record.kernels[-1].low = record.kernels[-1].share = 1.2
    (folder / "kernels.json").write_bytes(codec.encode(record))
    with pytest.raises(LabError, match=r"this roof is wrong.*matmul at n = 1024 reaches 120 %.*make roofline"):
        roofline._redraw(folder)
    assert not marked(folder)
    assert codec.read(folder / "kernels.json", Roofline).faults
    assert "**This roof is wrong.**" in (folder / "README.md").read_text("utf-8")


def test_a_roof_that_came_with_the_checkout_is_not_made_its_own_by_drawing_it_again(folder):
    (folder / store.STATE / roofline.MARKER).unlink()
    roofline._redraw(folder)
    assert not marked(folder)


def test_redraw_places_the_labs_kernels_once_there_is_a_lab_of_this_machine(folder, tmp_path, monkeypatch):
    lab, manifest, record = tmp_path / "lab", made_up.manifest(), codec.read(folder / "kernels.json", Roofline)
    lab.mkdir()
    (lab / "results.json").write_bytes(codec.encode(made_up.results()))
    (lab / "manifest.json").write_bytes(codec.encode(manifest))
    monkeypatch.setattr(roofline, "LAB", lab)
    roofline._redraw(folder)
    assert {k.source for k in codec.read(folder / "kernels.json", Roofline).kernels} == {"roof"}
    from labkit import machine

    record.machine = machine.identity(manifest.hardware, manifest.blas, manifest.versions["numpy"])
    (folder / "kernels.json").write_bytes(codec.encode(record))
    roofline._redraw(folder)
    sources = {k.name: k.source for k in codec.read(folder / "kernels.json", Roofline).kernels}
    assert sources == {
        "memcpy": "roof", "dot": "roof", "naive": "lab", "blocked": "lab", "einsum": "lab", "matmul": "lab",
    }  # fmt: skip
    assert "medians of the lab's record" in (folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize("found_at_second_look", [True, False])
def test_a_roof_with_a_point_above_it_is_looked_at_again_before_it_is_called_wrong(
    found_at_second_look, folder, monkeypatch, capsys
):
    """Whoever was visited in a bad moment only, shows its best in a later one."""
    import instrument
    from test_roof_reduction import PEAK, sample, visited

    seen = sample(kernels=[visited("matmul", 1.1 * PEAK, n=1024, flops=10**6)])
    looks = []

    def look_again(*_):
        looks.append(1)
        if found_at_second_look:
            seen.core.peak.repetitions[:] = visited("", 1.2 * PEAK, flops=10**6).repetitions

    monkeypatch.setattr(instrument, "measure", lambda *_, **__: seen)
    monkeypatch.setattr(instrument, "look_again", look_again)
    if found_at_second_look:
        roofline._measure(folder)
    else:
        with pytest.raises(LabError, match="this roof is wrong"):
            roofline._measure(folder)
    assert (looks, marked(folder)) == ([1], found_at_second_look)


def test_what_is_missing_is_said_at_the_end_of_a_run_too():
    record = full_record()
    record.notes = ["L3 was not measured"]
    lines = roofline.summary(record)
    assert lines[0].startswith("Peak of one core: 100.0 GFLOPS fp32 (AVX2 + FMA, 10 accumulators, 32.0 flop a cycle")
    assert lines[-1] == "Note: L3 was not measured."
