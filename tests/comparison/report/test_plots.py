"""Pictures: what is in them, and how they are written."""

from __future__ import annotations

import builtins
import sys

import numpy as np
import pytest

import hso
from hso.comparison.report.plots import image_grid, new_figure, plot_schedules, save_figure
from hso.rules import rule_schedule


@pytest.fixture
def schedules(sd):
    return {
        "trailing": rule_schedule("trailing", sd, 5),
        "HSO": hso.optimize(sd, 5, terminal="t_min").schedule,
    }


def _lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_the_left_panel_has_each_schedules_lambdas_and_the_right_one_its_times(sd, schedules):
    levels, times, curve = plot_schedules({"five": schedules}, sd).axes
    assert np.array_equal(_lines(levels)["HSO"], np.column_stack((range(1, 6), schedules["HSO"].lambdas)))
    assert any(np.array_equal(line[:, 0], schedules["HSO"].times) for line in _lines(times).values())
    (line,) = curve.get_lines()
    assert np.array_equal(line.get_ydata(), sd.lambda_(line.get_xdata()))


def test_a_terminal_is_drawn_where_it_is_finite(sd, schedules):
    levels = plot_schedules({"five": schedules}, sd).axes[0]
    ends = [tuple(line[-1]) for line in _lines(levels).values()]
    assert (6.0, schedules["HSO"].terminal) in ends
    assert [x for x, _ in ends].count(6.0) == 1


def test_the_marks_of_sigma_stand_at_their_lambdas(sd, schedules):
    levels = plot_schedules({"five": schedules}, sd).axes[0]
    (marks,) = levels.child_axes
    at = dict(zip([label.get_text() for label in marks.get_yticklabels()], marks.get_yticks(), strict=True))
    assert at["1"] == pytest.approx(0)
    assert at["0.1"] == pytest.approx(np.log(10))


def test_panels_stand_under_each_other_with_their_titles(sd, schedules):
    figure = plot_schedules({"above": schedules, "below": schedules})
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == ["above", "below"]


def test_there_are_styles_for_more_schedules_than_colours(sd):
    many = {str(nfe): rule_schedule("trailing", sd, nfe) for nfe in range(2, 22)}
    plot_schedules({"many": many}, sd).canvas.draw()


@pytest.mark.parametrize("panels", [{}, {"empty": {}}])
def test_nothing_to_plot_is_refused(panels):
    with pytest.raises(hso.ArgumentError, match="panels: expected at least one schedule"):
        plot_schedules(panels)


def test_a_grid_has_the_named_rows_once_and_the_images_in_order():
    rng = np.random.default_rng(0)
    images = {solver: rng.integers(0, 256, (4, 12, 16, 16), dtype=np.uint8) for solver in ("ddim", "unipc")}
    blocks = {solver: dict(zip("abcd", found, strict=True)) for solver, found in images.items()}
    first, second = image_grid(blocks, groups=(1,)).axes
    assert [axes.get_title() for axes in (first, second)] == ["ddim", "unipc"]
    assert [label.get_text() for label in first.get_yticklabels()] == list("abcd")
    assert {label.get_text() for label in second.get_yticklabels()} <= {""}
    strip = second.get_images()[2].get_array()
    # A white column of pixels follows every image.
    assert strip.shape == (16, 170)
    assert np.array_equal(strip[:, 34:50], blocks["unipc"]["c"][2])
    assert (strip[:, 16::17] == 255).all()


@pytest.mark.parametrize("blocks", [{}, {"ddim": {}}, {"ddim": {"a": []}, "unipc": {"b": []}}])
def test_a_grid_needs_the_same_rows_in_each_block(blocks):
    with pytest.raises(hso.ArgumentError, match="blocks: expected blocks with the same rows"):
        image_grid(blocks)


def test_the_same_figure_is_written_whatever_the_format(tmp_path):
    for kind, magic in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")):
        save_figure(new_figure(1, 1), tmp_path / f"a.{kind}")
        assert (tmp_path / f"a.{kind}").read_bytes().startswith(magic)


def test_a_figure_of_another_format_is_refused(tmp_path):
    with pytest.raises(hso.ArgumentError, match=r"\.png"):
        save_figure(new_figure(1, 1), tmp_path / "a.bmp")


def test_an_unwritable_figure_leaves_nothing(tmp_path):
    with pytest.raises(hso.FileError, match="cannot write"):
        save_figure(new_figure(1, 1), tmp_path / "missing" / "a.png")


def test_no_global_state_of_matplotlib_is_touched(sd, schedules):
    plot_schedules({"five": schedules}, sd).canvas.draw()
    # Other libraries import it; a figure made through it would be on its list.
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(hso.MissingExtraError, match=r"matplotlib is not installed; run: pip install 'hso\[plot\]'"):
        new_figure(1, 1)
