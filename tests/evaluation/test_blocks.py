"""Columns are worked through in blocks of one shape."""

import jax.numpy as jnp
import numpy as np
import pytest

from unreset.evaluation.blocks import in_blocks


@pytest.mark.parametrize("number", [0, 1, 4, 8, 9])
def test_blocks_make_what_the_whole_would(number):
    shapes = []

    def doubled(column, others):
        shapes.append((column.shape, others["pictures"].shape))
        return {"sum": column.sum(axis=1), "pictures": 2 * jnp.asarray(others["pictures"])}

    column = np.arange(3 * number, dtype=np.float32).reshape(number, 3)
    pictures = np.arange(number * 4, dtype=np.uint8).reshape(number, 2, 2)
    made = in_blocks(doubled, column, {"pictures": pictures}, size=4)
    np.testing.assert_array_equal(made["sum"], column.sum(axis=1))
    np.testing.assert_array_equal(made["pictures"], 2 * pictures)
    assert made["pictures"].dtype == np.uint8
    assert shapes == [((4, 3), (4, 2, 2))] * max(1, -(-number // 4))
