r"""A solver whose coefficients were learned.

The states of any solver are combinations of the first state and of the data of the calls so far
(:mod:`hso.solvers.coefficients`). A learned solver adds differences of neighbouring data to those of a published one:

.. math::
    x_k = A_k x_T + \sum_{n < k} B_{kn} D_n + \alpha_k \sum_{0 < n < k} o_{kn} (D_n - D_{n-1})

A and B are those of the *base*, for the levels of the schedule, and the *offsets* o are learned. If the data is constant,
the differences are 0. So every step is exact there, as with any solver, whatever the offsets are. With offsets of 0 it is
the base.

References:
    | S4S: Solving for a Diffusion Model Solver (Frankel et al., 2025)
    | https://arxiv.org/abs/2502.17423
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from hso.errors import ArgumentError, check_choice
from hso.noise.base import Array
from hso.schedule import SamplingSchedule
from hso.solvers.base import HOLD, Combination, Level, Solver, StepPlan
from hso.solvers.march import march
from hso.solvers.named import SOLVERS, make_solver

# A file with more rows is refused: nobody learns a solver for so many network calls.
MOST = 1000
LARGEST = 1e100


@dataclass(frozen=True)
class Learned(Solver):
    """A published solver and the offsets of its coefficients, for schedules with one number of network calls.

    Attributes:
        base: The published solver, as ``hso.solvers.make_solver`` takes it.
        offsets: For the state after call k = 2, 3, ..., C the k - 1 numbers o, that of the oldest difference first.

    Raises:
        ArgumentError: If the base is no solver of this kind, or an offset is missing or not finite.

    Example:
        >>> Learned("ddim", ((0.1,), (0.0, 0.2))).calls
        3
    """

    base: str
    offsets: tuple[tuple[Any, ...], ...]

    name = "learned"
    carries_outputs = True

    def __post_init__(self) -> None:
        make_solver(self.base)
        if [len(row) for row in self.offsets] != list(range(1, len(self.offsets) + 1)):
            expected = "1, 2, 3, ... numbers for the states after call 2, 3, 4, ..."
            raise ArgumentError("offsets", expected, [len(row) for row in self.offsets])
        if not all(np.all(np.isfinite(offset)) for row in self.offsets for offset in row):
            raise ArgumentError("offsets", "finite numbers", "nan or inf")

    @classmethod
    def restored(cls, base: str, offsets: Sequence[Sequence[float]]) -> Learned:
        """The solver of settings that were read from a file.

        Raises:
            ArgumentError: If they are not those of a learned solver.
        """
        if not isinstance(base, str) or not isinstance(offsets, list | tuple) or len(offsets) > MOST:
            raise ArgumentError("offsets", f"a base and at most {MOST} rows of numbers", type(offsets).__name__)
        for row in offsets:
            if not isinstance(row, list | tuple) or not all(type(one) in (float, int) for one in row):
                raise ArgumentError("offsets", "rows of numbers", row)
        # A whole number may be too large for a float.
        return cls(base, tuple(tuple(float(one) if abs(one) < LARGEST else inf for one in row) for row in offsets))

    @cached_property
    def published(self) -> Solver:
        """The base."""
        return make_solver(self.base)

    @property
    def order(self) -> int:
        """That of the base."""
        return self.published.order

    @property
    def calls(self) -> int:
        """Number of network calls."""
        return len(self.offsets) + 1

    def nfe(self, nodes: int) -> int:
        return self.published.nfe(nodes)

    def nodes(self, nfe: int) -> int:
        if nfe != self.calls:
            raise ArgumentError("nfe", f"{self.calls}, which the solver was learned for", nfe)
        return self.published.nodes(nfe)

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        plan, rows = _rows(self.published, levels)
        if len(plan) != self.calls:
            raise ArgumentError("schedule", f"one with {self.calls} network calls", f"one with {len(plan)}")
        for call, row in enumerate(rows):
            outputs = list(row[1 : call + 2])
            end = levels[plan[call + 1].node if call + 1 < len(plan) else -1]
            for newer, offset in enumerate(self.offsets[call - 1] if call else (), start=1):
                outputs[newer] = outputs[newer] + end.alpha * offset
                outputs[newer - 1] = outputs[newer - 1] - end.alpha * offset
            yield StepPlan(plan[call].node, HOLD if call else None, Combination(row[0], tuple(reversed(outputs))))


def _rows(solver: Solver, levels: Sequence[Level]) -> tuple[list[StepPlan], list[Array]]:
    """The plan of a solver, and the coefficients of each state after a call: of the first state, and of all data."""
    count = solver.nfe(len(levels) - 1)
    # Levels may be batches, whose axes come after that of the coefficients.
    basis = np.eye(1 + count).reshape(1 + count, 1 + count, *(1,) * np.ndim(levels[0].lambda_))
    plan, states = zip(*march(solver, levels, basis[0], lambda call, x, level: basis[1 + call]), strict=True)
    return list(plan), list(states)


def made_for(schedule: SamplingSchedule) -> Solver:
    """The solver that a schedule was made for, from its provenance.

    Raises:
        ArgumentError: If the provenance names no solver, or one that cannot be made.

    Example:
        >>> import hso
        >>> made_for(hso.optimize(hso.NoiseSchedule.preset("sd2.1"), 5, solver="unipc:order=2").schedule)
        UniPC(order=2, variant='bh2', corrector=True, lower_order_final=True)
    """
    made = schedule.provenance
    name, settings = made.get("solver"), made.get("settings")
    own = settings.get("solver", {}) if isinstance(settings, Mapping) else None
    if not isinstance(name, str) or not isinstance(own, Mapping):
        raise ArgumentError("schedule", "one whose provenance names its solver", name, "hso.optimize writes it there")
    return restored(name, own)


def restored(name: str, settings: Mapping[str, Any]) -> Solver:
    """The solver with this name and these settings, which were read from a file.

    Args:
        name: "learned", or a name in ``hso.solvers.SOLVERS``.
        settings: What :func:`hso.registry.settings_of` said of the solver.

    Raises:
        ArgumentError: If there is no such solver, or the settings are not its own.

    Example:
        >>> restored("unipc", {"order": 2})
        UniPC(order=2, variant='bh2', corrector=True, lower_order_final=True)
    """
    names = (*SOLVERS, Learned.name)
    maker = Learned.restored if name == Learned.name else SOLVERS[check_choice("solver", name, names)]
    try:
        return maker(**settings)
    except TypeError as error:
        raise ArgumentError("solver", f"settings of {name}", dict(settings)) from error


def learned_for(schedule: SamplingSchedule) -> Learned | None:
    """The learned solver that a schedule was made for; None if it was made for a published one.

    Raises:
        ArgumentError: If the provenance does not describe the learned solver.
    """
    found = made_for(schedule) if schedule.provenance.get("solver") == Learned.name else None
    return found if isinstance(found, Learned) else None
