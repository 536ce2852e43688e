"""Which scheduler class is landed how. A new host scheduler is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from hso.errors import HostError
from hso.hosts.diffusers.alpha_table import Ddim, Ddpm, Lcm, Tcd
from hso.hosts.diffusers.edm import Edm, EdmMultistep, Euler
from hso.hosts.diffusers.flow import FlowMatch
from hso.hosts.diffusers.host import Host
from hso.hosts.diffusers.sigma_table import Deis, ExponentialIntegrator, Heun, Lms, SigmaTable, Singlestep, UniPC

HOSTS: Mapping[str, Host] = {
    "DDIMScheduler": Ddim(),
    "DDPMScheduler": Ddpm(),
    "DPMSolverMultistepScheduler": ExponentialIntegrator("dpmpp_2m"),
    "DPMSolverSinglestepScheduler": Singlestep("dpmpp_2s"),
    "UniPCMultistepScheduler": UniPC("unipc"),
    "DEISMultistepScheduler": Deis("deis"),
    "EulerDiscreteScheduler": Euler("euler"),
    "EulerAncestralDiscreteScheduler": SigmaTable("euler"),
    "HeunDiscreteScheduler": Heun("heun"),
    "LMSDiscreteScheduler": Lms("euler"),
    "LCMScheduler": Lcm(),
    "TCDScheduler": Tcd(),
    "FlowMatchEulerDiscreteScheduler": FlowMatch(),
    "EDMEulerScheduler": Edm("euler"),
    "EDMDPMSolverMultistepScheduler": EdmMultistep("dpmpp_2m"),
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


def host_of(scheduler: object) -> Host:
    """How a schedule is landed on this scheduler.

    Raises:
        HostError: If it cannot be, with the reason.
    """
    name = type(scheduler).__name__
    if name in REFUSED:
        remedy = "use DPMSolverMultistepScheduler.from_config(scheduler.config)"
        raise HostError(name, f"cannot take a schedule: {REFUSED[name]}; {remedy}")
    if name not in HOSTS:
        raise HostError(name, f"no adapter; there is one for {', '.join(HOSTS)}")
    return HOSTS[name]
