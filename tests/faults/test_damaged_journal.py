"""A journal damaged anywhere is resumed from without a sample lost, doubled or made up, or refused in one line."""

import shutil
from collections import Counter

import pytest
from damage import FOLDER, damaged_bytes, one_line, put
from little_lab import assert_whole, journalled, journals


def copied(output, folder):
    shutil.copytree(output, folder)
    return folder, journals(folder)[0]


def resumes_or_refuses(lab, output, folder, content, what):
    """Whether the run resumed from the journal damaged so; if it did, with no sample twice."""
    output, path = copied(output, folder)
    put(path, content)
    try:
        ended = lab.run(output)
    except Exception as error:
        error.add_note(what)
        raise
    shutil.rmtree(folder)
    if ended.refusal:
        assert one_line(ended.refusal), what
        assert path.name in ended.refusal, what
        assert "--fresh" in ended.refusal or "folder" in ended.refusal, what
        return False
    assert max(Counter((name, n, s.round) for name, n, s in lab.samples()).values()) == 1, what
    assert ended.status in (0, 1), what  # 1: a set that says itself that it is invalid
    return True


def test_a_journal_damaged_anywhere_is_resumed_from_or_refused_by_its_name(lab, stopped, tmp_path):
    output, _ = stopped
    raw = journals(output)[0].read_bytes()
    ends = [resumes_or_refuses(lab, output, tmp_path / "copy", content, what) for what, content in damaged_bytes(raw)]
    assert set(ends) == {True, False}


def test_lines_that_stand_there_twice_or_have_changed_places_lose_and_double_nothing(lab, stopped, tmp_path):
    output, finished = stopped
    lines = journals(output)[0].read_bytes().splitlines(keepends=True)
    variants = [[*lines, *lines[1:]]]
    for i in range(1, len(lines) - 1, 4):
        variants.append([*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]])
        variants.append([*lines[:i], lines[i], *lines[i:]])
    for k, variant in enumerate(variants):
        folder, path = copied(output, tmp_path / str(k))
        path.write_bytes(b"".join(variant))
        assert_whole(folder, lab.run(folder), finished)


@pytest.mark.parametrize("name", ["results.json", "manifest.json", "perf.png", "README.md", ".state/lock"])
def test_a_folder_where_a_file_is_to_be_put_is_named_and_once_it_is_gone_the_run_resumes(lab, stopped, name):
    output, _ = stopped
    put(output / name, FOLDER)
    ended, finished = lab.run(output), journalled(output)
    assert one_line(ended.refusal)
    assert name.removeprefix(".state/") in ended.refusal
    shutil.rmtree(output / name)
    assert_whole(output, lab.run(output), finished)


def test_a_damaged_record_in_place_is_replaced_by_the_run(lab, stopped):
    output, finished = stopped
    for name in ("results.json", "manifest.json", "perf.png"):
        (output / name).write_bytes(b"{")
    assert_whole(output, lab.run(output), finished)
