"""Attach a sampling schedule to a diffusers scheduler, and detach it.

An attached scheduler is the same object with another class: a subclass of its own whose ``set_timesteps`` puts the
schedule's nodes in place after the original has run, each time it runs, and whose ``step`` is watched. So pipelines,
``isinstance``, signatures, copies and pickles of the scheduler work as before, and a copy keeps the schedule.
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from types import TracebackType
from typing import Any

from hso.errors import ArgumentError, HostError, HSOError, MissingExtraError
from hso.hosts.diffusers import part_way, watch
from hso.hosts.diffusers.alpha_table import exchanged
from hso.hosts.diffusers.checks import check_landed, check_landing, check_pipeline, check_schedule
from hso.hosts.diffusers.family import Call, Config
from hso.hosts.diffusers.registry import family_of
from hso.hosts.special import special
from hso.noise.base import as_array
from hso.schedule import SamplingSchedule

SLOT, LANDING = "_hso_attachment", "_hso_landing"
NOT_SAVED = (
    "the configuration is saved without the attached schedule; "
    "save that with schedule.save(path), and attach it again after loading"
)


class Attachment:
    """A schedule attached to a scheduler; made by :func:`attach`.

    Attributes:
        scheduler: The scheduler.
        schedule: Its schedule.
        config: The scheduler's configuration without the settings that the schedule needs.
    """

    def __init__(self, scheduler: Any, schedule: SamplingSchedule, pipeline: str) -> None:
        self._family = family_of(scheduler)
        self.scheduler = scheduler
        self._pipeline = bool(pipeline)
        self.config: Config = scheduler.config
        self.schedule = schedule
        check_schedule(scheduler, self._family, schedule, pipeline)
        self._landing = self._family.landing(self.config, schedule)
        self._part_way = part_way.begins_part_way(schedule)
        self._class: Any = type(scheduler)
        # Lists are copied: some schedulers fill theirs in place.
        self._state = {
            name: copy.copy(value) if isinstance(value, list) else value for name, value in vars(scheduler).items()
        }
        self._install()

    @property
    def active(self) -> bool:
        """Whether the scheduler still has this schedule."""
        return attachment_of(self.scheduler) is self

    def detach(self) -> None:
        """Give the scheduler back its class and every attribute it had; nothing happens the second time."""
        if self.active:
            self._restore(self.scheduler)

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.detach()

    def __repr__(self) -> str:
        state = "" if self.active else ", detached"
        return f"Attachment({self._class.__name__}, {self.schedule!r}{state})"

    def _restore(self, scheduler: Any) -> None:
        scheduler.__class__ = self._class
        vars(scheduler).clear()
        vars(scheduler).update(self._state)

    def _install(self) -> None:
        settings = self._family.settings(self.config, self.schedule)
        # A copy even without settings: some schedulers write to their configuration in set_timesteps.
        self.scheduler._internal_dict = type(self.scheduler.config)({**self.config, **settings})
        setattr(self.scheduler, SLOT, self)
        watched = [name for name in watch.WATCHED if hasattr(self._class, name)]
        self.scheduler.__class__ = _attached_class(self._class, tuple(dict.fromkeys((*self._family.wrapped, *watched))))
        try:
            self.scheduler.set_timesteps(self.schedule.nfe)
        except BaseException:
            self.detach()
            raise

    def _set_timesteps(self, scheduler: Any, original: Any, *args: Any, **kwargs: Any) -> None:
        # Not self.scheduler: some pipelines copy a scheduler's attributes to and fro.
        arguments = self._arguments(inspect.signature(scheduler.set_timesteps), *args, **kwargs)
        try:
            original(scheduler, **arguments)
        except ValueError as error:
            raise HostError(self._class.__name__, " ".join(str(error).split())) from error
        if scheduler.timesteps.is_meta:
            self._refuse("the device 'meta' holds no values, so the schedule cannot be put there; pass another device")
        lead = arguments["num_inference_steps"] - self.schedule.nfe
        landing = part_way.with_lead(self._landing) if lead else self._landing
        landing = self._family.as_called(scheduler, landing, arguments)
        check_landing(scheduler, landing)
        self._family.write(scheduler, landing)
        check_landed(scheduler, landing, self._family.read(scheduler, landing))
        vars(scheduler)[LANDING] = landing
        told = as_array(scheduler.timesteps)[lead * scheduler.order :]
        watch.begin(scheduler, told, self._part_way, needs_image=self._part_way and self._pipeline)

    def _called(self, scheduler: Any, name: str, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of a wrapped method."""
        if name in watch.WATCHED:
            watch.called(scheduler, name, args, kwargs)
        call = Call(scheduler, vars(scheduler)[LANDING], functools.partial(original, scheduler))
        method = getattr(self._family, name) if name in self._family.wrapped else None
        return method(call, *args, **kwargs) if method else call.original(*args, **kwargs)

    def _arguments(self, signature: inspect.Signature, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The arguments for the scheduler's own ``set_timesteps``, if the call asks for this schedule."""
        arguments = dict(signature.bind(*args, **kwargs).arguments)
        given = {name: arguments.pop(name) for name in ("timesteps", "sigmas") if arguments.get(name) is not None}
        if given and not self._family.takes_values(self.config):
            self._refuse("pass neither timesteps= nor sigmas= while a schedule is attached")
        if arguments.get("strength", 1.0) != 1.0:
            self._refuse(
                "set_timesteps(strength=) would drop nodes of the attached schedule; pass strength to the pipeline"
            )
        steps = arguments.get("num_inference_steps")
        steps = len(next(iter(given.values()))) if steps is None and given else steps
        part_way.lead_of(self._class.__name__, self.schedule, steps)
        if "mu" in signature.parameters and self.config.get("use_dynamic_shifting"):
            arguments.setdefault("mu", 1.0)
        # Sigmas alone mean nothing, since the schedule has its own; beside timesteps they say what the network is told.
        kept = given if "timesteps" in given else {}
        return {**arguments, "num_inference_steps": steps, **kept}

    def _refuse(self, problem: str) -> None:
        raise HostError(self._class.__name__, problem)


def attach(target: Any, schedule: SamplingSchedule) -> Attachment:
    """Make a scheduler, or the scheduler of a pipeline, evaluate the network at the nodes of a schedule.

    Call the pipeline with what :func:`call_arguments` returns. A schedule that begins part-way is for pipelines that noise
    an image with the scheduler; on a scheduler by itself it is for latents that are noised already.

    Args:
        target: A diffusers scheduler, or a pipeline with one. A schedule attached before is replaced.
        schedule: The schedule, made for the model's noise schedule.

    Returns:
        A handle with ``detach``; as a context manager it detaches at the end. Detaching gives back the scheduler as it
        was before any schedule was attached.

    Raises:
        ArgumentError: If an argument is of the wrong type, or the schedule is for a learned solver or tells the
            network other times, which no scheduler of diffusers does.
        HostError: If the scheduler cannot take the schedule, with the reason. A schedule attached before then stays.

    Example:
        >>> from diffusers import UniPCMultistepScheduler
        >>> import hso
        >>> scheduler = UniPCMultistepScheduler(use_karras_sigmas=True)
        >>> noise = hso.NoiseSchedule.from_config(scheduler)
        >>> handle = attach(scheduler, hso.optimize(noise, nfe=5, solver="unipc").schedule)
        >>> scheduler.set_timesteps(5)
        >>> bool(abs(scheduler.timesteps.numpy() - handle.schedule.fractional_timesteps).max() < 1e-4)
        True
        >>> handle.detach()
    """
    scheduler = scheduler_of(target)
    pipeline = "" if scheduler is target else type(target).__name__
    if isinstance(schedule, SamplingSchedule) and (asked := special(schedule)):
        cause = (
            "use recommend(pipeline, ...), or pipeline.scheduler = PlannedScheduler.from_scheduler(pipeline, schedule)"
        )
        raise ArgumentError("schedule", "nodes for a published solver", f"a schedule for {asked}", cause)
    if pipeline:
        check_pipeline(target, scheduler, schedule)
    previous = attachment_of(scheduler)
    take_off(scheduler)
    try:
        return Attachment(scheduler, schedule, pipeline)
    except HSOError:
        if previous:
            previous._install()
        raise


def take_off(scheduler: Any) -> None:
    """Take the attached schedule off a scheduler; nothing happens if there is none."""
    attachment = attachment_of(scheduler)
    if attachment:
        attachment._restore(scheduler)


def scheduler_of(target: Any) -> Any:
    """The scheduler itself, or the pipeline's."""
    try:
        from diffusers import SchedulerMixin
    except ImportError as error:
        raise MissingExtraError(error.name or "diffusers", extra="diffusers") from None
    scheduler = getattr(target, "scheduler", target)
    if not isinstance(scheduler, SchedulerMixin):
        raise ArgumentError("target", "a diffusers scheduler, or a pipeline with one", type(target).__name__)
    return scheduler


def attachment_of(scheduler: Any) -> Attachment | None:
    """The attachment in force, if there is one."""
    found: Attachment | None = vars(scheduler).get(SLOT)
    return found


@functools.cache
def _attached_class(plain: type, wrapped: tuple[str, ...]) -> type:
    whole = {"set_timesteps": _wrapped_set_timesteps(plain), "save_config": _wrapped_save_config(plain)}
    methods = {**whole, **{name: _wrapped(plain, name) for name in wrapped}}
    names = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, "__doc__": plain.__doc__}
    # A pickle cannot look this class up by its name, which is the plain one's; so it says how to make it.
    pickled = {"__reduce_ex__": lambda self, _: (_unattached, (plain, wrapped), vars(self))}
    return type(plain.__name__, (plain,), {**names, **methods, **pickled})


def _unattached(plain: type, wrapped: tuple[str, ...]) -> Any:
    """A scheduler of the class that attached ones have, without attributes."""
    kind: Any = _attached_class(plain, wrapped)
    return kind.__new__(kind)


def _wrapped_set_timesteps(plain: type) -> Any:
    original = plain.set_timesteps  # type: ignore[attr-defined]

    @functools.wraps(original)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        attachment = attachment_of(self)
        # A scheduler made by from_config of an attached one has this class too, but no schedule.
        if attachment is None:
            return original(self, *args, **kwargs)
        return attachment._set_timesteps(self, original, *args, **kwargs)

    return set_timesteps


def _wrapped_save_config(plain: type) -> Any:
    original = plain.save_config  # type: ignore[attr-defined]

    @functools.wraps(original)
    def save_config(self: Any, *args: Any, **kwargs: Any) -> Any:
        attachment = attachment_of(self)
        if attachment is None:
            return original(self, *args, **kwargs)
        warnings.warn(f"{plain.__name__}: {NOT_SAVED}", UserWarning, stacklevel=3)
        # The settings that the schedule needs would be wrong without it.
        with exchanged(self, _internal_dict=attachment.config):
            return original(self, *args, **kwargs)

    return save_config


def _wrapped(plain: type, name: str) -> Any:
    found = inspect.getattr_static(plain, name)
    original: Any = found.fget if isinstance(found, property) else found

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        attachment = attachment_of(self)
        if attachment is None:
            return original(self, *args, **kwargs)
        return attachment._called(self, name, original, args, kwargs)

    return property(method) if isinstance(found, property) else method
