"""The number of threads that a comparison computes with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hso.errors import MissingExtraError


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for matrix products. Another number rounds differently, and processes use the cores better than threads.

    Raises:
        MissingExtraError: If threadpoolctl is not installed.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise MissingExtraError("threadpoolctl", extra="compare") from None
    with threadpool_limits(1):
        # A model that needs torch has imported it by now. Models that do not need it start faster without it.
        torch = sys.modules.get("torch")
        if torch is None:
            yield
            return
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
