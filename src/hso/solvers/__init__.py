"""Solvers: settings that turn a sampling schedule into a table of coefficients, and one loop that runs them."""

from hso.solvers.base import Combination, Level, Solver, StepPlan
from hso.solvers.coefficients import Coefficients, coefficients
from hso.solvers.ddim import DDIM
from hso.solvers.deis import DEIS
from hso.solvers.dpmpp import DPMSolverPP
from hso.solvers.dpmpp_2s import DPMSolverPP2S
from hso.solvers.euler import Euler
from hso.solvers.heun import Heun
from hso.solvers.learned import Learned, learned_for, made_for, restored
from hso.solvers.loop import Node, nodes, sample
from hso.solvers.named import AUTO, SOLVERS, label_of, make_solver
from hso.solvers.pfdiff import PFDiff
from hso.solvers.prediction import PREDICTIONS, to_data, to_noise
from hso.solvers.unipc import UniPC

__all__ = [
    "AUTO",
    "DDIM",
    "DEIS",
    "PREDICTIONS",
    "SOLVERS",
    "Coefficients",
    "Combination",
    "DPMSolverPP",
    "DPMSolverPP2S",
    "Euler",
    "Heun",
    "Learned",
    "Level",
    "Node",
    "PFDiff",
    "Solver",
    "StepPlan",
    "UniPC",
    "coefficients",
    "label_of",
    "learned_for",
    "made_for",
    "make_solver",
    "nodes",
    "restored",
    "sample",
    "to_data",
    "to_noise",
]
