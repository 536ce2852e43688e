"""Text-to-image pipelines are judged through their own call, with the schedule attached."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from benchmarks import tiny_pipelines  # noqa: E402
from benchmarks.recording import make_scheduler  # noqa: E402

import hso  # noqa: E402
from hso.evaluation.compare import compare  # noqa: E402
from hso.evaluation.plan import Settings  # noqa: E402
from hso.evaluation.subjects import SubjectSettings, load_subject, text_to_image  # noqa: E402
from hso.evaluation.subjects.text_to_image import TextToImage  # noqa: E402
from hso.rules import rule_schedule  # noqa: E402


def embedded(prompt, device, images, guided, *_args, **_kwargs):
    """What stands in for the text encoder: embeddings that depend on the prompt's letters."""
    found = [torch.full((1, 4, 16), sum(map(ord, text)) % 7 / 7) for text in prompt]
    return torch.cat(found), torch.zeros(len(prompt), 4, 16)


@pytest.fixture
def captions(tmp_path):
    path = tmp_path / "captions.txt"
    path.write_text("".join(f"a picture of {name}\n" for name in "abcdefghijkl"))
    return path


@pytest.fixture
def subject(captions):
    pipe = tiny_pipelines.stable_diffusion(make_scheduler("DDIMScheduler"))
    pipe.encode_prompt = embedded
    settings = SubjectSettings("tiny", guidance=3.0, features="pixels", captions=captions)
    return TextToImage("tiny", pipe, settings)


@pytest.mark.parametrize("solver", ["ddim", "unipc", "dpmpp_2m", "euler"])
def test_images_depend_on_their_index_and_caption_alone(subject, solver):
    schedule = rule_schedule("uniform_lambda", subject.noise, 3)
    whole = subject.sample(solver, schedule, subject.begin(range(4)))
    part = subject.sample(solver, schedule, subject.begin(range(2, 4)))
    np.testing.assert_allclose(whole[2:], part, atol=1e-4)
    assert np.abs(whole[0] - whole[1]).max() > 1e-3
    assert whole.shape[0] == 4
    assert np.abs(whole).max() <= 1


def test_the_schedule_is_what_the_network_is_told(subject):
    told = []
    subject.pipe.unet.register_forward_pre_hook(
        lambda module, args, kwargs: told.append(float(args[1])), with_kwargs=True
    )
    schedule = hso.optimize(subject.noise, 4, solver="ddim").schedule
    subject.sample("ddim", schedule, subject.begin(range(1)))
    np.testing.assert_allclose(told, schedule.fractional_timesteps, atol=1e-3)


def test_a_comparison_of_a_pipeline(subject, captions, tmp_path, monkeypatch):
    monkeypatch.setattr("hso.evaluation.compare.load_subject", lambda settings: subject)
    names = ("trailing", "hso_exact", "gits")
    settings = Settings(subject.settings, ("ddim", "unipc"), (2,), names, samples=10, reference_nfe=4, batch=5)
    outcome = compare(settings, tmp_path / "run")
    assert len(outcome.rows) == 4
    assert outcome.metrics == ("reference", "error")
    assert [refusal.name for refusal in outcome.plan.refused] == ["gits"]


def test_captions_must_be_there_and_enough(subject, tmp_path, captions):
    with pytest.raises(hso.ArgumentError, match=r"captions: expected 13 lines at least.*got '12 lines'"):
        subject.check_samples(13)
    subject.check_samples(12)
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    for path, says in ((None, "a file with one prompt"), (tmp_path / "no", "cannot read"), (empty, "found none")):
        with pytest.raises(hso.HSOError, match=says):
            TextToImage("tiny", subject.pipe, SubjectSettings("tiny", features="pixels", captions=path))


def test_captions_and_data_must_be_as_many(subject, tmp_path, captions):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "data").mkdir()
    image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "data" / "only.png")
    settings = SubjectSettings("tiny", features="pixels", captions=captions, data=tmp_path / "data")
    with pytest.raises(hso.FileError, match=r"expected 1 captions, one for each image of .*, found 12"):
        TextToImage("tiny", subject.pipe, settings)


def test_a_folder_that_is_no_pipeline_is_named(tmp_path, captions):
    (tmp_path / "model_index.json").write_text('{"text_encoder": ["x", "y"], "_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(hso.FileError, match="cannot load a pipeline"):
        load_subject(SubjectSettings(str(tmp_path), captions=captions, features="pixels"))
    assert set(text_to_image.SCHEDULERS) >= {"ddim", "unipc", "dpmpp_2m"}
