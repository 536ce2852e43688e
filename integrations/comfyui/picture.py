"""A picture of sigmas: one dot for each step, at its noise level on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN, RADIUS = 640, 400, 48, 5
PAPER, INK, LINE, GRID = (255, 255, 255), (40, 40, 40), (31, 119, 180), (225, 225, 225)
MOST_LABELS = 20


def draw(sigmas: Sequence[float]) -> NDArray[np.float32]:
    """The picture, shape (400, 640, 3), values in [0, 1].

    Args:
        sigmas: N + 1 values; a 0 is drawn at the lower edge.

    Raises:
        ValueError: If there are fewer than two sigmas, none is above 0, or one is no finite number.
    """
    if not np.all(np.isfinite(sigmas)):
        raise ValueError(f"sigmas: expected finite numbers, got {list(sigmas)}")
    positive = [sigma for sigma in sigmas if sigma > 0]
    if len(sigmas) < 2 or not positive:
        raise ValueError(f"sigmas: expected at least two, and one above 0, got {list(sigmas)}")
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    canvas = ImageDraw.Draw(image)
    points = _points(sigmas, max(positive), min(positive))
    _frame(canvas, _heading(sigmas, max(positive), min(positive)))
    canvas.line(points, fill=LINE, width=2)
    for place, sigma in zip(points, sigmas, strict=True):
        _dot(canvas, place, sigma, labelled=len(sigmas) <= MOST_LABELS)
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _points(sigmas: Sequence[float], high: float, low: float) -> list[tuple[float, float]]:
    # One step more than the range needs, so that the last sigma above 0 does not lie on the edge of the 0.
    span = np.log(high / low) * len(sigmas) / max(len(sigmas) - 1, 1) or 1.0
    width, height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    depth = [min(float(np.log(high / sigma)) / span, 1.0) if sigma > 0 else 1.0 for sigma in sigmas]
    across = np.linspace(0, 1, len(sigmas))
    return [(MARGIN + width * float(x), MARGIN + height * y) for x, y in zip(across, depth, strict=True)]


def _heading(sigmas: Sequence[float], high: float, low: float) -> str:
    steps = len(sigmas) - 1
    end = ", then 0" if sigmas[-1] == 0 else ""
    return f"sigma, logarithmic; {steps} step{'' if steps == 1 else 's'} from {high:.4g} to {low:.4g}{end}"


def _frame(canvas: ImageDraw.ImageDraw, heading: str) -> None:
    canvas.rectangle((MARGIN, MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN), outline=GRID)
    canvas.text((MARGIN, 12), heading, fill=INK)


def _dot(canvas: ImageDraw.ImageDraw, place: tuple[float, float], sigma: float, labelled: bool) -> None:
    x, y = place
    canvas.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=LINE)
    if labelled:
        canvas.text((x + RADIUS, y - 3 * RADIUS), f"{sigma:.3g}", fill=INK)
