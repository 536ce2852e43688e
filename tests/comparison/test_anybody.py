"""Anybody's network: a function of a state and a node, and the states it starts from."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import hso
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings
from hso.comparison.subjects.base import normal
from hso.models.gaussian import GaussianModel
from hso.solvers import UniPC

COUNT, SHAPE = 60, (3, 4, 4)
FEW = {"solvers": ["ddim"], "budgets": [3], "schedules": ["trailing", "edm"], "reference_nfe": 20, "resamples": 20}


@pytest.fixture(scope="module")
def noise():
    return hso.NoiseSchedule.preset("sd1.5")


@pytest.fixture(scope="module")
def x():
    """Colour images of 4 x 4 pixels."""
    return np.random.default_rng(0).standard_normal((COUNT, *SHAPE))


def shrink(x, node):
    """The perfect network of data with the standard deviation 0.5: the mean of x0 given x."""
    return x * 0.25 * node.alpha / (0.25 * node.alpha**2 + node.sigma**2)


@pytest.fixture(scope="module")
def outcome(noise, x, tmp_path_factory):
    folder = tmp_path_factory.mktemp("anybody") / "run"
    return hso.compare(shrink, noise, x, prediction="sample", **FEW, name="mine", folder=folder)


def test_the_outcome_is_that_of_the_command_for_the_same_model_and_noise(noise, tmp_path):
    settings = SubjectSettings("gaussian")
    command = compare(
        ComparisonSettings(settings, ("ddim", "dpmpp_2m"), (3, 4), ("trailing", "arctan"), samples=COUNT, batch=COUNT),
        tmp_path,
        resamples=20,
    )
    model = GaussianModel.power_law(8)
    # Unit noise is what the command's subject begins with on a variance-preserving path.
    states = normal(settings.seed, range(COUNT), (64,))
    found = hso.compare(
        model.x0,
        noise,
        states,
        prediction="sample",
        solvers=["ddim", "dpmpp_2m"],
        budgets=[3, 4],
        schedules=["trailing", "arctan"],
        data=model.sample(500, np.random.default_rng(0)),
        resamples=20,
    )
    assert found.cells == command.cells
    for ours, theirs in zip(found.rows, command.rows, strict=True):
        assert ours.names == theirs.names
        for metric in ("reference", "error"):
            np.testing.assert_allclose(
                ours.figures[metric].interval(), theirs.figures[metric].interval(), rtol=1e-6, atol=1e-9
            )
        assert ours.figures["data"].value > 0


def test_a_schedule_starts_from_x_at_the_noisiest_time(x):
    edm = hso.NoiseSchedule.edm(sigma_max=80)
    seen = []

    def watched(states, node):
        seen.append((node.sigma, states))
        return shrink(states, node)

    schedules = {**FEW, "schedules": ["uniform_lambda"]}
    hso.compare(watched, edm, 80 * x, prediction="sample", **schedules)
    states = next(states for sigma, states in seen if sigma == pytest.approx(80))
    np.testing.assert_allclose(states, 80 * x, rtol=2e-4)


def test_the_whole_report_is_written(outcome, tmp_path):
    written = outcome.write(tmp_path / "report")
    assert [path.name for path in written] == ["comparison.json", "comparison.csv", "report.html"]
    html = written[2].read_text()
    assert "mine" in html
    assert 'alt="samples"' in html
    assert outcome.pictures(outcome.rows[0]).shape == (10, 4, 4, 3)
    assert outcome.write()[0].parent == outcome.store.folder


def test_a_folder_keeps_the_run_of_these_states_only(outcome, noise, x):
    folder = outcome.store.folder
    calls = []
    again = hso.compare(
        lambda *words: calls.append(words), noise, x, prediction="sample", **FEW, name="mine", folder=folder
    )
    assert not calls
    assert again.rows[0].figures["error"].value == outcome.rows[0].figures["error"].value
    with pytest.raises(hso.FileError, match="holds a run with x"):
        hso.compare(shrink, noise, 2 * x, prediction="sample", **FEW, name="mine", folder=folder)


def test_without_a_folder_nothing_is_left_behind(noise, x):
    found = hso.compare(shrink, noise, x, prediction="sample", **FEW)
    folder = found.store.folder
    assert found.pictures(found.rows[0]).size
    del found
    gc.collect()
    assert not folder.exists()


def test_states_that_are_no_images_are_compared_without_pictures(noise):
    x = np.random.default_rng(0).standard_normal((COUNT, 5))
    found = hso.compare(shrink, noise, x, prediction="sample", **FEW)
    assert "no images that can be shown" in found.write()[2].read_text()


def test_tensors_stay_tensors_and_keep_no_gradients(noise, x):
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.ones(()))
    seen = []

    def network(states, node):
        found = weight * shrink(states, node)
        seen.append((states.dtype, found.requires_grad))
        return found

    states = torch.tensor(x, dtype=torch.float32)
    found = hso.compare(network, noise, states, prediction="sample", **{**FEW, "schedules": ["trailing", "gits"]})
    assert set(seen) == {(torch.float32, False)}
    assert sum(len(row.names) for row in found.rows) == 2


def test_features_and_data_may_be_anybodys_too(noise, x):
    def means(images):
        return images.mean(axis=(2, 3))

    real = 0.5 * np.random.default_rng(1).standard_normal((300, *SHAPE))
    with_images, with_rows = (
        hso.compare(shrink, noise, x, prediction="sample", **FEW, features=means, data=data)
        for data in (real, means(real))
    )
    assert with_images.features == 3
    assert with_images.metrics == ("reference", "data", "error")
    for first, second in zip(with_images.rows, with_rows.rows, strict=True):
        assert first.figures["data"].value == second.figures["data"].value


def test_a_network_that_knows_all_labels_is_called_with_all_states(noise, x):
    labels = np.arange(COUNT) % 2

    def conditional(states, node):
        assert len(states) == COUNT
        return shrink(states, node) + labels[:, None, None, None]

    found = hso.compare(conditional, noise, x, prediction="sample", **{**FEW, "solvers": [UniPC(order=2)]})
    assert found.cells == [("unipc:order=2", 3)]


def test_batches_go_through_the_network_one_after_the_other(noise, x):
    sizes = []

    def network(states, node):
        sizes.append(len(states))
        return shrink(states, node)

    split = hso.compare(network, noise, x, prediction="sample", **FEW, batch=25)
    assert set(sizes) == {25, 10}
    whole = hso.compare(shrink, noise, x, prediction="sample", **FEW)
    for first, second in zip(split.rows, whole.rows, strict=True):
        assert first.figures["error"].value == pytest.approx(second.figures["error"].value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model": 3}, "model: expected a function of a state and a node"),
        ({"noise": "sd1.5"}, "noise: expected a NoiseSchedule"),
        ({"x": [1.0]}, "x: expected an array or a tensor"),
        ({"x": np.ones((3, 4))}, "x: expected an array .* with at least 10 states, got 'shape \\(3, 4\\)'"),
        ({"prediction": "x0"}, "prediction: expected one of"),
        ({"features": "sound"}, "features: expected one of"),
        ({"features": lambda images: images[0]}, "features: expected 60 rows for as many images"),
        ({"data": np.ones((5, 2, 2))}, "data: expected images of shape \\(n, 3, 4, 4\\), or rows of features"),
        ({"also": ["kid"]}, "also: expected data"),
        ({"solvers": ["ddim", "ddim"]}, "solver: expected each of them once"),
        ({"schedules": ["traling"]}, "did you mean 'trailing'"),
        ({"resamples": 0}, "resamples: expected an integer from 10"),
        ({"model": lambda x, node: x[:1]}, "model: expected an output of shape"),
        ({"model": lambda x, node: np.nan * x}, "model: expected"),
    ],
)
def test_what_is_unusable_is_named(noise, x, changed, says):
    given = {"model": shrink, "noise": noise, "x": x, "prediction": "sample", **FEW, **changed}
    with pytest.raises(hso.ArgumentError, match=says):
        hso.compare(**given)
