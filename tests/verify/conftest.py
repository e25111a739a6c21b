"""The valid results, made once, and copies to change."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from submissions import Doctored, make


@pytest.fixture(scope="session")
def _valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("verify") / "a result", measure_all=False)


@pytest.fixture(scope="session")
def _measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("verify") / "all measured", measure_all=True)


@pytest.fixture
def valid(_valid: Path, tmp_path: Path) -> Doctored:
    """A copy of a valid result, naive and blocked extrapolated at N = 1024."""
    return Doctored(Path(shutil.copytree(_valid, tmp_path / "a result")))


@pytest.fixture
def measured(_measured: Path, tmp_path: Path) -> Doctored:
    """A copy of a valid result in which everything was measured."""
    return Doctored(Path(shutil.copytree(_measured, tmp_path / "all measured")))
