"""What the page shows, in a few values: a link holds them, and every answer is a function of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hso.errors import ArgumentError, check_real
from hso.search import Boundary, Constraints

# A longer list of times is refused before anything is computed.
MOST_TIMES = 1000


@dataclasses.dataclass(frozen=True)
class State:
    """A question, and the nodes if they were moved.

    Attributes:
        noise: Name of the model, or the text of a scheduler configuration in JSON.
        nfe: Number of network calls.
        solver: The solver; empty for the model's own.
        start: Time at which a run begins part-way.
        boundary: Time at which the model changes networks.
        per_expert: Least number of nodes of each network.
        calibrated: Whether the calibration decides.
        times: t of the nodes, if they were moved.

    Example:
        >>> State.read({"noise": "sd2.1", "nfe": 5}).solver
        ''
    """

    noise: str
    nfe: Any
    solver: str = ""
    start: float | None = None
    boundary: float | None = None
    per_expert: Any = None
    calibrated: bool = False
    times: tuple[float, ...] | None = None

    @staticmethod
    def read(content: object) -> State:
        """The state in a JSON object.

        Raises:
            ArgumentError: If it is no state. What the values mean is checked where they are used.
        """
        if not isinstance(content, Mapping):
            raise ArgumentError("state", "a JSON object", content)
        known = {field.name for field in dataclasses.fields(State)}
        if unknown := sorted(set(content) - known):
            raise ArgumentError("state", f"fields among {', '.join(sorted(known))}", ", ".join(map(str, unknown)))
        given = {name: value for name, value in content.items() if value is not None}
        for name, kind, words in (
            ("noise", str, "a name"),
            ("solver", str, "a name"),
            ("calibrated", bool, "true or false"),
        ):
            if name in given and not isinstance(given[name], kind):
                raise ArgumentError(name, words, given[name])
        for name in ("nfe", "per_expert"):
            # What numbers may be is for the model and the solver to say.
            if isinstance(given.get(name), list | dict):
                raise ArgumentError(name, "an integer", given[name])
        for name in ("start", "boundary"):
            if name in given:
                given[name] = check_real(name, given[name], 0.0, 1.0)
        if "times" in given:
            given["times"] = _times(given["times"])
        return State(**{"noise": "", "nfe": None, **given})

    def constraints(self, boundary: float | None) -> Constraints:
        """The constraints on the nodes. ``boundary`` is where a model of two networks changes to the second; else None.

        Raises:
            ArgumentError: If a value is unusable.
        """
        at = boundary if self.boundary is None else self.boundary
        if self.boundary is None and self.per_expert is None:
            return Constraints(start=self.start)
        if at is None:
            raise ArgumentError(
                "per_expert", "a boundary too, because the model is not known to have two networks", self.per_expert
            )
        return Constraints(start=self.start, boundary=Boundary(at, 1 if self.per_expert is None else self.per_expert))

    def unmoved(self) -> State:
        """The same question, and no nodes."""
        return dataclasses.replace(self, times=None)


def _times(values: object) -> tuple[float, ...]:
    expected = f"a list of 1 to {MOST_TIMES} times"
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_TIMES:
        raise ArgumentError("times", expected, values)
    return tuple(check_real("times", value, 0.0, 1.0) for value in values)
