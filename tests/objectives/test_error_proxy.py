"""What the error proxy asks of the knots where the caller does not say."""

import numpy as np
import pytest

from hso import optimize
from hso.errors import ArgumentError
from hso.noise import NoiseSchedule, Traits, presets
from hso.objectives import MEP
from hso.objectives.error_proxy import LAST_SIGMAS
from hso.search import Box
from hso.solvers import SOLVERS, make_solver

MULTISTEP = [name for name in SOLVERS if make_solver(name).carries_outputs]
sd = NoiseSchedule.preset("sd2.1")


def test_the_levels_of_the_last_knot_are_those_of_the_published_box_for_stable_diffusion():
    assert sd.sigmas(np.array(Box.t_min)) == pytest.approx(LAST_SIGMAS, rel=1e-3)


def test_on_a_variance_preserving_path_the_box_is_the_published_one(any_noise):
    assert MEP().ends(any_noise) == (Box.t_min, Box.t_max)


def test_on_other_paths_the_last_knot_lies_at_the_same_levels(other_noise):
    low, high = other_noise.sigmas(np.maximum(MEP().ends(other_noise).t_min, other_noise.t_range[0]))
    least = other_noise.sigmas(other_noise.t_range[0])
    wanted = np.maximum(np.array(LAST_SIGMAS) * other_noise.sigma_data, least)
    assert [low, high] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("nodes", range(2, 31))
def test_every_preset_has_a_feasible_schedule(nodes):
    for name, preset in presets().items():
        solver = make_solver(preset.solver)
        result = optimize(NoiseSchedule.preset(name), solver.nfe(nodes), solver=solver)
        assert result.feasible or result.constraints.boundary is not None, (name, result.message)
        assert np.all(np.diff(result.schedule.lambdas) > 0)


@pytest.mark.parametrize("solver", MULTISTEP)
def test_a_costed_jump_gives_the_nodes_of_the_terminal_t_min(solver):
    landing = optimize(sd, 5, solver=solver, strategy="exact", terminal="t_min").schedule
    jumping = optimize(sd, 5, solver=solver, strategy="exact", terminal="clean").schedule
    assert jumping.lambdas.tolist() == landing.lambdas.tolist()
    assert jumping.ends_clean


def test_only_multistep_solvers_of_guided_models_have_the_jump_costed():
    def jump(solver, traits, terminal="clean"):
        return MEP().costs_jump(sd.with_traits(traits), make_solver(solver), terminal)

    assert jump("unipc", Traits("latent", 7.5))
    assert jump("unipc", Traits("latent"))
    assert not jump("ddim", Traits("latent", 7.5))
    assert not jump("unipc", Traits("pixel"))
    assert not jump("unipc", Traits("latent", 1.0))
    assert not jump("unipc", Traits())
    assert not jump("unipc", Traits("latent", 7.5), "t_min")


def test_the_solvers_that_carry_outputs_are_the_multistep_ones():
    assert MULTISTEP == ["unipc", "dpmpp_2m", "dpmpp_3m", "deis", "pfdiff"]


@pytest.mark.parametrize("traits", [Traits("pixel"), Traits("pixel", 7.0), Traits("latent", 1.0)])
def test_p_is_one_for_models_of_pixels_or_without_guidance_unless_it_is_given(traits):
    told = sd.with_traits(traits)
    assert (
        optimize(told, 5, strategy="exact", terminal="t_min").objective
        == optimize(sd, 5, objective=MEP(p=1.0), terminal="t_min").objective
    )
    assert (
        optimize(told, 5, objective=MEP(p=2.0), terminal="t_min").objective
        == optimize(sd, 5, strategy="exact", terminal="t_min").objective
    )


def test_one_clean_ending_node_is_the_noisiest_whatever_the_jump():
    assert optimize(sd, 1, solver="unipc", terminal="clean", objective=MEP(jump="costed")).schedule.times.tolist() == [
        1.0
    ]


def test_a_jump_that_there_is_not_is_refused():
    with pytest.raises(ArgumentError, match="jump: expected free with a terminal that is not clean"):
        optimize(sd, 4, objective=MEP(jump="costed"), terminal="t_min")
    with pytest.raises(ArgumentError, match="jump: expected one of"):
        MEP(jump="cheap")
