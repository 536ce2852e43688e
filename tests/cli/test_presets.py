"""hso presets."""

from __future__ import annotations

import json

import pytest

from hso.noise import NoiseSchedule, presets
from hso.noise.config import read_mapping
from hso.noise.presets import refusals


def test_the_table_has_every_preset_and_its_source(hso):
    code, out, err = hso("presets")
    assert (code, err) == (0, "")
    for preset in presets().values():
        assert preset.name in out
        assert preset.source in out
    assert "0.02917 .. 14.61" in out


def test_json_lists_all_presets(hso):
    assert [record["name"] for record in json.loads(hso("presets --json").out)] == list(presets())


@pytest.mark.parametrize("name", list(presets()))
def test_json_of_one_preset_gives_its_range_and_constants(hso, name):
    record = json.loads(hso("presets --json", name).out)
    noise = NoiseSchedule.preset(name)
    assert record["fingerprint"] == noise.fingerprint
    assert record["sigma_max"] == pytest.approx(float(noise.sigmas(noise.t_range[1])))
    clock, path = read_mapping(record["config"], pipeline=record["pipeline"] or "")
    assert NoiseSchedule(clock, path, name).fingerprint == noise.fingerprint
    assert record["default_rule"] == presets()[name].default_rule


def test_one_preset_is_shown_with_its_constants(hso):
    out = hso("presets sdxl").out
    assert "Stable Diffusion XL" in out
    assert "0.00085" in out


def test_the_table_has_what_is_known_of_the_models_and_why_others_are_refused(hso):
    out = hso("presets").out
    line = next(line for line in out.splitlines() if "Stable Diffusion XL 1.0" in line)
    assert [word in line for word in ("latent", "5.0", "euler")] == [True] * 3
    for refusal in refusals().values():
        assert refusal.name in out
        assert refusal.refused in out


def test_a_model_of_two_networks_is_shown_with_its_boundary(hso):
    out = hso("presets wan2.2").out
    assert "boundary" in out
    assert "0.875" in out
    assert json.loads(hso("presets wan2.2 --json").out)["boundary_time"] == pytest.approx(7 / 19, abs=1e-6)


def test_why_a_distilled_model_is_no_preset_is_said(hso):
    code, out, err = hso("presets sdxl-turbo")
    assert (code, out) == (2, "")
    assert refusals()["sdxl-turbo"].refused in err


VAE = {"vae": ["diffusers", "AutoencoderKLWan"], "transformer": ["diffusers", "WanTransformer3DModel"]}


def folder(path, index, config):
    (path / "scheduler").mkdir(parents=True)
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    (path / "model_index.json").write_text(json.dumps(index))
    return path


def shipped(preset, **changes):
    """What a folder with the preset's own pipeline holds."""
    index = {"_class_name": preset.pipeline, **(VAE if preset.space == "latent" else {"unet": ["diffusers", "UNet"]})}
    return {**index, **({"boundary_ratio": preset.boundary} if preset.boundary else {})}, {**preset.config, **changes}


@pytest.mark.parametrize("name", [name for name, preset in presets().items() if preset.pipeline])
def test_a_folder_like_its_preset_has_no_differences(hso, tmp_path, name):
    path = folder(tmp_path / "model", *shipped(presets()[name]))
    assert hso("presets", name, "--check", path) == (0, f"{name}: the same noise levels, 0 differences\n", "")


def test_the_preset_is_found_by_the_pipeline_and_what_differs_is_said(hso, tmp_path):
    """Wan 2.2 as its conversion ships it: shift 3 instead of the official 12, so the noise levels of Wan 2.1."""
    path = folder(tmp_path / "model", *shipped(presets()["wan2.2"], flow_shift=3.0))
    found = json.loads(hso("presets --json wan2.2 --check", path).out)
    assert found == {
        "preset": "wan2.2",
        "same_noise": False,
        "differences": [{"what": "flow_shift", "preset": 12.0, "found": 3.0}],
    }
    code, out, _ = hso("presets wan2.2 --check", path)
    assert code == 1
    assert "flow_shift: preset 12.0, found 3.0" in out
    assert "note: The conversion for diffusers ships flow shift 3" in out
    assert json.loads(hso("presets --json --check", path).out)["preset"] == "wan2.1"


def test_a_default_that_a_configuration_leaves_out_is_no_difference(hso, tmp_path):
    config = {"_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012}
    config |= {"beta_schedule": "scaled_linear", "timestep_spacing": "leading", "steps_offset": 1, "clip_sample": False}
    path = folder(tmp_path / "model", {"_class_name": "StableDiffusionXLPipeline", **VAE}, config)
    assert hso("presets --check", path).out.startswith("sdxl: the same noise levels, 0 differences")


def test_another_spacing_is_another_default_rule(hso, tmp_path):
    path = folder(tmp_path / "model", *shipped(presets()["sdxl"], timestep_spacing="trailing"))
    out = hso("presets --check", path).out
    assert "sdxl: the same noise levels, 2 differences" in out
    assert "default_rule: preset leading, found trailing" in out


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ({"_class_name": "NobodysPipeline"}, "expected a folder whose pipeline a preset has, got 'NobodysPipeline'"),
        (None, "expected a diffusers folder with model_index.json"),
    ],
)
def test_what_cannot_be_compared_is_one_line(hso, tmp_path, index, problem):
    path = folder(tmp_path / "model", index or {}, presets()["sd3"].config)
    if index is None:
        (path / "model_index.json").unlink()
    code, out, err = hso("presets --check", path)
    assert (code, out) == (2, "")
    assert problem in err


def test_a_model_on_the_hub_is_read_from_there(hso, tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    path = folder(tmp_path / "snapshot", *shipped(presets()["sd3"]))
    monkeypatch.setattr(hub, "hf_hub_download", lambda repo, name: str(path / name))
    assert hso("presets --check someone/sd3").out.startswith("sd3: the same noise levels, 0")


def test_a_name_that_is_neither_a_folder_nor_a_model_is_one_line(hso):
    pytest.importorskip("huggingface_hub")
    code, out, err = hso("presets --check", "not a name/at all/here")
    assert (code, out) == (2, "")
    assert "expected a diffusers folder or a model on the hub" in err
    assert len(err.splitlines()) == 1


def test_values_of_a_folder_do_not_reach_the_terminal_as_they_are(hso, tmp_path):
    config = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "prediction_type": "\x1b[31mred"}
    path = folder(tmp_path / "model", {"_class_name": "StableDiffusionPipeline"}, config)
    out = hso("presets --check", path).out
    assert "found \\x1b[31mred" in out
    assert "\x1b" not in out
