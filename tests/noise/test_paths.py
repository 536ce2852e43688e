"""Each path has the relation of alpha and sigma that its name says, and survives its record."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hso import ArgumentError, NoiseSchedule
from hso.noise import PATHS
from hso.noise.levels import flow_sigma_of_lambda, lambda_of_flow_sigma, lambda_of_sigma, sigma_of_lambda
from hso.noise.path import SUB_VP, VP, VarianceExploding, as_path, path_from_record

LAMBDAS = np.linspace(-15, 15, 301)
EPSILON = np.finfo(float).eps
RELATIONS = {
    "vp": lambda alpha, sigma: alpha**2 + sigma**2,
    "sub_vp": lambda alpha, sigma: alpha**2 + sigma,
    "ve": lambda alpha, sigma: alpha,
    "ve_flow": lambda alpha, sigma: alpha,
    "flow": lambda alpha, sigma: alpha + sigma,
}


@pytest.mark.parametrize("name", PATHS)
def test_alpha_and_sigma_keep_the_relation_of_the_path(name):
    path = as_path(name)
    alpha, sigma = np.exp(path.log_alpha(LAMBDAS)), np.exp(path.log_sigma(LAMBDAS))
    assert np.allclose(RELATIONS[name](alpha, sigma), 1, rtol=0, atol=1e-14)
    assert path.preserves_variance == np.allclose(alpha**2 + sigma**2, 1)


@pytest.mark.parametrize("path", [VP, SUB_VP], ids=repr)
def test_lambda_follows_from_alpha(path):
    assert np.allclose(path.lambda_of_log_alpha(path.log_alpha(LAMBDAS)), LAMBDAS, rtol=0, atol=1e-12)


@given(st.sampled_from(list(PATHS)), st.floats(1e-8, 1e8))
def test_a_path_survives_its_record(name, sigma_data):
    path = VarianceExploding(sigma_data) if name == "ve" else as_path(name)
    assert path_from_record(json.loads(json.dumps(path.to_record()))) == path


def test_the_standard_deviation_of_the_data_belongs_to_the_path():
    assert NoiseSchedule.edm(sigma_data=0.25).sigma_data == 0.25
    assert NoiseSchedule.rectified_flow().sigma_data == 1
    assert NoiseSchedule.edm(sigma_data=0.25).fingerprint != NoiseSchedule.edm(sigma_data=0.5).fingerprint


def test_a_table_takes_a_path_object_with_its_settings():
    noise = NoiseSchedule.from_table([0.1, 1.0], [2.0, -2.0], path=VarianceExploding(0.5))
    assert noise.path == VarianceExploding(0.5)
    assert noise.timestep_of_time(1.0) == pytest.approx(0.5)
    with pytest.raises(ArgumentError, match="sigma_data: expected a number"):
        VarianceExploding(-1.0)


@given(st.floats(-36, 300))
def test_a_level_has_one_lambda_under_all_its_names(lambda_):
    """float64 holds sigmas to one part in 1 / EPSILON, and d lambda = d sigma / (sigma (1 - sigma)) for a flow sigma."""
    assert abs(lambda_of_sigma(sigma_of_lambda(lambda_)) - lambda_) <= 2 * EPSILON * (1 + abs(lambda_))
    bound = 2 * EPSILON * (1 + abs(lambda_) + np.exp(-lambda_))
    assert abs(lambda_of_flow_sigma(flow_sigma_of_lambda(lambda_)) - lambda_) <= bound


def test_the_clean_sample_is_0_under_both_names():
    assert sigma_of_lambda(np.inf) == flow_sigma_of_lambda(np.inf) == 0
    assert lambda_of_sigma(0.0) == lambda_of_flow_sigma(0.0) == np.inf
