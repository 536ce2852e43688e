"""The sampling loop: same result in every array library, and one clear line when something is wrong."""

import weakref

import numpy as np
import pytest

from hso.errors import ArgumentError
from hso.models.gaussian import GaussianModel
from hso.solvers import DDIM, Heun, UniPC, sample

X = np.random.default_rng(0).normal(size=(2, 3))


def network(x, node):
    return x / (1 + x**2) + node.alpha


def test_torch_and_numpy_give_the_same(noise, solver, make_schedule):
    torch = pytest.importorskip("torch")
    schedule = make_schedule(noise, 6)
    expected = sample(solver, network, noise, schedule, X)
    found = sample(solver, network, noise, schedule, torch.from_numpy(X))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_precision_is_kept(solver, discrete, make_schedule):
    torch = pytest.importorskip("torch")
    schedule = make_schedule(discrete, 6)
    assert sample(solver, network, discrete, schedule, X.astype(np.float32)).dtype == np.float32
    for dtype in (torch.float32, torch.bfloat16):
        assert sample(solver, network, discrete, schedule, torch.from_numpy(X).to(dtype)).dtype == dtype


def test_gradients_pass_through(solver, discrete, make_schedule):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(X).requires_grad_()
    sample(solver, network, discrete, make_schedule(discrete, 4), x).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad != 0).any()


def test_every_prediction_of_one_model_gives_one_sample(noise, solver, terminal, make_schedule):
    model = GaussianModel(mean=np.array([0.4, -0.7, 1.1]), variance=np.array([0.3, 1.7, 0.8]))
    schedule = make_schedule(noise, 6, terminal)
    predictions = {"epsilon": model.eps, "sample": model.x0, "v_prediction": model.v, "flow_prediction": model.flow}
    found = [sample(solver, f, noise, schedule, X, prediction=name) for name, f in predictions.items()]
    np.testing.assert_allclose(found, [found[0]] * 4, rtol=1e-9, atol=1e-9)


def test_the_network_is_called_once_for_each_nfe(solver, discrete, make_schedule):
    schedule, calls = make_schedule(discrete, 7), []
    sample(solver, lambda x, node: calls.append(node) or x, discrete, schedule, X)
    assert len(calls) == solver.nfe(schedule.nfe)


def test_the_callback_sees_every_call(discrete, make_schedule):
    schedule, seen = make_schedule(discrete, 4), []
    found = sample(DDIM(), network, discrete, schedule, X, callback=lambda *event: seen.append(event))
    assert [node.index for node, _, _ in seen] == [0, 1, 2, 3]
    assert seen[-1][1] is found
    np.testing.assert_allclose(seen[-1][2], found)


@pytest.mark.parametrize(("solver", "kept"), [(DDIM(), 1), (Heun(), 2), (UniPC(2), 3), (UniPC(3), 4)], ids=repr)
def test_no_more_outputs_are_kept_than_needed(discrete, make_schedule, solver, kept):
    outputs, most = [], 0

    def count(node, x, data):
        nonlocal most
        outputs.append(weakref.ref(data))
        most = max(most, sum(output() is not None for output in outputs))

    sample(solver, network, discrete, make_schedule(discrete, 12), X, callback=count)
    assert most == kept


def test_the_input_is_not_changed(solver, discrete, make_schedule):
    x = X.copy()
    sample(solver, network, discrete, make_schedule(discrete, 4), x)
    assert np.array_equal(x, X)


def test_noise_is_drawn_once_for_each_step_that_uses_it(discrete, make_schedule):
    drawn = []

    def draw(x):
        drawn.append(x.shape)
        return np.ones_like(x)

    sample(DDIM(eta=1.0), network, discrete, make_schedule(discrete, 5), X, noise_source=draw)
    assert drawn == [X.shape] * 4  # the last step lands on the clean sample
    sample(DDIM(), network, discrete, make_schedule(discrete, 5), X, noise_source=draw)
    assert len(drawn) == 4


def test_ancestral_sampling_without_a_source_of_noise_is_refused(discrete, make_schedule):
    with pytest.raises(ArgumentError, match=r"noise_source: .*eta=1\.0.* is stochastic"):
        sample(DDIM(eta=1.0), network, discrete, make_schedule(discrete, 5), X)


def test_an_unknown_prediction_is_refused(discrete, make_schedule):
    with pytest.raises(ArgumentError, match="did you mean 'epsilon'"):
        sample(DDIM(), network, discrete, make_schedule(discrete, 5), X, prediction="epsilo")


def test_a_schedule_for_another_model_is_refused(discrete, linear, make_schedule):
    with pytest.raises(ArgumentError, match="schedule: expected a sampling schedule made for"):
        sample(DDIM(), network, discrete, make_schedule(linear, 5), X)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_output_that_is_not_finite_names_the_node(discrete, make_schedule, bad):
    torch = pytest.importorskip("torch")

    def broken(x, node):
        return x * bad if node.index == 2 else x

    for x in (X, torch.from_numpy(X)):
        with pytest.raises(ArgumentError, match=r"model: expected finite output at node 2 \(lambda = ") as caught:
            sample(DDIM(), broken, discrete, make_schedule(discrete, 5), x)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("output", [np.zeros((2, 6)), (X,), None], ids=["learned variance", "tuple", "nothing"])
def test_output_of_another_shape_is_refused(discrete, make_schedule, output):
    with pytest.raises(ArgumentError, match=r"model: expected an output of shape \(2, 3\) at node 0"):
        sample(DDIM(), lambda x, node: output, discrete, make_schedule(discrete, 5), X)


def test_a_state_that_is_no_array_is_refused(discrete, make_schedule):
    with pytest.raises(ArgumentError, match="x: expected an array or a tensor"):
        sample(DDIM(), network, discrete, make_schedule(discrete, 5), [0.0, 1.0])
