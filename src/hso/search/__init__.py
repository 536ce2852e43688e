"""How to find a schedule: one problem, several strategies."""

from __future__ import annotations

from collections.abc import Mapping

from hso.registry import make
from hso.search.bilevel import Bilevel
from hso.search.constraints import Box, Constraints
from hso.search.exact import Exact
from hso.search.free import Free
from hso.search.halfway import Halfway
from hso.search.learned import Learn
from hso.search.local import Local
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.published import Published
from hso.search.stepwise import Stepwise
from hso.search.told import Tell
from hso.search.windows import Boundary

# A new strategy is one file and one line here.
STRATEGIES: Mapping[str, type[Strategy]] = {
    "exact": Exact,
    "halfway": Halfway,
    "bilevel": Bilevel,
    "published": Published,
    "local": Local,
    "free": Free,
    "learned": Learn,
    "told": Tell,
    "stepwise": Stepwise,
}


def make_strategy(strategy: str | Strategy) -> Strategy:
    """The strategy of this name, with settings if they follow it, or the strategy itself.

    Raises:
        ArgumentError: If the name or a setting is unknown.

    Example:
        >>> make_strategy("exact:grid=training")
        Exact(grid='training')
    """
    return make("strategy", strategy, STRATEGIES, Strategy)  # type: ignore[type-abstract]  # used for isinstance only


__all__ = [
    "STRATEGIES",
    "Bilevel",
    "Boundary",
    "Box",
    "Constraints",
    "Exact",
    "Found",
    "Free",
    "Halfway",
    "Learn",
    "Local",
    "Problem",
    "Psi",
    "Published",
    "Stepwise",
    "Strategy",
    "Tell",
    "make_strategy",
]
