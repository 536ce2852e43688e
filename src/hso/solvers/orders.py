r"""The order that a multistep solver uses at each step, as in diffusers.

A step of order p needs p outputs, so the first steps have order 1, 2, ... The last steps have a lower order too
(``lower_order_final``). This keeps a run of few steps stable. A step to the clean sample has order 1 in any case, because
no other order has a limit there.

References:
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022), Appendix B
    | https://arxiv.org/abs/2211.01095
"""

from __future__ import annotations

from collections.abc import Sequence

from hso.solvers.base import Level

# With this many nodes or more, diffusers' ``lower_order_final`` has no effect.
LONG = 15


def lowered_at_both_ends(order: int, levels: Sequence[Level]) -> list[int]:
    """UniPC's rule: min(order, i + 1, N - i). Five nodes of order 3 run 1, 2, 3, 2, 1."""
    nfe = len(levels) - 1
    return [min(order, i + 1, nfe - i) for i in range(nfe)]


def lowered_at_start(order: int, levels: Sequence[Level]) -> list[int]:
    """The orders without ``lower_order_final``. Step i has order min(order, i + 1). A step to the clean sample has order 1.

    Example:
        >>> nodes = [Level(float(i), 1.0, 1.0) for i in range(5)]
        >>> lowered_at_start(3, [*nodes, Level(float("inf"), 1.0, 0.0)])
        [1, 2, 3, 3, 1]
    """
    orders = [min(order, i + 1) for i in range(len(levels) - 1)]
    if levels[-1].is_clean:
        orders[-1] = 1
    return orders


def lowered_at_short_end(order: int, levels: Sequence[Level]) -> list[int]:
    """The rule of DPM-Solver++ and DEIS.

    The last steps have a lower order only if there are fewer than 15 nodes. A step to the clean sample has order 1.

    Example:
        >>> nodes = [Level(float(i), 1.0, 1.0) for i in range(5)]
        >>> lowered_at_short_end(3, [*nodes, Level(float("inf"), 1.0, 0.0)])
        [1, 2, 3, 2, 1]
    """
    return lowered_at_both_ends(order, levels) if len(levels) - 1 < LONG else lowered_at_start(order, levels)
