"""Elementary functions that take a Python float to a Python float, and an array, complex too, to an array.

The functions of ``math`` are many times faster on numbers than those of NumPy, and what they return leaves the precision of
arrays and tensors alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def _either(of_float: Callable[[float], float], of_array: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return of_float(x) if isinstance(x, float) else of_array(x)

    return function


exp = _either(math.exp, np.exp)
expm1 = _either(math.expm1, np.expm1)
log1p = _either(math.log1p, np.log1p)
sqrt = _either(math.sqrt, np.sqrt)
