"""What every module about noise schedules uses: the type of arrays, and checks of common arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hso.errors import ArgumentError, check_integer

Array = NDArray[np.floating[Any]]
MAX_TRAIN_STEPS = 100_000
# Limits for any sigma. No model is trained beyond them, and exp(lambda) stays far from overflow.
LEAST_SIGMA, MOST_SIGMA = 1e-8, 1e8
# exp(2 lambda) must stay finite on every path.
MOST_LAMBDA = 300.0


def as_array(x: Any) -> Array:
    """An array or a tensor on any device as a float64 array."""
    return np.asarray(x.detach().cpu().double().numpy() if hasattr(x, "detach") else x, dtype=np.float64)


def check_train_steps(train_steps: Any, argument: str = "train_steps") -> int:
    """Return a number of training timesteps as an int, or raise ArgumentError."""
    return check_integer(argument, train_steps, 2, MAX_TRAIN_STEPS)


def vector(argument: str, values: ArrayLike) -> Array:
    """Return a float64 vector of at least two finite numbers, or raise ArgumentError."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        raise ArgumentError(argument, "a sequence of numbers", values) from None
    if array.ndim != 1 or len(array) < 2:
        raise ArgumentError(argument, "one dimension and at least 2 values", f"shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ArgumentError(argument, "finite values", first_bad(array, ~np.isfinite(array)))
    return array


def first_bad(values: Array, bad: NDArray[np.bool_]) -> str:
    """The first bad value and its index, for an error message."""
    index = int(np.argmax(bad))
    return f"{float(values[index])} at index {index}"
