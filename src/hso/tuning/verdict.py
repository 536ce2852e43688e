r"""The verdict on fresh images: by how much a schedule is better than another, and whether that can be told.

Both schedules are run from the same noise, so that the difference of their losses, :math:`\theta = J - J_0`, is known
better than either. The jackknife leaves out each of G groups of images:

.. math::
    s^2 = \frac{G - 1}{G} \sum_g (\theta_{(-g)} - \bar\theta)^2, \qquad \theta \pm t_{G - 1} \, s

A schedule that fresh images call worse for certain is refused, and one that they call better is confirmed. Where they call
it worse, but their interval says that they do not know, all images are asked together, fresh ones and those of the tuning,
and it is confirmed if it is better there. Images of the tuning flatter a schedule that was found with them, but little,
since a few dozen schedules were tried; few fresh images are more often wrong, because errors of guided and of memorizing
models have long tails.

References:
    | The Jackknife and Bootstrap (Shao and Tu, 1995), Sections 2.1 and 2.3
    | https://doi.org/10.1007/978-1-4612-0795-5
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hso.tuning.losses import Loss
from hso.tuning.sums import Ends, pooled

CONFIDENCE = 0.95


class Gain(NamedTuple):
    """How much less a loss is, relative to the loss of what it is compared with: positive is better.

    Attributes:
        value: The gain.
        low: The lower end of its interval.
        high: The upper end.
        loss: The loss.
        other: That of what it is compared with.
    """

    value: float
    low: float
    high: float
    loss: float
    other: float

    @property
    def is_certain(self) -> bool:
        """Whether it is more than nothing whatever the images, as far as the interval tells."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.value:.1%} ({CONFIDENCE:.0%} interval {self.low:.1%} to {self.high:.1%})"


class Verdict(NamedTuple):
    """What images say of a schedule.

    Attributes:
        fresh: The gain on fresh images.
        overall: The gain on all images.
    """

    fresh: Gain
    overall: Gain

    @property
    def is_confirmed(self) -> bool:
        """Whether the schedule is to be used."""
        return self.fresh.value >= 0 or (self.fresh.high >= 0 and self.overall.value >= 0)


class Runs(NamedTuple):
    """Ends of the schedule that is judged, of what it is compared with, and of the teacher, on the same images."""

    found: Ends
    other: Ends
    teacher: Ends


def judge(loss: Loss, tuning: Runs, fresh: Runs) -> Verdict:
    """The verdict on a schedule that was found on the tuning images."""
    together = Runs(*(pooled(one, other) for one, other in zip(tuning, fresh, strict=True)))
    return Verdict(compare(loss, *fresh), compare(loss, *together))


def compare(loss: Loss, found: Ends, other: Ends, teacher: Ends) -> Gain:
    """How much less the loss of a schedule is than that of another."""
    from scipy.stats import t

    filled = np.flatnonzero(teacher.counts)
    mine, theirs = loss.of(found, teacher), loss.of(other, teacher)
    differences = []
    for group in filled:
        kept = np.arange(len(teacher.counts)) != group
        differences.append(loss.value(other, teacher, kept) - loss.value(found, teacher, kept))
    count = len(filled)
    error = np.sqrt((count - 1) * np.var(differences)) * t.ppf((1 + CONFIDENCE) / 2, count - 1)
    gain, whole = theirs - mine, max(theirs, np.finfo(float).tiny)
    return Gain(gain / whole, (gain - float(error)) / whole, (gain + float(error)) / whole, mine, theirs)
