"""Objectives that are measured on a teacher, whatever the network predicts and whatever arrays it takes."""

import numpy as np
import pytest

from hso import ArgumentError, SamplingSchedule, optimize
from hso.models.exact import scales_at
from hso.models.mixture import GaussianMixture, Guided
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.objectives import GITS, KLUB, OBJECTIVES, OSS, ScoreOptimal, Watson
from hso.objectives.measured import Measured
from hso.rules import Span
from hso.search import Boundary, Constraints

MIXTURE = GaussianMixture([2, 1], [[-1.0, 0.5, 0.0], [0.8, 0.0, -0.4]], [[0.01, 0.3, 0.1], [0.2, 0.05, 0.02]])
NOISE = NoiseSchedule.linear_vp()
X = MIXTURE.noisy(24, scales_at(float(NOISE.lambda_(1.0)), NOISE), np.random.default_rng(0))
MEASURED = [GITS, KLUB, ScoreOptimal, Watson]


def found(objective, nfe, terminal="clean", **options):
    noise = objective.teacher.noise
    return optimize(noise, nfe, solver="ddim", objective=objective, terminal=terminal, **options).schedule


def test_these_are_all_of_them():
    # OSS has a file of its own: it is no table, and chooses its ends.
    assert {kind for kind in OBJECTIVES.values() if issubclass(kind, Measured)} == {*MEASURED, OSS}


@pytest.mark.parametrize("kind", MEASURED)
def test_a_network_may_predict_anything_and_take_tensors_of_any_shape(kind):
    torch = pytest.importorskip("torch")
    expected = found(kind(Teacher(MIXTURE, NOISE, X, points=30)), 5)

    def network(x, node):
        return torch.from_numpy(MIXTURE.v(x.numpy().reshape(-1, 3), node)).reshape(x.shape)

    tensor = torch.from_numpy(X).reshape(-1, 1, 3)
    schedule = found(kind(Teacher(network, NOISE, tensor, prediction="v_prediction", points=30)), 5)
    np.testing.assert_allclose(schedule.lambdas, expected.lambdas, rtol=1e-7)


@pytest.mark.parametrize("kind", MEASURED)
@pytest.mark.parametrize("noise", [NOISE, NoiseSchedule.edm(), NoiseSchedule.rectified_flow()])
@pytest.mark.parametrize("nfe", [1, 2, 5, 10])
def test_each_gives_a_valid_schedule_on_every_path(kind, noise, nfe):
    lambda_ = float(noise.lambda_(0.98))
    x = MIXTURE.noisy(8, scales_at(lambda_, noise), np.random.default_rng(1))
    teacher = Teacher(MIXTURE, noise, x, points=31, span=Span(t_max=0.98))
    clean, landing = (found(kind(teacher), nfe, terminal) for terminal in ("clean", "t_min"))
    assert clean.nfe == landing.nfe == nfe
    assert clean.lambdas[0] == pytest.approx(lambda_)
    assert landing.lambdas[0] == pytest.approx(lambda_)
    assert landing.terminal == pytest.approx(float(noise.lambda_(noise.t_range[0])))
    assert clean.ends_clean


@pytest.mark.parametrize("kind", MEASURED)
def test_guided_models_are_models(kind):
    teacher = Teacher(Guided(MIXTURE.given([0]), MIXTURE, 4.0), NOISE, X, points=31)
    assert found(kind(teacher), 5).nfe == 5


@pytest.mark.parametrize("kind", MEASURED)
def test_each_takes_spacing_a_boundary_and_a_start_like_any_other(kind):
    objective = kind(Teacher(MIXTURE, NOISE, X, points=41))
    spaced = found(objective, 6, constraints=Constraints(d_min=0.12))
    assert np.all(-np.diff(spaced.times) >= 0.12 - 1e-9)
    sided = found(objective, 6, constraints=Constraints(boundary=Boundary(0.9, 3)))
    assert (sided.times >= 0.9 - 1e-9).sum() >= 3
    part = found(objective, 4, constraints=Constraints(start=0.613))
    assert part.times[0] == pytest.approx(0.613, abs=1e-12)
    assert np.all(np.diff(part.times) < 0)


def test_schedules_say_where_they_come_from_and_survive_a_file(tmp_path):
    schedule = found(GITS(Teacher(MIXTURE, NOISE, X, points=20)), 4)
    assert schedule.provenance["objective"] == "gits"
    assert schedule.provenance["settings"]["objective"]["gamma"] == 1.15
    assert schedule.provenance["settings"]["objective"]["teacher"]["points"] == 20
    assert schedule.provenance["settings"]["objective"]["teacher"]["batch"] == 24
    schedule.save(tmp_path / "s.json")
    assert SamplingSchedule.load(tmp_path / "s.json") == schedule


def test_the_network_is_called_no_more_than_it_says():
    calls = []

    def network(x, node):
        calls.append(node.index)
        return MIXTURE.eps(x, node)

    teacher = Teacher(network, NOISE, X, points=20)
    found(GITS(teacher), 4)
    found(GITS(teacher), 5)
    assert calls == list(range(20))
    for kind, further in ((ScoreOptimal, 19), (KLUB, 20), (Watson, 20)):
        before = len(calls)
        schedules = [found(kind(teacher), nfe) for nfe in (4, 5, 6, 8, 10)]
        assert len(calls) == before + further
        alone = found(kind(Teacher(network, NOISE, X, points=20)), 8)
        assert schedules[3].lambdas.tolist() == alone.lambdas.tolist()


def test_unusable_requests_are_refused():
    teacher = Teacher(MIXTURE, NOISE, X, points=10)
    for kind in (GITS, KLUB):
        with pytest.raises(ArgumentError, match=r"nfe: expected fewer nodes than the table's 10 points.*got 10"):
            found(kind(teacher), 10)
        with pytest.raises(ArgumentError, match="objective: expected one with a value at any knots for strategy local"):
            found(kind(teacher), 4, strategy="local")
        with pytest.raises(ArgumentError, match="grid: expected continuous for TabulatedSum"):
            found(kind(teacher), 4, strategy="exact:grid=training")
    for kind in MEASURED:
        with pytest.raises(ArgumentError, match="noise: expected the teacher's noise schedule"):
            optimize(NoiseSchedule.cosine(), 4, objective=kind(teacher))
    with pytest.raises(ArgumentError, match="prediction"):
        found(GITS(Teacher(MIXTURE.eps, NOISE, X, prediction="noise")), 4)
    with pytest.raises(ArgumentError, match="gamma"):
        GITS(teacher, gamma=0)
    with pytest.raises(ArgumentError, match="seed"):
        KLUB(teacher, seed=-1)
