"""What is judged starts from noise of its own for each image, and knows its data."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import hso
from hso.comparison.subjects import SUBJECTS, SubjectSettings, load_subject
from hso.comparison.subjects.features import folder_moments, pixels
from hso.models.bundled import digits_folder
from hso.objectives.frechet import frechet_distance
from hso.rules import rule_schedule

EXACT = ("gaussian", "mixture", "digits-empirical")


@pytest.fixture(scope="module", params=[*EXACT, "digits@3"])
def subject(request):
    return load_subject(SubjectSettings(request.param))


def save_images(folder, images):
    image = pytest.importorskip("PIL.Image")
    folder.mkdir(exist_ok=True)
    for index, values in enumerate(images):
        image.fromarray(values).save(folder / f"{index:03}.png")


def test_noise_depends_on_the_seed_and_the_image_alone(subject):
    whole, part = subject.begin(range(6)).noise, subject.begin(range(4, 6)).noise
    assert np.array_equal(np.asarray(whole)[4:], np.asarray(part))
    assert len(np.unique(np.asarray(whole)[:, ..., 0].reshape(6, -1)[:, 0])) == 6


def test_samples_have_features_and_pictures(subject):
    schedule = rule_schedule("uniform_lambda", subject.noise, 3)
    images = subject.sample("ddim", schedule, subject.begin(range(4)))
    features, pictures = subject.features(images), subject.pictures(images)
    assert features.dtype == np.float64
    assert features.shape == (4, len(subject.moments.mean))
    assert pictures.dtype == np.uint8
    assert pictures.ndim == 3


@pytest.mark.parametrize("name", EXACT)
def test_many_steps_reach_the_data_of_an_exact_model(name):
    subject = load_subject(SubjectSettings(name))
    few, many = (
        subject.sample("dpmpp_2m", rule_schedule("uniform_lambda", subject.noise, n), subject.begin(range(500)))
        for n in (3, 60)
    )
    near, far = (
        frechet_distance(rows.mean(axis=0), np.cov(rows.T), *subject.moments)
        for rows in (subject.features(many), subject.features(few))
    )
    assert near < far


def test_data_have_the_moments_that_are_known(subject):
    rows = subject.data()
    mean, covariance = rows.mean(axis=0), np.cov(rows.T)
    assert frechet_distance(mean, covariance, *subject.moments) < 2e-3 * np.trace(covariance)
    if subject.name.startswith("digits"):
        np.testing.assert_allclose(mean, subject.moments.mean, atol=1e-6)


def test_the_optimizer_is_told_how_the_model_is_guided():
    traits = [load_subject(SubjectSettings(name)).noise.traits for name in ("gaussian", "digits", "digits@3")]
    assert [each.space for each in traits] == ["pixel"] * 3
    assert [each.guidance for each in traits] == [1.0, 1.0, 3.0]


def test_labels_follow_the_images():
    subject = load_subject(SubjectSettings("digits"))
    assert subject.period == 10
    node = type("Node", (), {"t": 0.3})
    x = subject.begin(range(2)).noise
    three = subject.network(range(3, 5))(x, node)
    assert np.allclose(three, subject.network(range(13, 15))(x, node))
    assert not np.allclose(three, subject.network(range(4, 6))(x, node), atol=1e-3)


def test_a_folder_of_the_bundled_layout_is_the_bundled_model(tmp_path):
    shutil.copytree(digits_folder(), tmp_path / "mine")
    mine, bundled = (load_subject(SubjectSettings(str(m))) for m in (tmp_path / "mine", "digits"))
    schedule = rule_schedule("trailing", mine.noise, 2)
    images = [each.sample("ddim", schedule, each.begin(range(2))) for each in (mine, bundled)]
    assert np.array_equal(*images)
    assert np.array_equal(mine.moments.mean, bundled.moments.mean)


def test_a_model_without_classes_and_data_of_a_folder(tmp_path):
    diffusers = pytest.importorskip("diffusers")
    size = {"sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": (8, 8), "norm_num_groups": 4}
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, "layers_per_block": 1}
    pipe = diffusers.DDPMPipeline(diffusers.UNet2DModel(**size, **blocks), diffusers.DDPMScheduler())
    pipe.save_pretrained(tmp_path / "model")
    real = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    save_images(tmp_path / "data", real)
    settings = SubjectSettings(str(tmp_path / "model"), features="pixels", data=tmp_path / "data")
    subject = load_subject(settings)
    np.testing.assert_allclose(subject.moments.mean, real.reshape(20, -1).mean(axis=0) / 127.5 - 1)
    schedule = rule_schedule("trailing", subject.noise, 2)
    assert subject.features(subject.sample("ddim", schedule, subject.begin(range(3)))).shape == (3, 64)
    with pytest.raises(hso.ArgumentError, match="guidance"):
        load_subject(SubjectSettings(str(tmp_path / "model"), guidance=3.0, features="pixels"))


def test_moments_of_a_folder_are_those_of_its_images(tmp_path):
    real = np.random.default_rng(0).integers(0, 256, (70, 2, 2), dtype=np.uint8)
    save_images(tmp_path / "data", real)
    mean, covariance = folder_moments(tmp_path / "data", pixels("cpu"))
    rows = real.reshape(70, 4) / 127.5 - 1
    np.testing.assert_allclose(mean, rows.mean(axis=0))
    np.testing.assert_allclose(covariance, np.cov(rows.T), rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": "gausian"}, "did you mean 'gaussian'"),
        ({"model": "./absent"}, "expected a diffusers pipeline folder, found nothing"),
        ({"model": "digits@much"}, "digits@G with a number G"),
        ({"model": "digits@"}, "digits@G with a number G"),
        ({"model": "digits@3", "guidance": 7.0}, "guidance: expected none with digits@3, which says it"),
        ({"model": "gaussian@3"}, "guidance: expected 1 for gaussian"),
        ({"model": "gaussian", "features": "inception"}, "features: expected pixels"),
        ({"model": "gaussian", "features": "sound"}, "features: expected one of"),
        ({"model": "gaussian", "device": "cuda"}, "device: expected cpu for gaussian"),
        ({"model": "mixture", "data": Path("d")}, "data: expected none for mixture"),
        ({"model": "gaussian", "captions": Path("c")}, "captions: expected none for gaussian"),
        ({"model": "digits", "captions": Path("c")}, "captions: expected none for digits"),
        ({"model": "digits", "data": Path("d")}, "data: expected none for digits in its own features"),
        ({"model": "digits", "device": "meta"}, "device: expected a device that this machine has"),
        ({"model": "digits", "device": "cuda"}, "device: expected a device that this machine has"),
        ({"model": "digits", "device": "abacus"}, "device: expected a device that this machine has"),
    ],
)
def test_what_cannot_be_judged_is_named(settings, says):
    torch = pytest.importorskip("torch")
    if settings.get("device") == "cuda" and settings["model"] == "digits" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(hso.HSOError, match=says):
        load_subject(SubjectSettings(**settings))


def test_folders_that_hold_no_pipeline_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("nothing")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "model_index.json").write_text(json.dumps({"unet": ["diffusers", "UNet3D"]}))
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "model_index.json").write_text("[]")
    folders = {
        "empty": "an empty folder",
        "other": "model_index.json",
        "strange": "UNet2DModel",
        "list": "a JSON object",
    }
    for name, says in folders.items():
        with pytest.raises(hso.FileError, match=says):
            load_subject(SubjectSettings(str(tmp_path / name)))


@pytest.mark.parametrize("part", ["classifier/model.safetensors", "reference_features.npz"])
def test_features_that_cannot_be_read_are_named(tmp_path, part):
    shutil.copytree(digits_folder(), tmp_path / "mine")
    (tmp_path / "mine" / part).write_bytes(b"damaged")
    with pytest.raises(hso.FileError, match="mine: cannot load classifier and reference_features"):
        load_subject(SubjectSettings(str(tmp_path / "mine")))


def test_images_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(hso.FileError, match="found nothing"):
        folder_moments(tmp_path / "absent", pixels("cpu"))
    with pytest.raises(hso.FileError, match="found none"):
        folder_moments(tmp_path, pixels("cpu"))
    save_images(tmp_path / "data", np.zeros((2, 4, 4), np.uint8))
    whole = (tmp_path / "data" / "000.png").read_bytes()
    for damaged in (b"no image", whole[:40], whole.replace(b"IDAT", b"IDOT")):
        (tmp_path / "data" / "zz.png").write_bytes(damaged)
        with pytest.raises(hso.FileError, match=r"zz\.png: cannot read the image"):
            folder_moments(tmp_path / "data", pixels("cpu"))
    save_images(tmp_path / "single", np.zeros((1, 4, 4), np.uint8))
    with pytest.raises(hso.FileError, match="a single one"):
        folder_moments(tmp_path / "single", pixels("cpu"))
    # More than are read together.
    save_images(tmp_path / "sizes", np.zeros((64, 4, 4), np.uint8))
    pytest.importorskip("PIL.Image").fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "sizes" / "zz.png")
    with pytest.raises(hso.FileError, match="like its neighbours"):
        folder_moments(tmp_path / "sizes", pixels("cpu"))


def test_too_few_images_for_an_interval_are_refused():
    with pytest.raises(hso.ArgumentError, match="samples: expected at least 50, 10 labels 5 times each, got 40"):
        load_subject(SubjectSettings("digits")).check_samples(40)


def test_exact_subjects_show_images_in_grey():
    assert set(EXACT) < set(SUBJECTS)
    assert math.isqrt(load_subject(SubjectSettings("gaussian")).shape[0]) == 8
