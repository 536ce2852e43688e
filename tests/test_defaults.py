"""What is asked of the knots where the caller does not say."""

import numpy as np
import pytest

from hso import optimize
from hso.defaults import LAST_SIGMAS, MULTISTEP, default_box, default_jump
from hso.errors import ArgumentError
from hso.noise import NoiseSchedule, Traits, presets
from hso.search import Box
from hso.solvers import SOLVERS

sd = NoiseSchedule.preset("sd2.1")


def test_the_levels_of_the_last_knot_are_those_of_the_published_box_for_stable_diffusion():
    assert sd.sigmas(np.array(Box.t_min)) == pytest.approx(LAST_SIGMAS, rel=1e-3)


def test_on_a_variance_preserving_path_the_box_is_the_published_one(any_noise):
    assert default_box(any_noise) == Box()


def test_on_other_paths_the_last_knot_lies_at_the_same_levels(other_noise):
    low, high = other_noise.sigmas(np.array(default_box(other_noise).inside(other_noise).t_min))
    least = other_noise.sigmas(other_noise.t_range[0])
    wanted = np.maximum(np.array(LAST_SIGMAS) * other_noise.sigma_data, least)
    assert [low, high] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("nfe", range(2, 31))
def test_every_preset_has_a_feasible_schedule(nfe):
    for name, preset in presets().items():
        result = optimize(NoiseSchedule.preset(name), nfe, solver=preset.solver)
        assert result.feasible or result.boundary is not None, (name, result.message)
        assert np.all(np.diff(result.schedule.lambdas) > 0)


@pytest.mark.parametrize("solver", MULTISTEP)
def test_a_costed_jump_gives_the_nodes_of_the_terminal_t_min(solver):
    landing = optimize(sd, 5, solver=solver, terminal="t_min").schedule
    jumping = optimize(sd, 5, solver=solver, terminal="clean").schedule
    assert jumping.lambdas.tolist() == landing.lambdas.tolist()
    assert jumping.ends_clean
    assert jumping.provenance["jump"] == "costed"


def test_only_multistep_solvers_of_guided_models_have_the_jump_costed():
    def jump(solver, traits, terminal="clean"):
        return default_jump(sd.with_traits(traits), solver, terminal)

    assert jump("unipc", Traits("latent", 7.5)) == jump("unipc", Traits("latent")) == "costed"
    assert jump("ddim", Traits("latent", 7.5)) == jump("unipc", Traits("pixel")) == "free"
    assert jump("unipc", Traits("latent", 1.0)) == jump("unipc", Traits()) == "free"
    assert jump("unipc", Traits("latent", 7.5), "t_min") == "free"


def test_multistep_solvers_are_solvers():
    assert set(MULTISTEP) <= set(SOLVERS)


@pytest.mark.parametrize("traits", [Traits("pixel"), Traits("pixel", 7.0), Traits("latent", 1.0)])
def test_p_is_one_for_models_of_pixels_or_without_guidance_unless_it_is_given(traits):
    told = sd.with_traits(traits)
    assert optimize(told, 5).objective == optimize(sd, 5, p=1.0).objective
    assert optimize(told, 5, p=2.0).objective == optimize(sd, 5).objective


def test_one_clean_ending_node_is_the_noisiest_whatever_the_jump():
    assert optimize(sd, 1, solver="unipc", terminal="clean", jump="costed").schedule.times.tolist() == [1.0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jump": "costed", "terminal": "t_min"}, "jump: expected free with a terminal that is not clean"),
        ({"jump": "cheap"}, "jump: expected one of"),
    ],
)
def test_a_jump_that_there_is_not_is_refused(options, said):
    with pytest.raises(ArgumentError, match=said):
        optimize(sd, 4, **options)
