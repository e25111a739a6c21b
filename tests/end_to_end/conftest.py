"""A checkout whose runs are brief: it takes a made-up roofline for this machine's."""

import pytest
from checkouts import Checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("end to end") / "a check out")
    made.give_roofline()
    return made
