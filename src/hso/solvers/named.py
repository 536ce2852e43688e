"""The solvers by name."""

from collections.abc import Callable, Mapping
from functools import partial

from hso.registry import label, make
from hso.solvers.base import Solver
from hso.solvers.ddim import DDIM
from hso.solvers.deis import DEIS
from hso.solvers.dpmpp import DPMSolverPP
from hso.solvers.dpmpp_2s import DPMSolverPP2S
from hso.solvers.euler import Euler
from hso.solvers.heun import Heun
from hso.solvers.pfdiff import PFDiff
from hso.solvers.unipc import UniPC

# A new solver is one file and one line here.
SOLVERS: Mapping[str, Callable[[], Solver]] = {
    "ddim": DDIM,
    "unipc": UniPC,
    "dpmpp_2m": partial(DPMSolverPP, order=2),
    "dpmpp_3m": partial(DPMSolverPP, order=3),
    "dpmpp_2s": DPMSolverPP2S,
    "deis": DEIS,
    "euler": Euler,
    "heun": Heun,
    "pfdiff": PFDiff,
}
# The solvers that "auto" chooses from: all that are deterministic, in the settings that differ.
AUTO = (
    "unipc",
    "unipc:order=2",
    "unipc:order=2,variant=bh1",
    "unipc:corrector=false",
    "unipc:lower_order_final=false",
    "dpmpp_2m",
    "dpmpp_3m",
    "dpmpp_3m:lower_order_final=false",
    "deis",
    "deis:order=3",
    "deis:order=3,lower_order_final=false",
    "ddim",
    "dpmpp_2s",
    "heun",
)


def make_solver(solver: str | Solver) -> Solver:
    """The solver of this name, with settings if they follow it, or the solver itself.

    Raises:
        ArgumentError: If the name is unknown (the error suggests the nearest), or it is neither a name nor a solver.

    Example:
        >>> make_solver("dpmpp_3m"), make_solver("ddim"), make_solver(UniPC(order=2)).name
        (DPMSolverPP(order=3, lower_order_final=True), DDIM(eta=0.0), 'unipc')
    """
    return make("solver", solver, SOLVERS, Solver)  # type: ignore[type-abstract]  # used for isinstance only


def label_of(solver: Solver) -> str:
    """The solver's name, and after it the settings that are not its usual ones.

    Example:
        >>> label_of(UniPC()), label_of(UniPC(order=2))
        ('unipc', 'unipc:order=2')
    """
    return label(solver.name, solver, SOLVERS) if solver.name in SOLVERS else solver.name
