"""What a family of noise schedules says of the configurations that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hso.errors import ArgumentError
from hso.noise.base import check_train_steps
from hso.noise.clock import Clock
from hso.noise.path import Path


@dataclass(frozen=True)
class Configuration:
    """A scheduler configuration that is to be read.

    Attributes:
        values: Its fields.
        class_name: The scheduler's class, one of those that a reader knows; empty if the configuration does not say.
        image_seq_len: Tokens of the image, if the caller gave them.
        pipeline: The class of the diffusers pipeline; empty if only its scheduler is known. Some pipelines do to the noise
            levels what their scheduler's configuration does not say.
    """

    values: Mapping[str, Any]
    class_name: str = ""
    image_seq_len: int | None = None
    pipeline: str = ""

    def flag(self, field: str) -> bool:
        """A field that is true or false; false if it is missing or null.

        Raises:
            ArgumentError: If it is something else, such as the text "false".
        """
        value = self.values.get(field)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise ArgumentError(field, "true or false", value, "write it without quotes" if isinstance(value, str) else "")

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the fields that are there and not null."""
        return {name: self.values[name] for name in names if self.values.get(name) is not None}

    @property
    def train_steps(self) -> int:
        """``num_train_timesteps``, 1000 if it is missing."""
        return check_train_steps(self.values.get("num_train_timesteps", 1000), "num_train_timesteps")

    def refuse_image_seq_len(self) -> None:
        """Raise ArgumentError if the caller gave a length of the image, which does not matter for this model."""
        if self.image_seq_len is not None:
            raise ArgumentError("image_seq_len", "None for a model without dynamic shifting", self.image_seq_len)


class Reader(ABC):
    """How to recognise and read the configurations of one family.

    A new family is one file with a clock and a reader, and one line in ``hso.noise.config.READERS``.

    Attributes:
        classes: Names of the scheduler classes that belong to the family, with what is true of each of them.
        clue: What shows that a configuration without a class name belongs to the family, for error messages.
        takes_image_seq_len: Whether the noise schedule can depend on the number of tokens of the image.
    """

    classes: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    clue: ClassVar[str] = ""
    takes_image_seq_len: ClassVar[bool] = False

    def recognises(self, config: Configuration) -> bool:
        """Whether the configuration belongs to this family."""
        return config.class_name in self.classes

    @abstractmethod
    def read(self, config: Configuration) -> tuple[Clock, Path]:
        """The clock and the path that the configuration describes.

        Raises:
            ArgumentError: If a field is missing or impossible.
        """
