"""Sums over parts of the images are the sums over all; each part is run once."""

from dataclasses import fields

import numpy as np
import pytest

from hso.errors import ArgumentError, FileError
from hso.models.recording import Trial
from hso.rules import rule_schedule
from hso.solvers import UniPC
from tests.tuning.helpers import MODEL, NOISE, panel

TRIAL = Trial(UniPC(), rule_schedule("trailing", NOISE, 3))


def alike(one, other):
    for part in fields(one):
        np.testing.assert_allclose(getattr(one, part.name), getattr(other, part.name), rtol=1e-9, atol=1e-9)


def test_parts_of_the_images_merge_to_the_whole():
    whole, parts = (panel(size=size, features=lambda x: x[:, :2]) for size in (None, 5))
    for one, other in zip(
        vars(whole.rollout(TRIAL, "one")).values(), vars(parts.rollout(TRIAL, "one")).values(), strict=True
    ):
        alike(one, other)
    alike(whole.teacher(), parts.teacher())
    alike(whole.recorded, parts.recorded)


def test_the_first_parts_are_part_of_the_whole():
    images = panel(count=24, size=4)
    assert images.first == 2
    assert images.rollout(TRIAL, "one", images.first).ends.counts.sum() == 8
    before = images.recorder.ledger.calls
    images.rollout(TRIAL, "one")
    assert images.recorder.ledger.calls - before == 16 * 3


def test_a_rollout_is_counted_once_and_read_again_bit_by_bit(tmp_path):
    first = panel(folder=tmp_path)
    made = first.rollout(TRIAL, "one")
    asked = []

    def network(x, node):
        asked.append(len(x))
        return MODEL.x0(x, node)

    again = panel(folder=tmp_path, model=network)
    found = again.rollout(TRIAL, "one")
    again.rollout(TRIAL, "one")
    assert asked == []
    assert again.recorder.ledger.calls == first.recorder.ledger.calls
    for name in ("ends", "misses"):
        for part in fields(getattr(made, name)):
            one, other = (getattr(getattr(run, name), part.name) for run in (made, found))
            np.testing.assert_array_equal(one, other)


def test_a_damaged_file_is_named(tmp_path):
    panel(folder=tmp_path)
    file = next(tmp_path.glob("tuning-teacher*"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(FileError, match="damaged"):
        panel(folder=tmp_path)


def test_who_returned_nan_is_named():
    bad = panel()

    def broken(x, node):
        return np.where(node.index == 2, np.nan, MODEL.x0(x, node))

    batch = bad.images.batch
    object.__setattr__(bad.images, "batch", lambda images: batch(images)._replace(model=broken))
    with pytest.raises(ArgumentError, match=r"node 2 \(lambda = .*\) of trailing"):
        bad.rollout(TRIAL, "trailing")


@pytest.mark.parametrize("features", [lambda x: x[0], lambda x: x[:-1], lambda x: x / 0.0 * 0.0])
def test_features_are_one_finite_row_for_each_image(features):
    with np.errstate(all="ignore"), pytest.raises(ArgumentError, match="features"):
        panel(features=features)


def test_features_keep_their_shape():
    width = [3]
    images = panel(features=lambda x: x[:, : width[0]])
    width[0] = 2
    with pytest.raises(ArgumentError, match=r"features.*\(24, 3\), as before"):
        images.rollout(TRIAL, "one")
