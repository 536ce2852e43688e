"""Every prediction type stands for the same data."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hso.errors import ArgumentError
from hso.solvers import PREDICTIONS, to_data, to_noise

numbers = st.floats(-5, 5)
scales = st.floats(0.01, 3)


@given(data=numbers, z=numbers, alpha=scales, sigma=scales)
def test_each_prediction_gives_back_the_data_on_any_path(data, z, alpha, sigma):
    x = alpha * data + sigma * z
    outputs = {
        "epsilon": z,
        "sample": data,
        "v_prediction": (alpha * z - sigma * data) / math.hypot(alpha, sigma),
        "flow_prediction": z - data,
    }
    assert set(outputs) == set(PREDICTIONS)
    for name, output in outputs.items():
        assert to_data(name, output, x, alpha, sigma) == pytest.approx(data, abs=1e-9)
    assert to_noise(data, x, alpha, sigma) == pytest.approx(z, abs=1e-9)


@given(x=numbers, output=numbers, angle=st.floats(0.01, 1.56))
def test_v_prediction_is_the_familiar_formula_where_variance_is_preserved(x, output, angle):
    alpha, sigma = math.cos(angle), math.sin(angle)
    assert to_data("v_prediction", output, x, alpha, sigma) == pytest.approx(alpha * x - sigma * output, abs=1e-12)


@given(x=numbers, output=numbers, sigma=st.floats(0.001, 0.999))
def test_flow_prediction_is_the_familiar_formula_on_straight_paths(x, output, sigma):
    assert to_data("flow_prediction", output, x, 1 - sigma, sigma) == pytest.approx(x - sigma * output, abs=1e-12)


@given(x=numbers, output=numbers, sigma=st.floats(0.01, 80))
def test_v_prediction_is_that_of_k_diffusion_where_variance_explodes(x, output, sigma):
    expected = x / (sigma**2 + 1) - output * sigma / math.sqrt(sigma**2 + 1)
    assert to_data("v_prediction", output, x, 1.0, sigma) == pytest.approx(expected, abs=1e-12)


def test_an_unknown_type_is_refused_with_a_suggestion():
    with pytest.raises(ArgumentError, match="did you mean 'v_prediction'"):
        to_data("v-prediction", 0.0, 0.0, 1.0, 1.0)
