r"""ComfyUI's samplers as solvers of this library.

A sampler of ComfyUI solves :math:`dx / d\sigma = (x - D) / \sigma` in the model's own sigma. For most models sigma is
:math:`\tilde\sigma`, and the samplers below take the same steps as the solvers beside them. For flow models sigma is the
flow sigma, and only Euler's steps are the same there: a multistep method extrapolates in another variable than the
library's solver. ``tests/integrations/comfyui/test_samplers.py`` compares both with ComfyUI's own code.

ComfyUI's UniPC lands on sigma 0.001 in place of 0. Its DEIS has a polynomial in sigma, which no solver here has.
"""

from __future__ import annotations

from collections.abc import Mapping

from hso.errors import ArgumentError
from hso.hosts.comfyui.sampling import Sampling
from hso.solvers import Solver, make_solver

# A sampler and the solver beside it take the same steps. Each step is one network call; Heun makes two. In ComfyUI "ddim"
# is another name of "euler".
SOLVER_OF_SAMPLER: Mapping[str, str] = {
    "euler": "euler",
    "ddim": "ddim",
    "dpmpp_2m": "dpmpp_2m",
    "heun": "heun",
    "uni_pc": "unipc:variant=bh1",
    "uni_pc_bh2": "unipc",
}
SAME_ON_FLOW = ("euler", "ddim")
# For other samplers the analytic objective uses this one. A calibration must know the sampler itself.
OTHER_SAMPLERS = "dpmpp_2m"
# In place of a sampler: the one that a calibration finds best.
AUTO = "auto"


def solver_of_sampler(sampler: str) -> Solver:
    """The solver that a sampler is, or the one that stands for it."""
    return make_solver(SOLVER_OF_SAMPLER.get(sampler, OTHER_SAMPLERS))


def simulated_solvers(sampling: Sampling, sampler: str) -> dict[str, Solver]:
    """The solvers that a calibration can judge, by sampler: the one that is asked for, or all that differ for "auto".

    Raises:
        ArgumentError: If no solver takes the sampler's steps with this model.
    """
    known = SAME_ON_FLOW if sampling.means_flow_sigma else tuple(SOLVER_OF_SAMPLER)
    if sampler == AUTO:
        return {name: solver_of_sampler(name) for name in known if name != "ddim"}
    if sampler not in known:
        which = "flow model" if sampling.means_flow_sigma else "model"
        expected = f"{AUTO} or one of {', '.join(known)} with a calibration of a {which}"
        raise ArgumentError("solver", expected, sampler, "the steps of others are not simulated")
    return {sampler: solver_of_sampler(sampler)}
