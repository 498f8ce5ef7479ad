"""Tests of many mistakes are long: `make test` runs every third case of those marked `sampled`, `make test-all` all."""

from collections import Counter

import pytest

EACH = 3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark all cases of a sampled test but every third one as slow."""
    seen = Counter()
    for item in items:
        if item.get_closest_marker("sampled"):
            place = item.path, item.originalname
            if seen[place] % EACH:
                item.add_marker(pytest.mark.slow)
            seen[place] += 1
