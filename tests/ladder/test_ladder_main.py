"""The command line of the ladder, from its record alone."""

import ladder
import made_ladder
import pytest

from labkit import codec, store
from labkit.errors import LabError
from labkit.records import Ladder, Manifest


@pytest.fixture
def folder(tmp_path):
    ladder.publish(tmp_path, made_ladder.ladder(), made_ladder.manifest())
    return tmp_path


def test_a_set_is_whole_and_its_digests_are_those_of_its_files(folder):
    manifest = codec.read(folder / "manifest.json", Manifest)
    assert set(manifest.outputs) == {"results.json", "ladder.png", "README.md"}
    for name, digest in manifest.outputs.items():
        assert store.digest((folder / name).read_bytes()) == digest


def test_redraw_makes_the_same_artifacts_without_measuring(folder):
    names = ("results.json", "ladder.png", "README.md", "manifest.json")
    before = {name: (folder / name).read_bytes() for name in names}
    (folder / "ladder.png").unlink()
    (folder / "README.md").write_text("scribbled over")
    assert ladder.main(redraw=True, output=folder) == 0
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_redraw_without_a_record_says_what_to_do(tmp_path):
    with pytest.raises(LabError, match=r"results\.json.*measure again"):
        ladder.main(redraw=True, output=tmp_path)


@pytest.mark.parametrize("sizes", ["0", "abc", "", "64,,128"])
def test_sizes_that_are_none_are_refused_in_one_line(sizes, tmp_path):
    with pytest.raises(LabError, match="--sizes takes whole numbers"):
        ladder.main(sizes=sizes, output=tmp_path)


def test_the_last_lines_say_every_factor_and_that_they_close():
    lines = ladder.summary(made_ladder.ladder())
    assert len(lines) == len(made_ladder.STEPS)
    assert "Together x 21,000" in lines[-1]


def test_the_committed_record_is_what_its_page_was_rendered_from():
    import ladder_page

    if not (ladder.HERE / "results.json").exists():
        pytest.skip("the ladder has not been measured in this checkout")
    record = codec.read(ladder.HERE / "results.json", Ladder)
    manifest = codec.read(ladder.HERE / "manifest.json", Manifest)
    assert (ladder.HERE / "README.md").read_text("utf-8") == ladder_page.render(record, manifest)
    for name, digest in manifest.outputs.items():
        assert store.digest((ladder.HERE / name).read_bytes()) == digest
