"""The published schedules are the published numbers, and nothing is made of them in silence."""

import re
import warnings

import numpy as np
import pytest

from hso import ArgumentError, NoiseSchedule, SamplingSchedule
from hso.rules import TABLES, rule_schedule

AYS = {
    "ays_sd15": ("StableDiffusionSigmas", "StableDiffusionTimesteps"),
    "ays_sdxl": ("StableDiffusionXLSigmas", "StableDiffusionXLTimesteps"),
}


@pytest.fixture(scope="module")
def diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers")


@pytest.mark.parametrize("rule", AYS)
def test_ays_is_that_of_diffusers(sd, diffusers, rule):
    from diffusers.schedulers import AysSchedules

    sigmas, timesteps = (AysSchedules[name] for name in AYS[rule])
    schedule = rule_schedule(rule, sd, 10)
    # Printed to three decimals, so that its first noise level is a little above the model's.
    assert schedule.sigmas.tolist() == pytest.approx(sigmas[:-1], abs=5e-4)
    assert schedule.sigmas[1:].tolist() == pytest.approx(sigmas[1:-1], rel=1e-12)
    # The two prints of one schedule disagree by up to one timestep.
    assert np.abs(schedule.timesteps - timesteps).max() <= 1
    assert not schedule.provenance["interpolated"]


def test_ays_lands_in_diffusers_as_it_is(sd, diffusers):
    schedule = rule_schedule("ays_sd15", sd, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
        scheduler.set_timesteps(sigmas=[*schedule.sigmas, 0.0])
    assert scheduler.timesteps.tolist() == pytest.approx(schedule.fractional_timesteps.tolist(), abs=0.1)


def test_the_video_table_is_that_of_diffusers(diffusers):
    from diffusers.schedulers import AysSchedules

    schedule = rule_schedule("ays_svd", NoiseSchedule.edm(0.002, 700.0), 10, "t_min")
    assert schedule.sigmas.tolist() == pytest.approx(AysSchedules["StableDiffusionVideoSigmas"][:-1])
    assert np.exp(-schedule.terminal) == pytest.approx(0.002)


@pytest.mark.parametrize("nfe", [1, 4, 5, 7, 20, 100])
def test_other_numbers_of_steps_are_interpolated_and_say_so(sd, nfe):
    schedule = rule_schedule("ays_sd15", sd, nfe)
    row = TABLES["ays_sd15"].rows[10]
    places = np.arange(nfe) * 10 / nfe
    below = np.minimum(places.astype(int), 9)
    part = places - below
    expected = np.array(row)[below] ** (1 - part) * np.array(row)[below + 1] ** part
    assert schedule.sigmas == pytest.approx(expected, rel=1e-4)
    assert schedule.provenance["interpolated"]
    assert schedule.nfe == nfe


def test_five_steps_are_every_second_of_ten(sd):
    assert np.allclose(rule_schedule("ays_sdxl", sd, 5).lambdas, rule_schedule("ays_sdxl", sd, 10).lambdas[::2])


def test_gits_was_found_on_a_hundred_equal_steps_of_the_training_indices(sd):
    places = [rule_schedule("gits_sd15", sd, nfe).fractional_timesteps / 9.99 for nfe in range(2, 21)]
    values = np.concatenate(places)
    assert np.allclose(values, np.round(values), atol=1e-3)
    assert [len(place) for place in places] == list(range(2, 21))


@pytest.mark.parametrize(
    ("nfe", "interior"),
    [
        (4, [2.363, 0.922, 0.366]),
        (5, [2.845, 1.242, 0.595, 0.251]),
        (6, [5.855, 2.050, 0.954, 0.456, 0.170]),
        (8, [5.855, 2.451, 1.370, 0.803, 0.456, 0.251, 0.098]),
        (10, [5.855, 2.845, 1.671, 1.089, 0.748, 0.501, 0.321, 0.199, 0.098]),
    ],
)
def test_gits_rows(sd, nfe, interior):
    schedule = rule_schedule("gits_sd15", sd, nfe, "t_min")
    assert schedule.sigmas.tolist() == pytest.approx([14.6146, *interior], abs=6e-4)
    assert np.exp(-schedule.terminal) == pytest.approx(0.0292, abs=5e-5)
    assert not schedule.provenance["interpolated"]


def test_gits_is_not_interpolated(sd):
    listed = "nfe: expected a number of steps that gits_sd15 has: 2, 3, 4, 5, .*, 20, got 21"
    with pytest.raises(ArgumentError, match=listed):
        rule_schedule("gits_sd15", sd, 21)


@pytest.mark.parametrize(
    ("rule", "noise"),
    [("ays_svd", NoiseSchedule.linear_vp()), ("ays_sd15", NoiseSchedule.cosine(s=0.3))],
    ids=["too noisy", "too clean"],
)
def test_a_table_that_reaches_beyond_the_noise_schedule_is_refused(rule, noise):
    row = TABLES[rule].rows[10]
    expected = f"noise: expected a schedule that reaches from sigma {row[0]:g} to {row[-1]:g}, got"
    with pytest.raises(ArgumentError, match=f"{re.escape(expected)}.*{noise.name[:5]}.*made for {TABLES[rule].title}"):
        rule_schedule(rule, noise, 10)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_are_well_formed(table):
    assert "http" in table.source
    for nfe, row in table.rows.items():
        assert len(row) == nfe + 1
        assert np.all(np.diff(row) < 0)


def test_provenance_survives_a_file(sd, tmp_path):
    schedule = rule_schedule("ays_sd15", sd, 6)
    schedule.save(tmp_path / "s.json")
    assert dict(SamplingSchedule.load(tmp_path / "s.json").provenance) == dict(schedule.provenance)
