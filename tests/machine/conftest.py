"""Trees of /proc and /sys under a test's own folder."""

import pytest
import recorded


@pytest.fixture
def tree(tmp_path):
    """The root of a machine, given its files or the name of a recorded one; its own folder for each name."""

    def grow(of):
        named = isinstance(of, str)
        return recorded.grow(tmp_path / of if named else tmp_path, recorded.files(of) if named else of)

    return grow
