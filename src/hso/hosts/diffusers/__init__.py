r"""Make a diffusers scheduler or pipeline evaluate the network at the nodes of a :class:`hso.SamplingSchedule`.

A scheduler is given its tables (``timesteps``, ``sigmas``) directly, after its own ``set_timesteps`` has reset it, so it
makes no difference whether its class accepts ``timesteps=`` or ``sigmas=``, and no rounding, shift or Karras flag comes
between. The result is read back and compared. Every run is watched: it goes through all nodes in order, or an error says
why it does not. ``docs/hosts.md`` lists the schedulers.

diffusers and torch are imported when they are used, so ``hso lint`` knows these schedulers without them.

Example:
    >>> from diffusers import DDIMScheduler
    >>> import hso
    >>> from hso.hosts.diffusers import attach
    >>> scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    >>> noise = hso.NoiseSchedule.from_config(scheduler)
    >>> with attach(scheduler, hso.SamplingSchedule.from_timesteps(noise, [999, 640, 210.5])):
    ...     scheduler.set_timesteps(3)
    ...     scheduler.timesteps.tolist()
    [999.0, 640.0, 210.5]
"""

from typing import TYPE_CHECKING, Any

from hso.errors import MissingExtraError
from hso.hosts.diffusers.attachment import Attachment, attach
from hso.hosts.diffusers.network import PipelineNetwork
from hso.hosts.diffusers.own import detach
from hso.hosts.diffusers.part_way import call_arguments
from hso.hosts.diffusers.recommend import recommend
from hso.hosts.diffusers.registry import REFUSED, SCHEDULERS

if TYPE_CHECKING:
    from hso.hosts.diffusers.planned import PlannedScheduler as PlannedScheduler

__all__ = ["REFUSED", "SCHEDULERS", "Attachment", "PipelineNetwork", "attach", "call_arguments", "detach", "recommend"]


def __getattr__(name: str) -> Any:
    # Its class derives from classes of diffusers, which is imported only when it is used.
    if name != "PlannedScheduler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from hso.hosts.diffusers.planned import PlannedScheduler
    except ImportError as error:
        raise MissingExtraError(error.name or "diffusers", extra="diffusers") from None
    return PlannedScheduler
