"""A calibration is what its images say, whatever they come in, and its file is the calibration."""

import dataclasses

import msgspec
import numpy as np
import pytest

import hso
from hso.calibrate import calibrate
from hso.errors import ArgumentError, FileError
from hso.models import sums_file
from hso.models.calibration import Calibration, from_sums
from hso.models.calibration_file import RECORD
from hso.models.gaussian import GaussianModel
from hso.models.recording import Plan, Sums, data_rows, group_of, record, start_rows
from hso.noise import NoiseSchedule
from hso.objectives.replay import Replay
from hso.schedule import CLEAN
from hso.solvers import make_solver

NOISE = NoiseSchedule.preset("sd1.5")
SCALE = float(np.hypot(NOISE.alpha_t(1.0), NOISE.sigma_t(1.0)))
SHAPE = (2, 8, 8)
MODEL = GaussianModel(0.3, np.linspace(0.01, 1.0, 128).reshape(SHAPE))
ARRAYS = [field.name for field in dataclasses.fields(Calibration) if field.type == "Array"]


def states(count=16, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape)) * SCALE


def measured(**changes):
    return calibrate(MODEL.x0, NOISE, states(), "sample", **{"points": 20, **changes})


@pytest.fixture(scope="module")
def calibration():
    return measured()


def same(first, second, **tolerance):
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), **tolerance)
    for one, other in zip(first.trials, second.trials, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def test_gram_matrices_are_those_of_what_was_recorded():
    plan = Plan(NOISE, "sample", 12)
    found = record(plan, MODEL.x0, states(9))
    bands = measured(points=12).bands
    calibration = calibrate(MODEL.x0, NOISE, states(9), "sample", points=12, bands=bands)
    vectors = [found.noise, *found.data]
    rows = [np.eye(1, plan.vectors)[0], *data_rows(12, plan.vectors)]
    rows += list(start_rows(12, plan.vectors)[1:])
    vectors += list(found.starts)
    for row, vector in zip(rows, vectors, strict=True):
        power = (bands.coefficients(vector) ** 2).mean(axis=0)
        mean = bands.coefficients(vector).mean(axis=0) ** 2
        for band, places in enumerate(bands.slices):
            assert row @ calibration.grams[band] @ row == pytest.approx(power[places].sum(), rel=1e-9)
            assert row @ calibration.mean_grams[band] @ row == pytest.approx(mean[places].sum(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("batch", [1, 5, 16])
def test_batches_do_not_matter(calibration, batch):
    found = measured(batch=batch, bands=calibration.bands)
    same(found, calibration, rtol=1e-6, atol=1e-9)
    assert found.calls == calibration.calls == 16 * 35


def test_sums_of_two_devices_are_the_sums_of_one(calibration):
    plan, parts = Plan(NOISE, "sample", 20), []
    for places in (range(6), range(6, 16)):
        parts.append(Sums.zeros(plan, calibration.bands))
        found = record(plan, MODEL.x0, states()[places.start : places.stop])
        parts[-1].add(plan, calibration.bands, found, group_of(np.asarray(places), 16))
    parts[0].merge(parts[1])
    same(from_sums(plan, calibration.bands, parts[0], SHAPE), calibration, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(7,), (1, 6, 6), (3, 8, 4), (4, 3, 6, 6)], ids=str)
def test_images_of_any_number_of_axes(shape):
    model = GaussianModel(0.0, np.full(shape, 0.25))
    found = calibrate(model.x0, NOISE, states(10, shape), "sample", points=10)
    assert found.shape == shape
    assert found.bands.sizes.sum() == np.prod(shape)
    function = Replay(found).on(NOISE, make_solver("unipc"), CLEAN)
    assert np.isfinite(function.value(np.linspace(-2.0, 3.0, 5)))


def test_tensors_give_what_arrays_give(calibration):
    torch = pytest.importorskip("torch")

    def network(x, node):
        assert x.dtype == torch.float32
        return torch.from_numpy(MODEL.x0(x.double().numpy(), node)).float()

    found = calibrate(network, NOISE, torch.from_numpy(states()).float(), "sample", points=20, bands=calibration.bands)
    np.testing.assert_allclose(found.grams, calibration.grams, atol=1e-4)


def test_a_file_is_the_calibration(calibration, tmp_path):
    path = tmp_path / "model.npz"
    calibration.save(path)
    found = hso.Calibration.load(path)
    same(found, calibration, rtol=0, atol=0)
    assert found.noise_fingerprint == NOISE.fingerprint
    assert (found.shape, found.images, found.calls) == (calibration.shape, calibration.images, calibration.calls)
    assert (found.convergence, found.agreement) == (calibration.convergence, calibration.agreement)
    assert dict(found.provenance) == dict(calibration.provenance)
    np.testing.assert_array_equal(found.bands.coefficients(states()), calibration.bands.coefficients(states()))


def test_a_file_of_latents_is_small(tmp_path):
    model = GaussianModel(0.0, np.full((4, 32, 32), 0.5))
    found = calibrate(model.x0, NOISE, states(8, (4, 32, 32)), "sample", batch=2)
    found.save(tmp_path / "latents.npz")
    # The Gram matrices do not grow with the image: those of 64 by 64 latents take as much.
    assert (tmp_path / "latents.npz").stat().st_size < 8e6


def edited(path, out, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    record = msgspec.json.decode(arrays[RECORD].tobytes())
    for name, value in changes.items():
        if name in arrays:
            arrays[name] = value(arrays[name])
        else:
            record[name] = value
    arrays[RECORD] = np.frombuffer(msgspec.json.encode(record), dtype=np.uint8)
    np.savez(out, **arrays)
    return out


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": "hso-schedule"}, "format"),
        ({"version": 99}, "version"),
        ({"bands": "wavelet"}, "bands"),
        ({"images": "many"}, "images"),
        ({"surprise": 1}, "surprise"),
        ({"lambdas": lambda values: values[::-1]}, "lambdas"),
        ({"states": lambda values: values * np.nan}, "states"),
        ({"grams": lambda values: values[:, :-1]}, "grams"),
        ({"trial_lambdas": lambda values: values[:-1]}, "cross"),
    ],
)
def test_a_changed_file_is_refused_by_the_field(calibration, tmp_path, changes, problem):
    calibration.save(tmp_path / "good.npz")
    with pytest.raises(FileError, match=problem):
        Calibration.load(edited(tmp_path / "good.npz", tmp_path / "bad.npz", **changes))


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 not an archive", b"\x80\x04N."])
def test_what_is_no_calibration_is_refused(tmp_path, content):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"other\.npz"):
        Calibration.load(path)
    with pytest.raises(FileError, match="no such file"):
        Calibration.load(tmp_path / "missing.npz")


class StoppedError(Exception):
    """Stands for a run that is killed."""


def stopping(after):
    calls = []

    def network(x, node):
        calls.append(node)
        if len(calls) > after:
            raise StoppedError
        return MODEL.x0(x, node)

    return network, calls


def test_a_stopped_run_goes_on_and_ends_with_the_same_numbers(calibration, tmp_path):
    whole = measured(batch=4)
    network, calls = stopping(80)
    with pytest.raises(StoppedError):
        calibrate(network, NOISE, states(), "sample", points=20, batch=4, folder=tmp_path)
    network, calls = stopping(10_000)
    found = calibrate(network, NOISE, states(), "sample", points=20, batch=4, folder=tmp_path)
    assert len(calls) == 2 * 35
    same(found, whole, rtol=0, atol=0)


def test_another_run_in_the_folder_is_refused(tmp_path):
    measured(folder=tmp_path)
    with pytest.raises(FileError, match="holds a calibration with points 20, not 21"):
        measured(folder=tmp_path, points=21)
    with pytest.raises(FileError, match="holds a calibration with guidance None, not 3"):
        measured(folder=tmp_path, guidance=3.0)
    with pytest.raises(FileError, match="holds a calibration with first_state "):
        calibrate(MODEL.x0, NOISE, states(seed=1), "sample", points=20, folder=tmp_path)
    (tmp_path / sums_file.NAME).write_bytes(b"damaged")
    with pytest.raises(FileError, match=r"sums\.npz"):
        measured(folder=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        measured(folder=tmp_path / "file")


def test_a_network_that_breaks_half_way_is_named_with_its_node():
    def network(x, node):
        return MODEL.x0(x, node) * (np.nan if 0 < node.lambda_ < 1 else 1.0)

    with pytest.raises(ArgumentError, match=r"finite output at node \d+ \(lambda = 0\.\d+\)"):
        calibrate(network, NOISE, states(), "sample", points=20)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ArgumentError, match="at least 8 images"):
        calibrate(MODEL.x0, NOISE, states(7), "sample", points=20)
    with pytest.raises(ArgumentError, match="points"):
        calibrate(MODEL.x0, NOISE, states(), "sample", points=3)
    with pytest.raises(ArgumentError, match="prediction"):
        calibrate(MODEL.x0, NOISE, states(), "score", points=20)
    with pytest.raises(ArgumentError, match="batch of states"):
        calibrate(MODEL.x0, NOISE, 3.0, "sample", points=20)


def test_a_teacher_that_has_not_converged_says_so(calibration):
    coarse = measured(points=8)
    assert "has not converged" in coarse.caution
    assert calibration.caution == ""
    # The estimate against the truth: the exact solution of the model.
    for found in (coarse, calibration):
        plan = Plan(NOISE, "sample", len(found.lambdas))
        run = record(plan, MODEL.x0, states())
        exact = MODEL.solve(states(), found.lambdas[0], np.inf, NOISE)
        error = np.sqrt(((run.data[-1] - exact) ** 2).sum(axis=(1, 2, 3)).mean() / found.powers.sum())
        assert found.convergence == pytest.approx(error, rel=0.75)


def test_trials_on_gaussian_data_are_foretold():
    found = measured(points=40)
    assert found.agreement == pytest.approx(1.0, abs=0.1)


def test_progress_is_told_after_each_batch():
    told = []
    measured(batch=6, progress=lambda done, images: told.append((done, images)))
    assert told == [(6, 16), (12, 16), (16, 16)]
