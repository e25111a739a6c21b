"""Trees of /proc and /sys under a test's own folder."""

import pytest
from machines import recorded


@pytest.fixture
def tree(tmp_path):
    return lambda contents: recorded.grow(tmp_path, contents)


@pytest.fixture
def machine_tree(tree):
    return lambda name: tree(recorded.files(name))
