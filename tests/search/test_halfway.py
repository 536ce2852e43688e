"""A mean of the optimum and of equal steps in t."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hso
from hso import NoiseSchedule, optimize
from hso.objectives import MEP
from hso.rules import rule_schedule
from hso.search import Boundary, Constraints, Halfway

# Hosts round to whole timesteps.
ROUNDED = 0.6 / 1000


def optimum(noise, nfe, solver, jump):
    return optimize(noise, nfe, solver=solver, objective=MEP(jump=jump)).schedule.lambdas


def guided(scale):
    noise = NoiseSchedule.preset("sd2.1")
    return noise.with_traits(dataclasses.replace(noise.traits, guidance=scale))


@pytest.mark.parametrize("solver", ["ddim", "unipc"])
@pytest.mark.parametrize("nfe", [8, 20])
def test_with_many_calls_every_node_is_half_way_from_the_optimum_with_a_free_jump_to_trailing(sd, solver, nfe):
    host = rule_schedule("trailing", sd, nfe).lambdas
    mean = sd.time((optimum(sd, nfe, solver, "free") + host) / 2)
    np.testing.assert_allclose(optimize(sd, nfe, solver=solver).schedule.times, mean, atol=ROUNDED)


@pytest.mark.parametrize("nfe", [2, 5, 7])
def test_with_few_calls_it_depends_on_the_solver_and_the_guidance(nfe):
    host = rule_schedule("trailing", guided(3), nfe).lambdas
    for scale, solver, share, costed, as_host in (
        (1.0, "ddim", 2 / 3, 0.5, False),
        (7.5, "ddim", 2 / 3, 0.5, False),
        (1.0, "unipc", 1 / 2, 0.0, False),
        (5.0, "unipc", 2 / 3, 0.5, True),
        (7.5, "dpmpp_2m", 5 / 6, 1.0, True),
    ):
        noise = guided(scale)
        free, cost = (optimum(noise, nfe, solver, jump) for jump in ("free", "costed"))
        mean = (1 - share) * (costed * cost + (1 - costed) * free) + share * host
        if as_host:
            mean[0] = host[0]
        found = optimize(noise, nfe, solver=solver).schedule
        np.testing.assert_allclose(found.times, noise.time(mean), atol=ROUNDED)


def test_a_jump_that_is_asked_for_is_kept(sd):
    host = rule_schedule("trailing", sd, 5).lambdas
    for jump in ("free", "costed"):
        found = optimize(sd, 5, solver="unipc", objective=MEP(jump=jump), strategy="halfway").schedule
        mean = (optimum(sd, 5, "unipc", jump) + host) / 2
        np.testing.assert_allclose(found.times, sd.time(mean), atol=ROUNDED)


def test_the_share_leads_from_the_optimum_to_the_host(sd):
    best, host = optimize(sd, 6, strategy="exact").schedule, sd.lambda_(1 - np.arange(6) / 6)
    for share in (0.0, 0.25, 1.0):
        found = optimize(sd, 6, strategy=Halfway(share)).schedule
        np.testing.assert_allclose(found.lambdas, (1 - share) * best.lambdas + share * host, rtol=1e-9)


@pytest.mark.parametrize("preset", ["sd3", "flux-dev", "ddpm"])
def test_where_the_noisiest_level_has_no_signal_the_first_node_is_the_optimum_s(preset):
    noise = NoiseSchedule.preset(preset)
    best, half = (optimize(noise, 5, strategy=name).schedule for name in ("exact", "halfway"))
    assert half.times[0] == pytest.approx(best.times[0])
    assert np.abs(half.times[1:] - best.times[1:]).max() > 0.01


@pytest.mark.parametrize("nfe", [1, 2, 3, 5, 8])
def test_a_run_to_t_min_has_the_nodes_of_a_clean_one_and_lands_on_the_cleanest_level(sd, nfe):
    clean, landing = (
        optimize(sd, nfe, solver="ddim", strategy="halfway", terminal=name).schedule for name in ("clean", "t_min")
    )
    assert landing.lambdas.tolist() == clean.lambdas.tolist()
    assert landing.terminal == sd.lambda_(sd.t_range[0])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["sd2.1", "sd3", "wan2.2", "ddpm"]),
    st.integers(1, 30),
    st.one_of(st.none(), st.floats(0.1, 1.0)),
    st.one_of(st.none(), st.floats(0.0, 0.2)),
    st.sampled_from(["clean", "t_min"]),
)
def test_it_keeps_what_is_asked_for(preset, nfe, start, distance, terminal):
    noise = NoiseSchedule.preset(preset)
    asked = Constraints(start=start, d_min=distance)
    result = optimize(noise, nfe, constraints=asked, terminal=terminal, strategy="halfway")
    gaps = -np.diff(result.schedule.knot_times)
    assert np.all(gaps > 0)
    assert result.feasible == bool(np.all(gaps >= (distance or 0) - 1e-9))
    if optimize(noise, nfe, constraints=asked, terminal=terminal, strategy="exact").feasible:
        assert result.feasible
    if start is not None:
        assert result.schedule.times[0] == pytest.approx(start)


@pytest.mark.parametrize(("nfe", "nodes"), [(2, 1), (4, 2), (7, 3)])
def test_both_networks_get_their_nodes(nfe, nodes):
    noise = NoiseSchedule.preset("wan2.2")
    boundary = Boundary(noise.boundary_time, nodes)
    times = optimize(noise, nfe, constraints=Constraints(boundary=boundary), strategy="halfway").schedule.times
    assert (times >= boundary.t - 1e-9).sum() >= nodes
    assert (times < boundary.t - 1e-9).sum() >= nodes


def test_misuse_is_named(sd):
    with pytest.raises(hso.ArgumentError, match=r"share: expected a number in \[0, 1\], got 1\.5"):
        Halfway(1.5)
    with pytest.raises(hso.ArgumentError, match="noise: expected a schedule with training timesteps"):
        optimize(NoiseSchedule.preset("edm-cifar10"), 4, strategy="halfway")
    with pytest.raises(hso.ArgumentError, match="box: expected none with strategy halfway"):
        optimize(sd, 4, strategy="halfway", constraints=Constraints(box=hso.Box()))
