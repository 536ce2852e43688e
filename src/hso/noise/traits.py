"""What is known of a model besides its noise schedule.

A diffusers pipeline says some of it: which parts it is made of, and ``boundary_ratio`` where it has two networks, of which
the first is asked at timesteps of at least ``boundary_ratio`` times the number of training timesteps and the second below
(Wan 2.2). The content of ``model_index.json`` and the configuration of a pipeline object are read alike.
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
    """Facts of a model; None where they are not known.

    Attributes:
        space: "latent" or "pixel", where its samples live.
        guidance: Usual strength of classifier-free guidance.
        boundary: Share of the training timesteps at which the first of two networks ends and the second begins.
    """

    space: str | None = None
    guidance: float | None = None
    boundary: float | None = None

    @property
    def is_guided(self) -> bool | None:
        """Whether it is usually guided; of models that do not say, those of latents nearly always are."""
        if self.guidance is not None:
            return self.guidance > 1
        return True if self.space == "latent" else None


def read_traits(index: Mapping[str, Any]) -> Traits:
    """The traits of a pipeline by its parts.

    Args:
        index: Content of ``model_index.json``, or a pipeline's ``config``: a part is a pair of a library and a class.

    Raises:
        ArgumentError: If ``boundary_ratio`` is no number from 0 to 1.

    Example:
        >>> read_traits({"vae": ("diffusers", "AutoencoderKLWan"), "boundary_ratio": 0.875})
        Traits(space='latent', guidance=None, boundary=0.875)
    """
    return Traits(space=_space(index), boundary=_boundary(index.get("boundary_ratio")))


def _space(index: Mapping[str, Any]) -> str | None:
    present = {name for name, part in index.items() if isinstance(part, list | tuple) and None not in part}
    if present.intersection(AUTOENCODERS):
        return "latent"
    # An autoencoder that was left out says nothing of the space.
    left_out = any(name in index for name in AUTOENCODERS)
    return "pixel" if present.intersection(NETWORKS) and not left_out else None


def _boundary(ratio: Any) -> float | None:
    if ratio is None:
        return None
    ratio = check_real("boundary_ratio", ratio, 0.0, 1.0)
    # At 0 and at 1 only one of the networks is ever asked.
    return ratio if 0 < ratio < 1 else None
