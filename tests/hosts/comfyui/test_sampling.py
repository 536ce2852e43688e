"""What ComfyUI's sampling classes mean."""

import math

import numpy as np
import pytest
import torch
from benchmarks import comfyui_doubles as doubles

import hso
from hso.errors import HostError
from hso.hosts.comfyui import Run, read_sampling, sigmas_of
from hso.hosts.comfyui.runs import schedule_of

KINDS = doubles.every_sampling()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("denoise", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_the_network_is_told_the_nodes_of_the_schedule(kind, steps, denoise):
    model_sampling, run = KINDS[kind], Run(steps, denoise=denoise)
    sampling = read_sampling(model_sampling)
    sigmas, schedule = sigmas_of(sampling, run), schedule_of(sampling, run)
    told = model_sampling.timestep(torch.FloatTensor(sigmas[:-1])).double().numpy()
    wanted = schedule.network_timesteps * sampling.unit
    # Whole timesteps are met as such, other numbers to the rounding of float32.
    assert told == pytest.approx(wanted, rel=0 if sampling.table is not None else 3e-7, abs=3e-7)
    assert len(sigmas) == steps + 1
    assert sigmas[-1] == 0
    assert np.all(np.diff(sigmas) < 0)


def test_a_discrete_model_is_the_preset_that_it_is():
    sampling, preset = read_sampling(KINDS["discrete, eps"]), hso.NoiseSchedule.preset("sd1.5")
    t = np.linspace(*preset.t_range, 50)
    assert sampling.noise.lambda_(t) == pytest.approx(preset.lambda_(t), abs=1e-6)
    assert sampling.table is not None


def test_the_shift_of_flux_is_the_logarithm_of_the_other_shift():
    ratio = doubles.combined(doubles.ModelSamplingDiscreteFlow, doubles.CONST, math.exp(1.15))
    flux, other = (read_sampling(each).noise for each in (KINDS["flux, mu 1.15"], ratio))
    assert flux.fingerprint == other.fingerprint


def test_stable_cascade_is_the_cosine_schedule_whose_signal_is_weaker_by_the_shift():
    noise, cosine = read_sampling(KINDS["Stable Cascade"]).noise, hso.NoiseSchedule.cosine(train_steps=None)
    t = np.linspace(0.05, 0.95, 40)
    assert noise.lambda_(t) == pytest.approx(cosine.lambda_(t) - math.log(2.0), abs=2e-5)
    # The network is told the time at which the schedule without shift has this noise level.
    assert noise.timestep_of_time(t) == pytest.approx(cosine.time(noise.lambda_(t)), abs=1e-5)
    assert noise.time_of_timestep(noise.timestep_of_time(t)) == pytest.approx(t, abs=1e-9)


def test_cosmos_is_a_flow_model_with_the_sigmas_of_edm():
    sampling = read_sampling(KINDS["Cosmos"])
    schedule = schedule_of(sampling, Run(6))
    assert schedule.path.name == "flow"
    assert sampling.sigmas(schedule)[:-1] == pytest.approx(schedule.sigmas.tolist())
    assert schedule.network_timesteps == pytest.approx(schedule.flow_sigmas)


def test_the_noisiest_sigma_is_the_one_that_comfyui_holds():
    sampling = read_sampling(KINDS["flux, mu 1.15"])
    schedule = hso.SamplingSchedule.from_times(sampling.noise, [1.0, 0.5])
    assert sampling.sigmas(schedule)[0] == 1.0


@pytest.mark.parametrize(
    ("sampling", "prediction", "named"),
    [
        (doubles.ModelSamplingDiscreteDistilled, doubles.LCM, "ModelSamplingDiscreteDistilled"),
        (doubles.ModelSamplingDiscrete, doubles.LCM, "LCM"),
        (doubles.ModelSamplingDiscrete, doubles.IMG_TO_IMG, "IMG_TO_IMG"),
    ],
)
def test_distilled_and_image_to_image_classes_are_refused_by_name(sampling, prediction, named):
    with pytest.raises(HostError, match=f"^{named}: cannot take a schedule: the model"):
        read_sampling(doubles.combined(sampling, prediction))


def test_a_class_of_another_kind_is_refused_by_name():
    with pytest.raises(HostError, match=r"^object: is no sampling class that this library knows"):
        read_sampling(object())
    with pytest.raises(HostError, match="ModelSamplingDiscreteFlow with EPS: expected CONST"):
        read_sampling(doubles.combined(doubles.ModelSamplingDiscreteFlow, doubles.EPS))


def test_a_patch_that_takes_the_sigmas_away_is_noticed():
    model_sampling = doubles.combined(doubles.ModelSamplingDiscrete, doubles.EPS)
    del model_sampling.sigmas
    with pytest.raises(HostError, match="has no sigmas"):
        read_sampling(model_sampling)


def test_a_patch_that_changes_what_is_told_is_noticed():
    class Patched(doubles.ModelSamplingDiscreteFlow):
        def timestep(self, sigma):
            return sigma**2 * self.multiplier

    with pytest.raises(HostError, match=r"tells its network .* was model_sampling patched"):
        read_sampling(doubles.combined(Patched, doubles.CONST))


def test_a_shift_that_no_model_has_is_refused():
    model_sampling = doubles.combined(doubles.ModelSamplingDiscreteFlow, doubles.CONST)
    model_sampling.shift = 0.0
    with pytest.raises(HostError, match="cannot be read as ModelSamplingDiscreteFlow: shift: expected a number"):
        read_sampling(model_sampling)
