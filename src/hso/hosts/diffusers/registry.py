"""The schedulers of diffusers, and how a schedule is landed on each. A new scheduler is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from hso.errors import HostError
from hso.hosts.diffusers.alpha_table import Ddim, Ddpm, Lcm, Tcd
from hso.hosts.diffusers.edm import Edm, EdmMultistep, EulerTable
from hso.hosts.diffusers.family import SchedulerFamily
from hso.hosts.diffusers.flow import FlowMatch
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
    "EulerDiscreteScheduler": EulerTable(),
    "EulerAncestralDiscreteScheduler": SigmaTable(),
    "HeunDiscreteScheduler": HeunTable(),
    "LMSDiscreteScheduler": Lms(),
    "LCMScheduler": Lcm(),
    "TCDScheduler": Tcd(),
    "FlowMatchEulerDiscreteScheduler": FlowMatch(),
    "EDMEulerScheduler": Edm(),
    "EDMDPMSolverMultistepScheduler": EdmMultistep(),
}

EQUAL_STEPS = "its multistep coefficients hold for equal steps in t only"
MIDPOINTS = "it evaluates the network between the nodes too"
REFUSED: Mapping[str, str] = {
    "PNDMScheduler": EQUAL_STEPS,
    "IPNDMScheduler": EQUAL_STEPS,
    "KDPM2DiscreteScheduler": MIDPOINTS,
    "KDPM2AncestralDiscreteScheduler": MIDPOINTS,
    "DPMSolverSDEScheduler": MIDPOINTS,
}


def family_of(scheduler: object) -> SchedulerFamily:
    """How a schedule is landed on this scheduler.

    Raises:
        HostError: If it cannot be, with the reason.
    """
    name = type(scheduler).__name__
    if name in REFUSED:
        remedy = "use DPMSolverMultistepScheduler.from_config(scheduler.config)"
        raise HostError(name, f"cannot take a schedule: {REFUSED[name]}; {remedy}")
    if name not in SCHEDULERS:
        raise HostError(name, f"no adapter; there is one for {', '.join(SCHEDULERS)}")
    return SCHEDULERS[name]
