"""Comparing demonstrations."""

import numpy as np


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in ("observations", "actions", "goal", "rewards"):
            if getattr(other, name) is None:
                assert getattr(one, name) is None
            else:
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
                assert getattr(one, name).dtype == np.float32
        assert one.direction == other.direction
