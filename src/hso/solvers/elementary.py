"""Elementary functions: a Python float gives a Python float, and a real or complex array gives an array.

On single numbers the functions of ``math`` are many times faster than those of NumPy. They also return Python floats,
which do not change the precision of the arrays and tensors that they multiply.
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
