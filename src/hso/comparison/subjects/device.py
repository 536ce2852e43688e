"""Is the device there that was asked for?"""

from __future__ import annotations

from hso.errors import ArgumentError, MissingExtraError


def check_device(device: str) -> str:
    """Return ``device`` if torch has it.

    Raises:
        ArgumentError: If it is no device, or this machine does not have it.
        MissingExtraError: If torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", extra="diffusers") from None
    try:
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ArgumentError("device", "a device that this machine has, such as cpu", device) from None
    return device
