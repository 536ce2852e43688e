"""What is known of a model besides its noise schedule.

A diffusers pipeline says some of it: its parts, and for a model with two networks (Wan 2.2) ``boundary_ratio``. The first
network is used at timesteps of at least ``boundary_ratio`` times the number of training timesteps, the second below. The
content of ``model_index.json`` and the configuration of a pipeline object are read in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hso.errors import check_real

AUTOENCODERS = ("vae", "vqvae", "movq", "vqgan")
NETWORKS = ("unet", "transformer")


@dataclass(frozen=True)
class Traits:
    """Facts about a model; None if they are not known.

    Attributes:
        space: "latent" or "pixel", where its samples live.
        guidance: Usual strength of guidance, w in w c + (1 - w) u for the conditional and the unconditional output; 1 for a
            model without guidance.
        boundary: Share of the training timesteps at which the first of two networks ends and the second begins.
        default_rule: The rule that its pipeline follows if nothing is asked for; see :mod:`hso.rules`.
    """

    space: str | None = None
    guidance: float | None = None
    boundary: float | None = None
    default_rule: str | None = None

    @property
    def is_guided(self) -> bool | None:
        """Whether it is usually guided; None if unknown. Nearly all models of latents are, so they count as guided."""
        if self.guidance is not None:
            return self.guidance > 1
        return True if self.space == "latent" else None


UNKNOWN = Traits()


def read_traits(index: Mapping[str, Any]) -> Traits:
    """The traits of a pipeline, found from its parts.

    Args:
        index: Content of ``model_index.json``, or a pipeline's ``config``: each part is a pair of a library and a class.

    Raises:
        ArgumentError: If ``boundary_ratio`` is not a number from 0 to 1.

    Example:
        >>> traits = read_traits({"vae": ("diffusers", "AutoencoderKLWan"), "boundary_ratio": 0.875})
        >>> traits.space, traits.boundary
        ('latent', 0.875)
    """
    return Traits(space=_space(index), boundary=_boundary(index.get("boundary_ratio")))


def _space(index: Mapping[str, Any]) -> str | None:
    present = {name for name, part in index.items() if isinstance(part, list | tuple) and None not in part}
    if present.intersection(AUTOENCODERS):
        return "latent"
    # If the pipeline was saved without its autoencoder, the space is unknown.
    left_out = any(name in index for name in AUTOENCODERS)
    return "pixel" if present.intersection(NETWORKS) and not left_out else None


def _boundary(ratio: Any) -> float | None:
    if ratio is None:
        return None
    ratio = check_real("boundary_ratio", ratio, 0.0, 1.0)
    # At 0 and at 1 only one of the networks is ever used.
    return ratio if 0 < ratio < 1 else None
