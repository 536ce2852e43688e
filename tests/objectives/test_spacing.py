"""The spacing rule of Eq. 10."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hso.objectives import d_min, spacing_penalty
from hso.objectives.spacing import spacing_penalty_gradient

descending = st.lists(st.floats(0.001, 0.2), min_size=2, max_size=12).map(lambda gaps: 1 - np.cumsum([0.0, *gaps]))


def test_d_min_falls_linearly_from_four_to_twenty():
    assert [d_min(n) for n in (1, 2, 4)] == [0.15, 0.15, 0.15]
    assert d_min(12) == pytest.approx(0.08)
    assert [d_min(n) for n in (20, 21, 1000)] == pytest.approx([0.01, 0.01, 0.01])


def test_the_penalty_is_the_sum_of_squared_shortfalls():
    assert float(spacing_penalty(np.array([1.0, 0.9, 0.5, 0.45]), 0.15)) == pytest.approx(0.05**2 + 0.1**2)


@given(descending, st.floats(0, 0.3))
def test_it_is_zero_exactly_where_all_distances_are_kept(times, distance):
    kept = bool(np.all(-np.diff(times) >= distance))
    assert (float(spacing_penalty(times, distance)) == 0) == kept


@given(descending, st.floats(0.01, 0.3))
def test_its_gradient_agrees_with_differences(times, distance):
    gradient = spacing_penalty_gradient(times, distance)
    step = 1e-7
    for i, unit in enumerate(np.eye(len(times))):
        up, down = (spacing_penalty(times + d * unit, distance) for d in (step, -step))
        assert gradient[i] == pytest.approx(float(up - down) / (2 * step), abs=1e-6)


def test_a_single_knot_has_no_distance_to_keep():
    assert float(spacing_penalty(np.array([1.0]), 0.15)) == 0
