"""The processes that share a work: this process alone, or those that ``accelerate launch`` or ``torchrun`` started.

Every process runs the same program on its own share of the images. What the others need, it says when all meet. All
processes hear the same, in the same order, so all decide the same, and no process needs to lead.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hso.errors import ArgumentError, HSOError, MissingExtraError

# Where launchers say how many processes there are: torchrun, and the MPIs that accelerate knows.
WORLD_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
T = TypeVar("T")


class Team:
    """This process alone.

    Attributes:
        index: Number of this process.
        count: Number of processes.

    Example:
        >>> team = Team()
        >>> team.share(range(3)), team.together("sums", lambda: 5)
        ([0, 1, 2], [5])
    """

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all: it writes what all have made."""
        return self.index == 0

    def share(self, parts: Sequence[T]) -> list[T]:
        """This process's share of the parts of a work. They are dealt in turn."""
        return list(parts[self.index :: self.count])

    def together(self, what: str, work: Callable[[], T]) -> list[T]:
        """Do this process's share of a work, and hear what all have made, in the order of the processes.

        Args:
            what: What the work is. It is the same in all processes, or they have come apart.
            work: Makes what the others need to know.

        Raises:
            HSOError: If it fails in any process; then it is raised in all.
        """
        return [work()]

    @staticmethod
    def launched(cpu: bool = False) -> Team:
        """The processes that a launcher started; this process alone if none did.

        Args:
            cpu: Whether the network runs on CPUs. Otherwise each process gets a device of its own.

        Raises:
            MissingExtraError: If several were started, and accelerate is not installed.
        """
        return Launched(process_state(cpu)) if is_launched() else Team()


class Launched(Team):
    """Several processes, which accelerate connects.

    Args:
        state: Accelerate's ``PartialState``.
    """

    def __init__(self, state: Any) -> None:
        self.index, self.count = state.process_index, state.num_processes

    def together(self, what: str, work: Callable[[], T]) -> list[T]:
        from accelerate.utils import gather_object

        found: T | None = None
        mine: HSOError | None = None
        try:
            found = work()
        except HSOError as error:
            mine = error
        # Errors with several arguments cannot be pickled; their text can.
        heard = gather_object([(what, found, None if mine is None else str(mine))])
        if mine is not None:
            raise mine
        for number, (_, _, problem) in enumerate(heard):
            if problem is not None:
                raise HSOError(f"process {number}: {problem}")
        if any(other != what for other, _, _ in heard):
            told = ", ".join(sorted({other for other, _, _ in heard}))
            raise HSOError(f"the processes have come apart: {told}; start all of them on machines of one kind")
        return [one for _, one, _ in heard]


def is_launched() -> bool:
    """Whether a launcher started several processes.

    Raises:
        ArgumentError: If the environment says something else than a number.
    """
    return any(_world_size(name) > 1 for name in WORLD_SIZES)


def team_of(team: Team | None) -> Team:
    """The processes that share a work; this process alone by default.

    Raises:
        ArgumentError: If it is something else.
    """
    if team is None:
        return Team()
    if not isinstance(team, Team):
        raise ArgumentError("team", "an hso.Team", team, "hso.Team.launched() gives the processes that were launched")
    return team


def _world_size(name: str) -> int:
    value = os.environ.get(name) or "1"
    try:
        return int(value)
    except ValueError:
        raise ArgumentError(name, "a number of processes in this environment variable", value) from None


def process_state(cpu: bool) -> Any:
    """Accelerate's state of this process, connected with the others.

    Raises:
        MissingExtraError: If accelerate is not installed.
    """
    try:
        from accelerate import PartialState
    except ImportError:
        raise MissingExtraError("accelerate", extra="compare") from None
    state = PartialState(cpu=cpu)
    # The group is destroyed at exit and not before, because a program may do more than one thing.
    atexit.register(state.destroy_process_group)
    return state
