"""What is true of every noise schedule, whatever its path."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hso import ArgumentError, SamplingSchedule, optimize
from hso.noise import NoiseSchedule
from hso.objectives import MEP, DMNonUniform
from hso.objectives.mep import MidpointSum
from hso.rules import rule_schedule
from hso.solvers import UniPC


def walk(noise, count=4001):
    """Times from end to end, crowded at both."""
    low, high = noise.t_range
    close = np.logspace(-15, -2, 100)
    return np.unique(np.clip([*np.linspace(low, high, count), *(low + close), *(high - close)], low, high))


def test_nothing_is_infinite_between_the_ends(every_noise):
    t = walk(every_noise)
    for view in ("lambda_", "sigmas", "alpha_t", "sigma_t", "timestep_of_time"):
        assert np.all(np.isfinite(getattr(every_noise, view)(t))), view
    assert np.all(every_noise.alpha_t(t) > 0)
    assert np.all(every_noise.sigma_t(t) > 0)


def test_nothing_is_nan_from_0_to_1(every_noise):
    t = np.linspace(0, 1, 4001)
    for view in ("lambda_", "sigmas", "alpha_t", "sigma_t"):
        with np.errstate(all="ignore"):
            assert not np.any(np.isnan(getattr(every_noise, view)(t))), view


def test_t_survives_the_round_trip_through_lambda(every_noise):
    t = walk(every_noise)
    assert np.abs(every_noise.time(every_noise.lambda_(t)) / t - 1).max() < 1e-9


def test_lambda_survives_the_round_trip_through_t(every_noise):
    lambdas = np.linspace(*every_noise.lambda_(every_noise.t_range[::-1]), 997)
    back = every_noise.lambda_(every_noise.time(lambdas))
    # Near the noisiest end of a flow t has no digits left to tell the lambdas apart.
    inside = every_noise.time(lambdas) < 0.999999
    assert np.allclose(back[inside], lambdas[inside], rtol=1e-9, atol=1e-9)


def test_lambda_falls_strictly_as_noise_grows(every_noise):
    assert np.all(np.diff(every_noise.lambda_(np.linspace(*every_noise.t_range, 4001))) < 0)


def test_alpha_over_sigma_is_exp_lambda(every_noise):
    lambdas = np.linspace(-12, 12, 241)
    assert np.allclose(every_noise.log_alpha(lambdas) - every_noise.log_sigma(lambdas), lambdas, rtol=0, atol=1e-12)


@pytest.mark.parametrize("view", ["log_sigma", "network_log_sigma"])
def test_derivatives_agree_with_the_complex_step(every_noise, view):
    lambdas = np.linspace(-8, 8, 101)
    first, second = getattr(every_noise, f"{view}_derivatives")(lambdas)
    step = 1e-20
    assert np.allclose(first, getattr(every_noise, view)(lambdas + 1j * step).imag / step, rtol=1e-12, atol=1e-15)
    slope = [getattr(every_noise, f"{view}_derivatives")(lambdas + d)[0] for d in (-1e-5, 1e-5)]
    assert np.allclose(second, (slope[1] - slope[0]) / 2e-5, atol=1e-9)


def test_the_network_sees_unit_variance_at_most(every_noise):
    lambdas = np.linspace(-20, 20, 201)
    assert np.all(every_noise.network_log_sigma(lambdas) <= 0)


def test_what_the_network_is_told_survives_the_round_trip(every_noise):
    t = np.linspace(*every_noise.t_range, 501)
    told = every_noise.timestep_of_time(t)
    steps = np.diff(told)
    assert np.all(steps > 0) or np.all(steps < 0)
    assert np.abs(every_noise.time_of_timestep(told) - t).max() < 1e-9


def test_sigmas_survive_the_round_trip_through_t(every_noise):
    sigmas = every_noise.sigmas(np.linspace(*every_noise.t_range, 101))
    back = every_noise.sigmas([every_noise.time_of_sigma(sigma) for sigma in sigmas.tolist()])
    # At the noisiest end of a flow t has no digits left to tell the levels apart.
    assert np.abs(back / sigmas - 1)[:-1].max() < 1e-9


def test_training_indices_survive_the_round_trip_through_t(every_noise):
    if every_noise.train_steps is None:
        with pytest.raises(ArgumentError, match="noise: expected a schedule with training timesteps"):
            every_noise.time_of_index(3)
        return
    index = np.linspace(0, every_noise.train_steps - 1, 501)
    assert np.abs(every_noise.index_of_time(every_noise.time_of_index(index)) - index).max() < 1e-9


def test_a_sampling_schedule_has_the_same_nodes_in_every_unit(every_noise):
    low, high = every_noise.t_range
    times = np.linspace(high - 0.01, low + 0.01, 7)
    schedule = SamplingSchedule.from_times(every_noise, times)
    assert schedule.path == every_noise.path
    assert np.allclose(schedule.times, times, rtol=1e-9)
    assert np.allclose(schedule.lambdas, every_noise.lambda_(times), rtol=1e-9)
    assert np.allclose(schedule.sigmas, every_noise.sigmas(times), rtol=1e-9)
    assert np.allclose(schedule.flow_sigmas, schedule.sigmas / (1 + schedule.sigmas), rtol=1e-14)
    assert np.allclose(schedule.network_timesteps, every_noise.timestep_of_time(times), rtol=1e-9)
    if schedule.path.name == "flow":
        assert np.allclose(schedule.flow_sigmas, every_noise.sigma_t(times), rtol=1e-9)
    if every_noise.train_steps is not None:
        again = SamplingSchedule.from_timesteps(every_noise, schedule.network_timesteps)
        assert np.allclose(again.lambdas, schedule.lambdas, rtol=1e-9)


def test_what_lies_beyond_the_ends_maps_to_the_ends(every_noise):
    low, high = every_noise.t_range
    assert 0 <= float(every_noise.time(60.0)) <= low + 1e-15
    assert high - 1e-15 <= float(every_noise.time(-60.0)) <= 1


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("nfe", range(2, 31))
def test_every_budget_gives_a_finite_feasible_schedule(other_noise, nfe, terminal):
    result = optimize(other_noise, nfe, terminal=terminal)
    schedule = result.schedule
    low, high = other_noise.t_range
    assert result.feasible, result.message
    assert np.all(np.isfinite([result.objective, result.fitness, result.penalty]))
    assert np.all(np.isfinite([schedule.sigmas, schedule.lambdas, schedule.network_timesteps]))
    assert np.all(np.diff(schedule.lambdas) > 0)
    assert low <= schedule.times[-1] < schedule.times[0] <= high


@pytest.mark.parametrize("objective", [MEP, DMNonUniform])
@pytest.mark.parametrize("p", [1, 2])
def test_objectives_are_finite_from_end_to_end(every_noise, objective, p):
    low, high = every_noise.t_range
    knots = every_noise.lambda_(np.linspace(high, low, 30))
    function = objective(p=p).on(every_noise, UniPC(), "t_min")
    assert np.isfinite(function.value(knots))
    assert np.all(np.isfinite(function.gradient(knots)))


def test_a_budget_no_schedule_can_keep_is_explained(other_noise):
    result = optimize(other_noise, 200, strategy="exact", terminal="t_min")
    assert not result.feasible
    assert "no schedule in the box keeps d_min" in result.message
    assert np.all(np.diff(result.schedule.lambdas) > 0)


def test_schedules_survive_their_file(every_noise, tmp_path):
    schedule = optimize(every_noise, 6).schedule
    schedule.save(tmp_path / "s.json")
    loaded = SamplingSchedule.load(tmp_path / "s.json")
    assert loaded == schedule
    assert np.array_equal(loaded.network_timesteps, schedule.network_timesteps)


def test_what_hosts_run_by_default_is_a_rule(every_noise):
    noise = every_noise
    if noise.train_steps is None:
        rule, span = "edm", noise.t_range
    else:
        rule, span = "trailing", (0.1, 1.0)
    schedule = rule_schedule(rule, noise, 10)
    assert schedule.times[[-1, 0]] == pytest.approx(span, abs=6e-3)


def test_edm_says_what_its_network_is_told():
    schedule = rule_schedule("edm", NoiseSchedule.edm(), 5)
    assert schedule.network_timesteps == pytest.approx(np.log(schedule.sigmas) / 4)
    with pytest.raises(ArgumentError, match="timesteps: expected a model with training timesteps"):
        _ = schedule.timesteps


def test_flow_says_a_thousand_sigma_and_reversed_flow_a_thousand_alpha():
    flow = SamplingSchedule.from_times(NoiseSchedule.rectified_flow(3.0), [1.0, 0.5, 0.25])
    assert flow.timesteps.tolist() == [1000, 750, 500]
    mochi = SamplingSchedule.from_times(NoiseSchedule.preset("mochi"), [1.0, 0.75, 0.5, 0.4999, 0.25])
    assert mochi.timesteps.tolist() == [0, 250, 499, 500, 750]
    assert mochi.fractional_timesteps == pytest.approx([0, 250, 500, 500.1, 750], abs=1e-3)


@given(st.floats(1e-3, 1e3), st.floats(0.0, 0.999), st.integers(2, 3000))
def test_any_shift_gives_an_invertible_schedule(shift, terminal, steps):
    plain = NoiseSchedule.rectified_flow(shift, train_steps=steps)
    least = float(plain.sigma_t(1 / steps)) + 1e-6
    noise = (
        NoiseSchedule.rectified_flow(shift, shift_terminal=terminal, train_steps=steps) if terminal > least else plain
    )
    t = np.linspace(*noise.t_range, 101)
    assert np.abs(noise.time(noise.lambda_(t)) - t).max() < 1e-9


@given(
    st.lists(st.floats(0.001, 1), min_size=2, max_size=12, unique=True),
    st.lists(st.floats(0.01, 5), min_size=12, max_size=12),
    st.sampled_from(["vp", "sub_vp", "ve", "flow"]),
)
def test_any_table_gives_an_invertible_schedule(times, drops, path):
    times = np.sort(times)
    if np.diff(times).min() < 1e-4:
        return
    noise = NoiseSchedule.from_table(times, 6 - np.cumsum(drops[: len(times)]), path=path)
    t = np.linspace(*noise.t_range, 101)
    lambdas = noise.lambda_(t)
    assert np.all(np.diff(lambdas) < 0)
    assert np.abs(noise.time(lambdas) / t - 1).max() < 1e-9


def test_a_table_goes_through_its_entries():
    times = np.array([0.01, 0.2, 0.5, 1.0])
    lambdas = np.array([5.0, 2.0, 1.9, -6.0])
    noise = NoiseSchedule.from_table(times, lambdas, path="flow", name="measured", train_steps=1000)
    assert noise.lambda_(times) == pytest.approx(lambdas, abs=1e-12)
    assert noise.lambda_([0.0, 0.005]) == pytest.approx([5.0, 5.0])
    assert noise.timestep_of_time(1.0) == pytest.approx(1000 / (1 + np.exp(-6.0)))
    assert noise.fingerprint != NoiseSchedule.from_table(times, lambdas, path="vp", train_steps=1000).fingerprint


def test_a_table_of_a_formula_is_near_the_formula():
    vp = NoiseSchedule.linear_vp()
    times = np.linspace(0.001, 1, 200)
    table = NoiseSchedule.from_table(times, vp.lambda_(times), train_steps=1000)
    t = np.linspace(0.01, 1, 777)
    assert np.abs(table.lambda_(t) - vp.lambda_(t)).max() < 2e-3
    assert table.timestep_of_time(0.5) == 499


@pytest.mark.parametrize(
    ("times", "lambdas", "options", "problem"),
    [
        ([0.1, 0.1], [1, 0], {}, "times: expected strictly increasing"),
        ([0.1, 1.1], [1, 0], {}, r"times: expected strictly increasing values in \[0, 1\]"),
        ([0.1, 0.5, 1], [1, 0], {}, "lambdas: expected 3 values"),
        ([0.1, 1], [0, 1], {}, "lambdas: expected strictly decreasing"),
        ([0.1, 1], [1, np.nan], {}, "lambdas: expected finite"),
        ([0.1, 1], [1e3, 1], {}, "lambdas: expected strictly decreasing values within 300"),
        ([0.1, 1], [1, 0], {"path": "vq"}, r"path: expected one of .*did you mean 'vp'"),
        ([0.1, 1], [1, 0], {"train_steps": 1}, "train_steps: expected an integer"),
        ("ab", [1, 0], {}, "times: expected a sequence"),
    ],
    ids=str,
)
def test_unusable_tables_are_refused(times, lambdas, options, problem):
    with pytest.raises(ArgumentError, match=problem):
        NoiseSchedule.from_table(times, lambdas, **options)


def test_sub_vp_has_the_textbook_path():
    noise, vp = NoiseSchedule.sub_vp(), NoiseSchedule.linear_vp()
    t = np.linspace(*noise.t_range, 101)
    assert np.allclose(noise.sigma_t(t), 1 - noise.alpha_t(t) ** 2, rtol=1e-10)
    assert np.allclose(noise.alpha_t(t), vp.alpha_t(t), rtol=1e-12)


def test_edm_is_the_smld_ladder_and_unit_signal():
    noise = NoiseSchedule.edm(0.01, 50.0)
    ladder = 0.01 * (50.0 / 0.01) ** (np.arange(1000) / 999)
    assert np.allclose(noise.sigmas((np.arange(1000) + 1) / 1000), ladder, rtol=1e-12)
    assert np.all(noise.alpha_t(np.linspace(0, 1, 11)) == 1)


def test_with_the_bare_sigma_of_edm_and_p_2_equation_8_would_not_depend_on_the_knots():
    noise = NoiseSchedule.edm()
    rng = np.random.default_rng(0)
    ends = noise.lambda_([1.0, 0.01])
    knots = np.sort(rng.uniform(*ends, (20, 8)), axis=-1)
    knots[:, [0, -1]] = ends
    a, b = knots[:, :-1], knots[:, 1:]
    bare = (2 * np.sinh((b - a) / 2) * np.exp(noise.log_sigma((a + b) / 2))).sum(axis=-1)
    assert bare == pytest.approx(np.full(20, np.exp(-ends[0]) - np.exp(-ends[1])), rel=1e-12)
    assert np.ptp(MidpointSum(noise).value(knots)) > 1


def test_edm_is_vp_in_the_coordinates_of_its_network():
    noise, vp = NoiseSchedule.edm(sigma_data=0.5), NoiseSchedule.linear_vp()
    lambdas = np.linspace(-4, 4, 9)
    assert np.allclose(noise.network_log_sigma(lambdas), vp.log_sigma(lambdas + np.log(0.5)))


def test_the_guard_of_flow_is_the_largest_float32_below_1():
    noise = NoiseSchedule.rectified_flow(3.0)
    assert float(noise.sigma_t(1.0)) == float(np.nextafter(np.float32(1), np.float32(0)))
    assert float(noise.lambda_(1.0)) == pytest.approx(-16.6355, abs=1e-4)


@pytest.mark.parametrize("shift", [0, -1, np.nan, np.inf, "much", None, 1e9])
def test_impossible_shifts_are_refused(shift):
    with pytest.raises(ArgumentError, match=r"shift: expected a number in \[0.001, 1000\]"):
        NoiseSchedule.rectified_flow(shift)


def test_impossible_flow_and_edm_schedules_are_refused():
    with pytest.raises(
        ArgumentError,
        match=r"shift_terminal: expected a number in \[0.0118694, 0.999\], got 0.005 \(without it, shift 12",
    ):
        NoiseSchedule.rectified_flow(12.0, shift_terminal=0.005)
    with pytest.raises(ArgumentError, match="shift_terminal: expected"):
        NoiseSchedule.rectified_flow(shift_terminal=1.0)
    with pytest.raises(ArgumentError, match="train_steps: expected an integer"):
        NoiseSchedule.rectified_flow(train_steps=1)
    with pytest.raises(ArgumentError, match=r"sigma_max: expected a number above sigma_min = 80, got 80"):
        NoiseSchedule.edm(80.0, 80.0)
    with pytest.raises(ArgumentError, match="sigma_min: expected"):
        NoiseSchedule.edm(0.0)
    with pytest.raises(ArgumentError, match="sigma_data: expected"):
        NoiseSchedule.edm(sigma_data=np.nan)
    with pytest.raises(ArgumentError, match=r"timestep: expected sigma in \[0, 1\] times 1000"):
        NoiseSchedule.rectified_flow().time_of_timestep(1001)
