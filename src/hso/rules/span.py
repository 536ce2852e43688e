"""Where a range rule begins and ends, and the exponent or the data that shapes it."""

from __future__ import annotations

from dataclasses import dataclass

from hso.errors import ArgumentError, check_real
from hso.noise import NoiseSchedule


@dataclass(frozen=True)
class Span:
    """Settings of a range rule.

    Attributes:
        t_max: Time of the first node; None means the noisiest time of the noise schedule.
        t_min: Time of the last knot; None means the cleanest time of the noise schedule.
        rho: Exponent of ``edm`` and ``polyexponential``; None means the rule's own default, which is 7 and 1.
        sigma_data: For ``arctan``, the standard deviation of the data, in the units of the model's samples.

    Example:
        >>> Span(t_max=0.9).ends(NoiseSchedule.preset("sd2.1"))
        (0.9, 0.001)
    """

    t_max: float | None = None
    t_min: float | None = None
    rho: float | None = None
    sigma_data: float = 1.0

    def ends(self, noise: NoiseSchedule) -> tuple[float, float]:
        """(t_max, t_min) within the range of the noise schedule."""
        low, high = noise.t_range
        t_max = high if self.t_max is None else check_real("t_max", self.t_max, low, high)
        t_min = low if self.t_min is None else check_real("t_min", self.t_min, low, high)
        if t_min >= t_max:
            raise ArgumentError("t_min", f"a time below t_max = {t_max:g}", t_min)
        return t_max, t_min

    def lambdas(self, noise: NoiseSchedule) -> tuple[float, float]:
        r""":math:`\lambda` at both ends."""
        first, last = noise.lambda_(self.ends(noise)).tolist()
        return first, last
