"""A teacher's trajectory is the ODE's, whatever the network predicts and whatever arrays it takes."""

import math

import numpy as np
import pytest

from hso import ArgumentError, SamplingSchedule
from hso.comparison.contestants import PEERS
from hso.models.exact import scales_at
from hso.models.mixture import GaussianMixture, Guided
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.rules import Span

MIXTURE = GaussianMixture([2, 1], [[-1.0, 0.5, 0.0], [0.8, 0.0, -0.4]], [[0.01, 0.3, 0.1], [0.2, 0.05, 0.02]])
NOISE = NoiseSchedule.linear_vp()
START = float(NOISE.lambda_(1.0))
X = MIXTURE.noisy(24, scales_at(START, NOISE), np.random.default_rng(0))


def test_its_states_solve_the_ode():
    path = Teacher(MIXTURE, NOISE, X, points=400).trajectory
    for point in (100, 200, 300, 399):
        lambda_ = float(path.lambdas[point])
        solution = MIXTURE.solve(X, START, lambda_, NOISE) / scales_at(lambda_, NOISE).alpha
        np.testing.assert_allclose(path.states[point], solution, atol=5e-3)
    np.testing.assert_allclose(path.end, MIXTURE.solve(X, START, math.inf, NOISE), atol=5e-3)


def test_slopes_are_the_networks_noise():
    path = Teacher(MIXTURE, NOISE, X, points=10).trajectory
    for states, slopes, sigma in zip(path.states, path.slopes, path.sigmas, strict=True):
        level = type(scales_at(0.0, NOISE))(1.0, float(sigma))
        np.testing.assert_allclose(slopes, MIXTURE.eps(states, level), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", PEERS)
def test_a_network_may_predict_anything_and_take_tensors_of_any_shape(name):
    torch = pytest.importorskip("torch")
    expected = PEERS[name](Teacher(MIXTURE, NOISE, X, points=30), 5, "clean")

    def network(x, node):
        return torch.from_numpy(MIXTURE.v(x.numpy().reshape(-1, 3), node)).reshape(x.shape)

    tensor = torch.from_numpy(X).reshape(-1, 1, 3)
    found = PEERS[name](Teacher(network, NOISE, tensor, prediction="v_prediction", points=30), 5, "clean")
    np.testing.assert_allclose(found.lambdas, expected.lambdas, rtol=1e-9)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("noise", [NOISE, NoiseSchedule.edm(), NoiseSchedule.rectified_flow()])
@pytest.mark.parametrize("nfe", [1, 2, 5, 10])
def test_every_peer_gives_a_valid_schedule_on_every_path(name, noise, nfe):
    lambda_ = float(noise.lambda_(0.98))
    x = MIXTURE.noisy(8, scales_at(lambda_, noise), np.random.default_rng(1))
    teacher = Teacher(MIXTURE, noise, x, points=31, span=Span(t_max=0.98))
    clean, landing = (PEERS[name](teacher, nfe, terminal) for terminal in ("clean", "t_min"))
    assert clean.nfe == landing.nfe == nfe
    assert clean.lambdas[0] == landing.lambdas[0] == pytest.approx(lambda_)
    assert landing.terminal == pytest.approx(float(noise.lambda_(noise.t_range[0])))
    assert clean.ends_clean


@pytest.mark.parametrize("name", PEERS)
def test_guided_models_are_models(name):
    teacher = Teacher(Guided(MIXTURE.given([0]), MIXTURE, 4.0), NOISE, X, points=31)
    assert PEERS[name](teacher, 5, "clean").nfe == 5


def test_schedules_say_where_they_come_from_and_survive_a_file(tmp_path):
    schedule = PEERS["gits"](Teacher(MIXTURE, NOISE, X, points=20), 4, "clean")
    assert schedule.provenance["method"] == "gits"
    assert schedule.provenance["gamma"] == 1.15
    assert (schedule.provenance["batch"], schedule.provenance["points"]) == (24, 20)
    schedule.save(tmp_path / "s.json")
    assert SamplingSchedule.load(tmp_path / "s.json") == schedule


def test_the_network_is_called_no_more_than_it_says():
    calls = []

    def network(x, node):
        calls.append(node.index)
        return MIXTURE.eps(x, node)

    teacher = Teacher(network, NOISE, X, points=20)
    PEERS["gits"](teacher, 4, "clean")
    PEERS["gits"](teacher, 5, "clean")
    assert calls == list(range(20))
    for name, further in (("score_optimal", 19), ("klub", 20)):
        before = len(calls)
        found = [PEERS[name](teacher, nfe, "clean") for nfe in (4, 5, 6, 8, 10)]
        assert len(calls) == before + further
        alone = PEERS[name](Teacher(network, NOISE, X, points=20), 8, "clean")
        assert found[3].lambdas.tolist() == alone.lambdas.tolist()


def test_unusable_requests_are_refused():
    with pytest.raises(ArgumentError, match="rule: expected one of"):
        Teacher(MIXTURE, NOISE, X, rule="trailing")
    with pytest.raises(ArgumentError, match="points: expected an integer from 3"):
        Teacher(MIXTURE, NOISE, X, points=2)
    with pytest.raises(ArgumentError, match="x: expected a batch of states"):
        Teacher(MIXTURE, NOISE, np.ones(3))
    for peer in PEERS.values():
        with pytest.raises(ArgumentError, match=r"nfe: expected an integer from 1 to 9, got 10 \(the teacher has 10"):
            peer(Teacher(MIXTURE, NOISE, X, points=10), 10, "clean")
        with pytest.raises(ArgumentError, match="terminal: expected one of"):
            peer(Teacher(MIXTURE, NOISE, X, points=10), 4, "zero")
    with pytest.raises(ArgumentError, match="prediction"):
        PEERS["gits"](Teacher(MIXTURE.eps, NOISE, X, prediction="noise"), 4, "clean")
    with pytest.raises(ArgumentError, match="gamma"):
        PEERS["gits"](Teacher(MIXTURE, NOISE, X), 4, "clean", gamma=0.0)
