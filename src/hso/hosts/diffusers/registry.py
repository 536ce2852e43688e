"""The schedulers of diffusers, and how a schedule is landed on each. A new scheduler is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from hso.errors import HostError
from hso.hosts.diffusers.alpha_table import Ddim, Ddpm, Lcm, Tcd
from hso.hosts.diffusers.cogvideox import CogVideoXDpm
from hso.hosts.diffusers.edm import CosineTable, Edm, EdmMultistep, EulerTable
from hso.hosts.diffusers.family import SchedulerFamily
from hso.hosts.diffusers.flow import FlowMatch
from hso.hosts.diffusers.flow_heun import FlowMatchHeun
from hso.hosts.diffusers.sa_solver import SASolverTable
from hso.hosts.diffusers.sigma_table import (
    Deis,
    HeunTable,
    Lms,
    Multistep,
    SigmaTable,
    Singlestep,
    UniPCTable,
)

SCHEDULERS: Mapping[str, SchedulerFamily] = {
    "DDIMScheduler": Ddim(),
    "DDPMScheduler": Ddpm(),
    "DPMSolverMultistepScheduler": Multistep(),
    "DPMSolverSinglestepScheduler": Singlestep(),
    "UniPCMultistepScheduler": UniPCTable(),
    "DEISMultistepScheduler": Deis(),
    "SASolverScheduler": SASolverTable(),
    "EulerDiscreteScheduler": EulerTable(),
    "EulerAncestralDiscreteScheduler": SigmaTable(),
    "HeunDiscreteScheduler": HeunTable(),
    "LMSDiscreteScheduler": Lms(),
    "LCMScheduler": Lcm(),
    "TCDScheduler": Tcd(),
    "FlowMatchEulerDiscreteScheduler": FlowMatch(),
    "FlowMatchHeunDiscreteScheduler": FlowMatchHeun(),
    "EDMEulerScheduler": Edm(),
    "EDMDPMSolverMultistepScheduler": EdmMultistep(),
    "CosineDPMSolverMultistepScheduler": CosineTable(),
    "CogVideoXDDIMScheduler": Ddim(),
    "CogVideoXDPMScheduler": CogVideoXDpm(),
}

ANOTHER = "use DPMSolverMultistepScheduler.from_config(scheduler.config)"
EQUAL_STEPS = f"its multistep coefficients hold for equal steps in t only; {ANOTHER}"
MIDPOINTS = f"it evaluates the network between the nodes too; {ANOTHER}"
PARALLEL = "it steps from many timesteps at once, and each lies on the training grid"
BACKWARDS = "it runs from the clean sample to noise"
DISTILLED = "its models were distilled onto noise levels of their own"
TOKENS = "it samples tokens, which have no noise level"
OWN_TIMES = "its steps depend on its own spacing of the times"
VERBATIM = "it takes sigmas as they are, so pass it sigmas=[*schedule.flow_sigmas, 0.0]"
# Every other scheduler of diffusers, with the reason.
REFUSED: Mapping[str, str] = {
    "PNDMScheduler": EQUAL_STEPS,
    "IPNDMScheduler": EQUAL_STEPS,
    "KDPM2DiscreteScheduler": MIDPOINTS,
    "KDPM2AncestralDiscreteScheduler": MIDPOINTS,
    "DPMSolverSDEScheduler": MIDPOINTS,
    "DDIMParallelScheduler": f"{PARALLEL}; use DDIMScheduler.from_config(scheduler.config)",
    "DDPMParallelScheduler": f"{PARALLEL}; use DDPMScheduler.from_config(scheduler.config)",
    "DDIMInverseScheduler": BACKWARDS,
    "DPMSolverMultistepInverseScheduler": BACKWARDS,
    "RePaintScheduler": "it jumps back to noise and comes again, many times",
    "CMStochasticIterativeScheduler": DISTILLED,
    "FlowMapEulerDiscreteScheduler": DISTILLED,
    "FlowMatchLCMScheduler": DISTILLED,
    "HeliosDMDScheduler": DISTILLED,
    "PiflowScheduler": DISTILLED,
    "SCMScheduler": DISTILLED,
    "HeliosScheduler": "its run has stages at several resolutions, each with a table of its own",
    "LTXEulerAncestralRFScheduler": VERBATIM,
    "MiniMaxH3Scheduler": VERBATIM,
    "DDPMWuerstchenScheduler": "it takes times as they are, so pass it timesteps=[*schedule.times, 0.0]",
    "UnCLIPScheduler": "diffusers says not to use it; use DDPMScheduler",
    "KarrasVeScheduler": OWN_TIMES,
    "ScoreSdeVeScheduler": OWN_TIMES,
    "ScoreSdeVpScheduler": OWN_TIMES,
    "ConsistencyDecoderScheduler": DISTILLED,
    "RFD4ProteinaScheduler": "its times are those of proteins, with noise of its own",
    "AmusedScheduler": TOKENS,
    "BlockRefinementScheduler": TOKENS,
    "DiscreteDDIMScheduler": TOKENS,
    "EntropyBoundScheduler": TOKENS,
    "VQDiffusionScheduler": TOKENS,
}


# The scheduler of this library, which has a schedule of its own.
PLANNED = "PlannedScheduler"


def family_of(scheduler: object) -> SchedulerFamily:
    """How a schedule is landed on this scheduler.

    Raises:
        HostError: If it cannot be, with the reason.
    """
    name = type(scheduler).__name__
    if name in REFUSED:
        raise HostError(name, f"cannot take a schedule: {REFUSED[name]}")
    if name == PLANNED:
        remedy = "make another with from_scheduler, or call detach(pipeline) first"
        raise HostError(name, f"has a schedule and a solver of its own; {remedy}")
    if name not in SCHEDULERS:
        raise HostError(name, f"no adapter; there is one for {', '.join(SCHEDULERS)}")
    return SCHEDULERS[name]
