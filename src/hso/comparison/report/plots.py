"""Pictures of schedules and of samples, drawn with matplotlib on figures of their own: no window, no global state."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hso.errors import ArgumentError, MissingExtraError, printable
from hso.files import write_atomic
from hso.noise import NoiseSchedule
from hso.schedule import SamplingSchedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people who see few colours can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
CURVE = {"color": "0.75", "linewidth": 5, "solid_capstyle": "round", "zorder": 0}
# Noise levels that are marked beside lambda if they fall into the picture.
SIGMA_TICKS = (100, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003)
# Size of an image in inches, and the gap between groups of rows, in images.
SCALE, GAP = 0.5, 0.35
FORMATS = ("pdf", "png", "svg")
# Letters below this code are in matplotlib's font, and longer names would leave no room for the picture.
LETTERS, LONGEST = 0x250, 60


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", extra="plot") from None
    return Figure(figsize=(width, height), layout="constrained")


def plain(name: str) -> str:
    """A name as matplotlib shows it letter by letter: without formulas, without letters that its font does not have."""
    shown = name if len(name) <= LONGEST else name[:LONGEST] + "..."
    shown = "".join(letter if ord(letter) < LETTERS else ascii(letter)[1:-1] for letter in printable(shown))
    # A dollar sign begins a formula, and an underscore at the beginning hides a name from the legend.
    return (" " + shown if shown.startswith("_") else shown).replace("$", r"\$")


def format_of(path: str | Path) -> str:
    """The format of a picture, from the end of its name.

    Raises:
        ArgumentError: If the name does not end in one of ``FORMATS``.
    """
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise ArgumentError("plot", f"a file name that ends in {', '.join('.' + name for name in FORMATS)}", str(path))
    return kind


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure. The file is either whole or absent.

    Raises:
        ArgumentError: If the name does not end in one of ``FORMATS``.
        FileError: If the file cannot be written.
    """
    kind, buffer = format_of(path), io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150)
    write_atomic(path, buffer.getvalue())


def plot_schedules(panels: Mapping[str, Mapping[str, SamplingSchedule]], noise: NoiseSchedule | None = None) -> Figure:
    r"""Where schedules put their nodes: in :math:`\lambda` step by step, and in t along the noise schedule.

    Args:
        panels: Panels by their title, from the top; each has sampling schedules by the name to show.
        noise: The noise schedule they share; its :math:`\lambda(t)` is drawn behind.

    Raises:
        ArgumentError: If there is nothing to show.
    """
    if not panels or not all(panels.values()):
        raise ArgumentError("panels", "at least one schedule in each", panels)
    figure = new_figure(10, 3.8 * len(panels))
    for (title, schedules), axes in zip(panels.items(), figure.subplots(len(panels), 2, squeeze=False), strict=True):
        levels, times = axes
        levels.set_title(plain(title), loc="left")
        for index, (name, schedule) in enumerate(schedules.items()):
            # Schedules of one colour have different markers.
            marker = MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]
            style = {"color": COLOURS[index % len(COLOURS)], "marker": marker, "markersize": 6}
            _draw_levels(levels, name, schedule, style)
            _draw_times(times, -index, schedule, style)
        _label_levels(levels, max(schedule.nfe + (not schedule.ends_clean) for schedule in schedules.values()))
        _label_times(times, list(schedules), noise)
    return figure


def image_grid(
    blocks: Mapping[str, Mapping[str, np.ndarray[Any, Any]]],
    title: str = "",
    columns: int = 10,
    groups: Iterable[int] = (),
) -> Figure:
    """Blocks of images side by side, each with the same named rows.

    Args:
        blocks: Blocks by their heading, from the left. Each has images by the name of the row, shape (M, H, W) or
            (M, H, W, 3), from 0 (black) to 255 (white).
        title: Title of the figure.
        columns: The most images in a row of a block.
        groups: Numbers of the rows before which there is a gap.

    Raises:
        ArgumentError: If there is nothing to show, or blocks have different rows.
    """
    names = [list(rows) for rows in blocks.values()]
    if not names or not names[0] or any(other != names[0] for other in names):
        raise ArgumentError("blocks", "blocks with the same rows, at least one", names)
    gaps = np.searchsorted(np.sort(list(groups)), np.arange(len(names[0])), side="right")
    offsets = np.arange(len(names[0])) + GAP * gaps
    shown = min(columns, max(len(images) for rows in blocks.values() for images in rows.values()))
    figure = new_figure(SCALE * shown * len(blocks) + 2.6, SCALE * (offsets[-1] + 1) + 0.8)
    figure.suptitle(plain(title), fontsize=11)
    for axes, (heading, rows) in zip(figure.subplots(1, len(blocks), squeeze=False)[0], blocks.items(), strict=True):
        for offset, images in zip(offsets, rows.values(), strict=True):
            extent = (0, len(images[:columns]), offset + 0.96, offset)
            axes.imshow(_strip(images[:columns]), cmap="gray", vmin=0, vmax=255, extent=extent)
        axes.set(title=plain(heading), xlim=(0, shown), ylim=(offsets[-1] + 1, 0), xticks=[])
        shown_names = [plain(name) for name in names[0]] if axes.get_subplotspec().is_first_col() else []
        axes.set_yticks(offsets + 0.5, shown_names, fontsize=9)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def _strip(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Images side by side, each with a white column of pixels after it."""
    gap = np.full_like(images[:, :, :1], 255)
    return np.concatenate(list(np.concatenate([images, gap], axis=2)), axis=1)


def _draw_levels(axes: Any, name: str, schedule: SamplingSchedule, style: Mapping[str, Any]) -> None:
    steps = np.arange(1, schedule.nfe + 1)
    axes.plot(steps, schedule.lambdas, label=plain(name), linewidth=1.5, **style)
    if not schedule.ends_clean:
        last = [schedule.lambdas[-1], schedule.terminal]
        hollow = {**style, "markerfacecolor": "white"}
        axes.plot([schedule.nfe, schedule.nfe + 1], last, linestyle=":", markevery=[1], **hollow)


def _label_levels(axes: Any, last: int) -> None:
    axes.set_xlabel("step (hollow: a terminal that is not clean)")
    axes.set_ylabel(r"$\lambda = \log(\alpha / \sigma)$")
    if last <= 20:
        axes.set_xticks(range(1, last + 1))
    axes.grid(alpha=0.3)
    sigmas = axes.secondary_yaxis("right")
    sigmas.set_yticks(-np.log(SIGMA_TICKS), [f"{sigma:g}" for sigma in SIGMA_TICKS])
    sigmas.set_ylabel(r"$\tilde\sigma = \sigma / \alpha$")


def _draw_times(axes: Any, height: float, schedule: SamplingSchedule, style: Mapping[str, Any]) -> None:
    axes.plot(schedule.times, np.full(schedule.nfe, height), linewidth=1, **style)
    if not schedule.ends_clean:
        hollow = {**style, "markerfacecolor": "white"}
        axes.plot([schedule.terminal_time], [height], **hollow)


def _label_times(axes: Any, names: Sequence[str], noise: NoiseSchedule | None) -> None:
    axes.set_xlabel("t, from noise to data")
    axes.set_xlim(1.03, -0.03)
    axes.set_yticks(-np.arange(len(names)), [plain(name) for name in names], fontsize=9)
    # The names are the legend of both panels.
    for index, label in enumerate(axes.get_yticklabels()):
        label.set_color(COLOURS[index % len(COLOURS)])
    axes.set_ylim(0.6 - len(names), 0.6)
    axes.grid(axis="x", alpha=0.3)
    if noise is None:
        return
    curve = axes.twinx()
    t = np.linspace(*noise.t_range, 400)
    curve.plot(t, noise.lambda_(t), **CURVE)
    curve.set_ylabel(rf"$\lambda(t)$ of {plain(noise.name)} (grey)", color="0.45")
    curve.tick_params(axis="y", colors="0.45")
    axes.set_zorder(curve.get_zorder() + 1)
    axes.set_facecolor("none")
