import pytest

import madeup


@pytest.fixture
def tables():
    return madeup.world()


@pytest.fixture
def truth(tmp_path):
    """The truth of the made-up world, whatever a test does to its tables."""
    return madeup.truth(tmp_path / "truth", madeup.world())
