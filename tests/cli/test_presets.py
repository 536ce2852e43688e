"""hso presets."""

from __future__ import annotations

import json

import pytest

from hso.noise import NoiseSchedule, presets
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
    assert record["sigma_max"] == pytest.approx(float(noise.sigmas(1.0)))
    assert NoiseSchedule.from_config(record["config"]).fingerprint == noise.fingerprint


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
    assert json.loads(hso("presets wan2.2 --json").out)["boundary_time"] == pytest.approx(0.7, abs=1e-6)


def test_why_a_distilled_model_is_no_preset_is_said(hso):
    code, out, err = hso("presets sdxl-turbo")
    assert (code, out) == (2, "")
    assert refusals()["sdxl-turbo"].refused in err
