"""Images are cut and counted without loss."""

import numpy as np
import pytest

from hso.errors import ArgumentError
from hso.models.images import Batch, Images


def network(x, node):
    return x


def test_cuts_cover_all_images_once():
    images = Images.of(network, np.arange(22.0).reshape(11, 2), 4)
    assert list(images.cut(range(11))) == [range(4), range(4, 8), range(8, 11)]
    assert list(images.cut(range(3, 9))) == [range(3, 7), range(7, 9)]


def test_a_part_of_a_part_knows_its_images():
    def labelled(images):
        return Batch(network, np.array(images)[:, None])

    part = Images(20, labelled, 3).part(range(5, 15)).part(range(2, 6))
    assert (part.count, part.size) == (4, 3)
    assert part.batch(range(1, 3)).x.ravel().tolist() == [8, 9]


def test_one_network_for_all_is_given_the_rows_that_are_asked_for():
    x = np.arange(10.0).reshape(5, 2)
    batch = Images.of(network, x).batch(range(1, 3))
    assert batch.model is network
    np.testing.assert_array_equal(batch.x, x[1:3])


@pytest.mark.parametrize("x", [3.0, np.ones(3), None])
def test_what_is_no_batch_is_refused(x):
    with pytest.raises(ArgumentError, match="x: expected a batch of states"):
        Images.of(network, x)
