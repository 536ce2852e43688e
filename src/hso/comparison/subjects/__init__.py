"""What can be sampled and judged: exact-score models, the bundled model, pipelines of diffusers, and any callable.

A subject of another package registers with :func:`register`, or as an entry point of the group ``hso.subjects``, whose name
is the subject's and whose object is the factory:

.. code-block:: toml

    [project.entry-points."hso.subjects"]
    my-model = "my_package:my_subject"
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

from hso.comparison.subjects.base import NO_GUIDANCE, LoopSubject, Start, Subject, SubjectSettings, data_of
from hso.comparison.subjects.exact import digits_empirical, gaussian, mixture
from hso.comparison.subjects.features import FEATURES, check_features
from hso.comparison.subjects.network import digits
from hso.comparison.subjects.pipelines import from_pipeline
from hso.errors import ArgumentError, HSOError, check_choice

Factory = Callable[[SubjectSettings], Subject]
ENTRY_POINTS = "hso.subjects"
# A new subject of this package is one function and one line here.
SUBJECTS: dict[str, Factory] = {
    "gaussian": gaussian,
    "mixture": mixture,
    "digits-empirical": digits_empirical,
    "digits": digits,
}


def register(name: str, factory: Factory) -> None:
    """Let a name stand for a subject, in this process and in those that a run starts.

    Args:
        name: What ``--model`` takes: letters, digits, hyphens and underscores.
        factory: Makes the subject from its settings. It must be a function of a module if several processes are to share a
            run, because each of them imports it.

    Raises:
        ArgumentError: If the name has other letters, or is taken.

    Example:
        >>> register("my-gaussian", gaussian)
        >>> load_subject(SubjectSettings("my-gaussian")).shape
        (64,)
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ArgumentError("name", "letters, digits, hyphens and underscores", name)
    if SUBJECTS.get(name, factory) is not factory:
        raise ArgumentError("name", "one that no other subject has", name)
    SUBJECTS[name] = factory


def load_subject(settings: SubjectSettings) -> Subject:
    """The subject that the settings name.

    Raises:
        ArgumentError: If the name is unknown, or a setting does not fit the model.
        FileError: If a folder is not what was expected, or a hub id cannot be loaded.
        MissingExtraError: If an optional dependency is not installed.

    Example:
        >>> load_subject(SubjectSettings("gaussian")).shape
        (64,)
    """
    return loader_of(settings)()


def loader_of(settings: SubjectSettings) -> Callable[[], Subject]:
    """The function that loads the subject. Other processes can call it, whoever registered the subject.

    Raises:
        ArgumentError: If the name is unknown, and the nearest one is suggested.
    """
    if settings.features is not None:
        check_features(settings.features)
    asked = with_guidance(settings)
    if factory := SUBJECTS.get(asked.model) or _from_entry_point(asked.model):
        return partial(factory, asked)
    is_path = Path(asked.model).exists() or asked.model.startswith((os.sep, "."))
    if not is_path and "/" not in asked.model:
        known = (*SUBJECTS, *(point.name for point in metadata.entry_points(group=ENTRY_POINTS)))
        check_choice("model", asked.model.partition("@")[0], known, " or the folder of a pipeline")
    return partial(from_pipeline, asked)


def with_guidance(settings: SubjectSettings) -> SubjectSettings:
    """The settings with the guidance that the model's name asks for, where it is NAME@G.

    Raises:
        ArgumentError: If G is no guidance, or the settings ask for another one.

    Example:
        >>> settings = with_guidance(SubjectSettings("digits@3"))
        >>> settings.model, settings.guidance
        ('digits', 3.0)
    """
    name, at, scale = settings.model.partition("@")
    # A folder may have this sign in its name.
    is_folder = Path(name).exists() and not Path(settings.model).exists()
    if not at or not (name in SUBJECTS or _from_entry_point(name) or is_folder):
        return settings
    try:
        found = dataclasses.replace(settings, model=name, guidance=float(scale))
    except ValueError:
        raise ArgumentError("model", f"{name}@G with a number G", settings.model) from None
    if settings.guidance not in (NO_GUIDANCE, found.guidance):
        raise ArgumentError("guidance", f"none with {settings.model}, which says it", settings.guidance)
    return found


def _from_entry_point(name: str) -> Factory | None:
    for point in metadata.entry_points(group=ENTRY_POINTS):
        if point.name == name:
            try:
                factory: Factory = point.load()
            except (ImportError, AttributeError) as error:
                raise HSOError(f"model: cannot import {point.value} for {name}: {error}") from None
            return factory
    return None


__all__ = [
    "FEATURES",
    "SUBJECTS",
    "Factory",
    "LoopSubject",
    "Start",
    "Subject",
    "SubjectSettings",
    "data_of",
    "load_subject",
    "loader_of",
    "register",
    "with_guidance",
]
