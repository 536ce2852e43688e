"""The ensemble: a mean of ratios over reference models, read on noise schedules that they cover."""

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.noise.traits import Traits
from hso.objectives import Ensemble, Replay
from hso.objectives.ensemble import GUIDED, UNGUIDED, reference
from hso.rules import GRID_RULES, RANGE_RULES, rule_schedule
from hso.schedule import CLEAN
from hso.solvers import UniPC

NOISE = hso.NoiseSchedule.preset("sd1.5")
KNOTS = NOISE.lambda_(np.array([[0.99, 0.7, 0.4, 0.1], [0.95, 0.6, 0.2, 0.02]]))


@pytest.fixture(scope="module")
def function():
    return Ensemble().on(NOISE, UniPC(), CLEAN)


def test_it_is_the_mean_of_the_logarithms_of_the_losses(function):
    parts = [Replay(reference(name)).on(NOISE, UniPC(), CLEAN).value(KNOTS) for name in GUIDED]
    np.testing.assert_allclose(function.value(KNOTS), np.mean(np.log(np.array(parts) + 1e-3), axis=0), rtol=1e-12)


def test_its_gradient_is_that_of_its_value(function):
    step = 1e-5 * np.eye(4)
    for knots, slope in zip(KNOTS, function.gradient(KNOTS), strict=True):
        difference = (function.value(knots + step) - function.value(knots - step)) / 2e-5
        np.testing.assert_allclose(slope, difference, rtol=1e-5, atol=1e-7)


def test_models_without_guidance_have_references_without_guidance():
    plain = NOISE.with_traits(Traits("latent", 1.0))
    assert [one.guidance for one in Ensemble().models(plain)] == [1.0, 1.0, 1.0]
    assert [one.guidance for one in Ensemble().models(NOISE)] == [3.0, 3.0, 1.0]


@pytest.mark.parametrize("name", sorted({*UNGUIDED, *GUIDED}))
def test_the_teachers_of_the_references_have_converged(name):
    assert reference(name).convergence < 0.03
    assert reference(name).images == 64


def test_what_it_finds_without_guidance_is_better_for_every_reference_than_the_default_rule_of_hosts():
    plain = NOISE.with_traits(Traits("latent", 1.0))
    found = hso.optimize(plain, 6, solver="unipc", objective="ensemble").schedule
    trailing = rule_schedule("trailing", plain, 6)
    for part in Ensemble().on(plain, UniPC(), CLEAN).parts:
        assert part.value(found.knots) < 0.5 * part.value(trailing.knots)


def test_what_it_finds_is_below_every_rule(function):
    found = hso.optimize(NOISE, 4, solver="unipc", objective="ensemble")
    rules = np.stack([rule_schedule(rule, NOISE, 4).knots for rule in (*RANGE_RULES, *GRID_RULES)])
    assert found.objective < function.value(rules).min()


def test_noise_levels_that_were_not_measured_are_refused_by_name():
    with pytest.raises(
        ArgumentError, match=r"noise: .*lambda from -2.682 to 3.535.*wan2.1 with lambda from -16.6.*mep"
    ):
        hso.optimize(hso.NoiseSchedule.preset("wan2.1"), 6, objective="ensemble")
    with pytest.raises(ArgumentError, match="floor"):
        Ensemble(floor=0.0)
    with pytest.raises(ArgumentError, match="calibrations"):
        Ensemble(())
