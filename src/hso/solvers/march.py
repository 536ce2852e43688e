"""The recursion of every solver, in its simplest form: for states and data of any kind that can be added and scaled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hso.solvers.base import Level, Solver, StepPlan


def march(
    solver: Solver, levels: Sequence[Level], x: Any, answer: Callable[[int, Any, Level], Any]
) -> Iterator[tuple[StepPlan, Any]]:
    """Run a solver over levels, without its noise. It yields the plan of each network call and the state after it.

    Args:
        solver: The solver.
        levels: Levels of the nodes and of the terminal; each may be a batch of levels.
        x: The state at the first node.
        answer: From the index of a call, the state that the network sees and its level to the data.
    """
    anchor, terms = x, deque[Any]()
    for call, step in enumerate(solver.steps(levels)):
        level = levels[step.node]
        terms.appendleft(solver.term(answer(call, x, level), x, level))
        anchor = x if step.anchor is None else step.anchor.of(anchor, terms)
        x = step.update.of(anchor, terms)
        yield step, x
