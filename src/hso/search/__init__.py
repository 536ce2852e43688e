"""How a schedule is found: one problem, four strategies."""

from collections.abc import Mapping

from hso.search.bilevel import Bilevel
from hso.search.exact import Exact
from hso.search.local import Local
from hso.search.problem import Box, Found, Problem, Psi, Strategy
from hso.search.published import Published
from hso.search.windows import Boundary

# A new strategy is one file and one line here.
STRATEGIES: Mapping[str, type[Strategy]] = {
    "exact": Exact,
    "bilevel": Bilevel,
    "published": Published,
    "local": Local,
}

__all__ = [
    "STRATEGIES",
    "Bilevel",
    "Boundary",
    "Box",
    "Exact",
    "Found",
    "Local",
    "Problem",
    "Psi",
    "Published",
    "Strategy",
]
