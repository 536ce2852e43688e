"""True losses against their definition on the images themselves."""

import numpy as np
import pytest

from hso.models.bands import Linear
from hso.objectives.frechet import frechet_distance
from hso.tuning.losses import BandLoss, FeatureLoss
from hso.tuning.sums import Ends

BANDS = Linear(np.eye(5), [0, 0, 1, 1, 1])
GROUPS = 8


def ends(x, teacher, rows=None):
    owners = np.arange(len(x)) * GROUPS // len(x)
    return Ends.of(BANDS, x, x - teacher, x if rows is None else rows, owners, GROUPS)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    teacher = rng.standard_normal((400, 5)) * [3, 2, 1, 1, 0.5]
    return teacher, 0.8 * teacher + 0.2 * rng.standard_normal((400, 5)) + 0.1


def test_in_bands_it_is_the_objective_of_replay(images):
    teacher, student = images
    expected = 0.3 * np.square(student - teacher).sum(axis=1).mean() + np.square((student - teacher).mean(axis=0)).sum()
    for places in BANDS.slices:
        one, other = (np.sqrt(x[:, places].var(axis=0).sum()) for x in (student, teacher))
        expected += (one - other) ** 2
    found = BandLoss(BANDS, 0.3).of(ends(student, teacher), ends(teacher, teacher))
    assert found == pytest.approx(expected / teacher.var(axis=0).sum(), rel=1e-10)


def test_in_features_it_is_the_frechet_distance_and_the_error(images):
    teacher, student = images
    moments = [(x.mean(axis=0), np.cov(x, rowvar=False, bias=True)) for x in (student, teacher)]
    expected = frechet_distance(*moments[0], *moments[1]) + 0.1 * np.square(student - teacher).sum(axis=1).mean()
    found = FeatureLoss(0.1).of(ends(student, teacher), ends(teacher, teacher))
    assert found == pytest.approx(expected / teacher.var(axis=0).sum(), rel=1e-8)


@pytest.mark.parametrize("loss", [BandLoss(BANDS, 0.3), FeatureLoss()])
def test_the_teacher_has_none_and_a_unit_changes_nothing(images, loss):
    teacher, student = images
    assert loss.of(ends(teacher, teacher), ends(teacher, teacher)) == pytest.approx(0.0, abs=1e-12)
    one = loss.of(ends(student, teacher), ends(teacher, teacher))
    assert loss.of(ends(7 * student, 7 * teacher), ends(7 * teacher, 7 * teacher)) == pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize("loss", [BandLoss(BANDS, 0.3), FeatureLoss()])
def test_groups_that_do_not_count_are_not_looked_at(images, loss):
    teacher, student = images
    kept = np.arange(GROUPS) < 4
    spoilt = student.copy()
    spoilt[200:] += 100.0
    one, other = (loss.value(ends(x, teacher), ends(teacher, teacher), kept) for x in (student, spoilt))
    assert one == pytest.approx(other, rel=1e-12)


def test_fewer_images_than_features_still_rank_what_is_nearer():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((24, 200)) @ rng.standard_normal((200, 200)) / 14
    noise = rng.standard_normal(rows.shape)
    losses = []
    for size in (0.1, 0.2, 0.4):
        moved = np.sqrt(1 + size**2) * rows + size * noise
        pixels = np.zeros((24, 5))
        losses.append(FeatureLoss().of(ends(pixels, pixels, moved), ends(pixels, pixels, rows)))
    assert losses == sorted(losses)
    assert losses[0] < 0.1 * losses[2]
