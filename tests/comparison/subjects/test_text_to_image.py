"""Text-to-image pipelines are judged through their own call, with the schedule attached."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from benchmarks import tiny_pipelines  # noqa: E402
from benchmarks.recording import make_scheduler  # noqa: E402

import hso  # noqa: E402
from hso.comparison.subjects import SubjectSettings, load_subject, text_to_image  # noqa: E402
from hso.comparison.subjects.text_to_image import TextToImage, read_captions  # noqa: E402
from hso.rules import rule_schedule  # noqa: E402
from hso.solvers import make_solver, sample  # noqa: E402


def embedded(prompt, device, images, guided, *_args, **_kwargs):
    """What stands in for the text encoder: embeddings that depend on the prompt's letters."""
    found = [torch.full((1, 4, 16), sum(map(ord, text)) % 7 / 7) for text in prompt]
    return torch.cat(found), torch.zeros(len(prompt), 4, 16)


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


def drawn_here(subject, solver, schedule, start):
    """The same images, by this library's own solver on the pipeline's network and decoder."""
    pipe, guidance = subject.pipe, subject.settings.guidance
    wanted, plain = embedded([subject.captions[i] for i in start.images], None, 1, True)

    def network(x, node):
        t = torch.tensor(float(subject.noise.timestep_of_time(node.t)))
        unguided, guided = (pipe.unet(x, t, encoder_hidden_states=text).sample for text in (plain, wanted))
        return unguided + guidance * (guided - unguided)

    noise = [torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(seed)) for seed in start.noise]
    with torch.inference_mode():
        latents = sample(make_solver(solver), network, subject.noise, schedule, torch.cat(noise))
        images = pipe.vae.decode(latents.float() / pipe.vae.config.scaling_factor).sample
    return images.clamp(-1, 1).permute(0, 2, 3, 1).numpy()


def test_clean_states_have_the_features_of_the_images_that_the_pipeline_makes_of_them(subject):
    schedule = rule_schedule("uniform_lambda", subject.noise, 3)
    start = subject.begin(range(2))
    images, latents = subject.sample("ddim", schedule, start), []
    decode = subject.pipe.vae.decode
    subject.pipe.vae.decode = lambda x, *_, **options: latents.append(x) or decode(x, **options)
    subject.sample("ddim", schedule, start)
    subject.pipe.vae.decode = decode
    states = latents[0] * subject.pipe.vae.config.scaling_factor
    np.testing.assert_allclose(subject.state_features(states), subject.features(images), atol=2e-4)
    with pytest.raises(hso.ArgumentError, match=r"features: expected bands for tiny.*packs its states"):
        subject.state_features(states.flatten(2))


@pytest.mark.parametrize("terminal", ["t_min", "clean"])
@pytest.mark.parametrize("solver", ["unipc", "ddim"])
def test_the_last_step_lands_where_the_schedule_says(subject, solver, terminal):
    start = subject.begin(range(2))
    for nfe in (1, 4):
        schedule = hso.optimize(subject.noise, nfe, solver=solver, terminal=terminal).schedule
        images = subject.sample(solver, schedule, start)
        np.testing.assert_allclose(images, drawn_here(subject, solver, schedule, start), atol=2e-4)


def test_pixart_is_called_like_stable_diffusion(captions):
    pipe = tiny_pipelines.pixart(make_scheduler("DPMSolverMultistepScheduler", solver_type="midpoint"))
    # The least size that the pipeline knows.
    pipe.transformer.register_to_config(sample_size=32)
    mask = torch.ones(2, 4)

    def encoded(prompt, *_args, **_kwargs):
        wanted, plain = embedded(prompt, None, 1, True)
        return wanted, mask[: len(prompt)], plain, mask[: len(prompt)]

    pipe.encode_prompt = encoded
    subject = TextToImage("tiny", pipe, SubjectSettings("tiny", guidance=4.5, features="pixels", captions=captions))
    schedule = hso.optimize(subject.noise, 2, solver="unipc").schedule
    told = []
    pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: told.append(float(kwargs["timestep"][0])), with_kwargs=True
    )
    images = subject.sample("unipc", schedule, subject.begin(range(2)))
    np.testing.assert_allclose(told, schedule.fractional_timesteps, atol=1e-3)
    assert images.shape == (2, 64, 64, 3)
    assert np.abs(images[0] - images[1]).max() > 1e-3


def test_captions_must_be_there_and_enough(subject, tmp_path, captions):
    captions.write_text("\n  \n".join(["", *subject.captions, ""]))
    assert read_captions(subject.settings) == subject.captions
    with pytest.raises(hso.ArgumentError, match=r"captions: expected 13 lines at least.*got '12 lines'"):
        subject.check_samples(13)
    subject.check_samples(12)
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    for path, says in ((None, "a file with one prompt"), (tmp_path / "no", "cannot read"), (empty, "found none")):
        with pytest.raises(hso.HSOError, match=says):
            read_captions(SubjectSettings("tiny", captions=path))


def test_captions_and_data_must_be_as_many(tmp_path, captions):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "data").mkdir()
    image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "data" / "only.png")
    settings = SubjectSettings("tiny", captions=captions, data=tmp_path / "data")
    with pytest.raises(hso.FileError, match=r"expected 1 captions, one for each image of .*, found 12"):
        read_captions(settings)


def test_a_folder_that_is_no_pipeline_is_named(tmp_path, captions):
    (tmp_path / "model_index.json").write_text('{"text_encoder": ["x", "y"], "_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(hso.FileError, match="cannot load a pipeline"):
        load_subject(SubjectSettings(str(tmp_path), captions=captions, features="pixels"))
    assert set(text_to_image.SCHEDULERS) >= {"ddim", "unipc", "dpmpp_2m"}


def test_other_prompts_are_another_subject(subject, captions):
    before = subject.identity
    captions.write_text("\n".join(reversed(subject.captions)))
    after = TextToImage("tiny", subject.pipe, subject.settings).identity
    assert before.keys() == after.keys() == {"prompts"}
    assert before != after
