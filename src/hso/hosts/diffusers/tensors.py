"""Between NumPy and the tensors of a live scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hso.noise.base import Array

if TYPE_CHECKING:
    import torch


def replaced(old: torch.Tensor, values: Array, dtype: torch.dtype) -> torch.Tensor:
    """``values`` on the device of the tensor that they replace."""
    import torch

    return torch.tensor(np.array(values), dtype=dtype).to(old.device)


def network_times(old: torch.Tensor, values: Array) -> torch.Tensor:
    """Timesteps for the network, float32; integers stay integers where the scheduler's own were."""
    import torch

    single = values.astype(np.float32)
    whole = not old.is_floating_point() and bool(np.all(single == np.round(single)))
    return replaced(old, single, old.dtype if whole else torch.float32)


def level_dtype() -> torch.dtype:
    """float64, so that a float64 sample keeps its precision, unless the machine has a device that lacks it."""
    import torch

    return torch.float32 if torch.backends.mps.is_available() else torch.float64


def level_tensor(values: Array | list[float] | float) -> torch.Tensor:
    """Noise levels in the best precision that the machine has."""
    import torch

    return torch.tensor(values, dtype=level_dtype())
