"""What is true of every noise schedule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hso.errors import ArgumentError
from hso.noise import NoiseSchedule


def times(noise, count=4001):
    return np.linspace(*noise.t_range, count)


def test_t_survives_the_round_trip_through_lambda(any_noise):
    t = times(any_noise)
    assert np.abs(any_noise.time(any_noise.lambda_(t)) - t).max() < 1e-10


def test_lambda_falls_strictly_as_noise_grows(any_noise):
    lambdas = any_noise.lambda_(times(any_noise))
    assert np.all(np.isfinite(lambdas))
    assert np.all(np.diff(lambdas) < 0)


def test_alpha_over_sigma_is_exp_lambda(any_noise):
    t = times(any_noise)
    ratio = any_noise.alpha_t(t) / any_noise.sigma_t(t)
    assert np.allclose(ratio, np.exp(any_noise.lambda_(t)), rtol=1e-12, atol=0)
    assert np.allclose(any_noise.sigmas(t) * ratio, 1, rtol=1e-12, atol=0)


def test_variance_is_preserved(any_noise):
    t = times(any_noise)
    assert np.allclose(any_noise.alpha_t(t) ** 2 + any_noise.sigma_t(t) ** 2, 1, atol=1e-12)


def test_derivatives_of_log_sigma_agree_with_the_complex_step(any_noise):
    lambdas = np.linspace(-8, 8, 101)
    first, second = any_noise.log_sigma_derivatives(lambdas)
    step = 1e-20
    assert np.allclose(first, any_noise.log_sigma(lambdas + 1j * step).imag / step, rtol=1e-13)
    slope = [any_noise.log_sigma_derivatives(lambdas + d)[0] for d in (-1e-5, 1e-5)]
    assert np.allclose(second, (slope[1] - slope[0]) / 2e-5, atol=1e-9)


def test_what_lies_beyond_the_ends_maps_to_the_ends(any_noise):
    assert any_noise.time(60.0) == pytest.approx(0, abs=1e-9)
    assert any_noise.time(-60.0) == pytest.approx(1, abs=6e-3)


@pytest.mark.parametrize("t", [-0.01, 1.01, np.nan, 999])
def test_times_outside_the_unit_interval_are_refused(any_noise, t):
    with pytest.raises(ArgumentError, match=r"t: expected times in \[0, 1\]"):
        any_noise.lambda_(t)


def test_equal_constants_have_equal_fingerprints(ddpm, sd):
    assert NoiseSchedule.from_betas(np.linspace(1e-4, 0.02, 1000)).fingerprint == ddpm.fingerprint
    assert NoiseSchedule.preset("sdxl").fingerprint == sd.fingerprint
    assert sd.fingerprint != ddpm.fingerprint
    assert NoiseSchedule.linear_vp().fingerprint != NoiseSchedule.linear_vp(0.1, 19.0).fingerprint


def test_training_index_n_sits_at_n_plus_one_over_n_train(sd):
    assert sd.time_of_index([0, 499, 999]).tolist() == [0.001, 0.5, 1.0]
    assert sd.index_of_time([0.001, 0.5, 1.0]).tolist() == [0.0, 499.0, 999.0]


def test_training_indices_need_training_timesteps():
    with pytest.raises(ArgumentError, match="a schedule with training timesteps"):
        NoiseSchedule.cosine(train_steps=None).time_of_index(3)


@given(st.lists(st.floats(1e-4, 0.2), min_size=2, max_size=40))
def test_any_betas_give_an_invertible_schedule(betas):
    noise = NoiseSchedule.from_betas(betas)
    t = times(noise, 101)
    assert np.abs(noise.time(noise.lambda_(t)) - t).max() < 1e-10


def test_linear_vp_is_the_limit_of_ddpm_betas_in_ever_finer_steps():
    t = np.linspace(0.05, 1, 20)
    limit = NoiseSchedule.linear_vp().lambda_(t)
    coarse, fine = (NoiseSchedule.from_betas(np.linspace(0.1, 20, n) / n).lambda_(t) for n in (1000, 10000))
    assert np.abs(fine - limit).max() < 0.11 * np.abs(coarse - limit).max()


def test_cosine_has_the_textbook_alpha():
    t = np.linspace(0.01, 0.99, 50)
    expected = np.cos(np.pi / 2 * (t + 0.008) / 1.008) / np.cos(np.pi / 2 * 0.008 / 1.008)
    assert np.allclose(NoiseSchedule.cosine().alpha_t(t), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("betas", "problem"),
    [
        ([0.1, np.nan], "betas: expected finite values, got 'nan at index 1'"),
        ([0.1, 1.0], r"betas: expected values in \(0, 1\), got '1.0 at index 1'"),
        ([0.0, 0.1], "got '0.0 at index 0'"),
        ([-0.1, 0.1], r"values in \(0, 1\)"),
        ([0.1], "at least 2 values"),
        ([[0.1, 0.2]], "one dimension"),
        (["a", "b"], "a sequence of numbers"),
    ],
)
def test_unusable_betas_are_refused(betas, problem):
    with pytest.raises(ArgumentError, match=problem):
        NoiseSchedule.from_betas(betas)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([0.9, 0.95, 0.5], "strictly decreasing"),
        ([0.9, 0.9], "strictly decreasing"),
        ([1.0, 0.5], r"values in \(0, 1\)"),
        ([0.9, 0.0], "zero terminal SNR has no finite lambda"),
        ([0.9, np.inf], "finite values"),
    ],
)
def test_unusable_alphas_cumprod_are_refused(values, problem):
    with pytest.raises(ArgumentError, match=problem):
        NoiseSchedule.from_alphas_cumprod(values)


def test_impossible_continuous_schedules_are_refused():
    with pytest.raises(ArgumentError, match="beta_1: expected a number above beta_0"):
        NoiseSchedule.linear_vp(2.0, 1.0)
    with pytest.raises(ArgumentError, match="s: expected"):
        NoiseSchedule.cosine(s=-1)
    with pytest.raises(ArgumentError, match="train_steps: expected an integer"):
        NoiseSchedule.linear_vp(train_steps=0.5)
