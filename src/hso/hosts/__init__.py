"""Hosts: the programs that sample. Each makes a schedule into what it takes, exactly or not at all."""

from collections.abc import Mapping

from hso.errors import check_choice
from hso.hosts.a1111 import A1111
from hso.hosts.base import Host
from hso.hosts.comfyui import ComfyUI
from hso.hosts.diffusers.scheduler import scheduler_hosts
from hso.hosts.diffusers_text import DiffusersSigmas, DiffusersTimesteps
from hso.hosts.k_diffusion import KDiffusion
from hso.hosts.mflux import Mflux
from hso.hosts.nvlabs_edm import NVLabsEDM
from hso.hosts.python_text import Python
from hso.hosts.sdnext import SDNext
from hso.hosts.serving import FastVideo, LightX2V, VLLMOmni
from hso.hosts.stable_diffusion_cpp import StableDiffusionCpp, StableDiffusionCppJson
from hso.hosts.swarmui import SwarmUI

# A new host is one file and one line here. The schedulers of diffusers have a registry of their own.
_HOSTS: tuple[Host, ...] = (
    DiffusersTimesteps(),
    DiffusersSigmas(),
    KDiffusion(),
    ComfyUI(),
    A1111(),
    StableDiffusionCpp(),
    StableDiffusionCppJson(),
    SDNext(),
    VLLMOmni(),
    FastVideo(),
    LightX2V(),
    NVLabsEDM(),
    Mflux(),
    SwarmUI(),
    Python(),
    *scheduler_hosts(),
)
HOSTS: Mapping[str, Host] = {host.name: host for host in _HOSTS}


def find_host(argument: str, name: str) -> Host:
    """The host of this name; a class of diffusers may be written with its "Scheduler".

    Raises:
        ArgumentError: If there is none; the nearest is suggested.
    """
    return HOSTS[check_choice(argument, name.removesuffix("Scheduler"), HOSTS)]


__all__ = ["HOSTS", "Host", "find_host"]
