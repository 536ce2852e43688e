"""The extension for A1111 and its kin, over doubles of the modules that it imports."""

import dataclasses
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks import comfyui_doubles as doubles

import hso
from hso.errors import ArgumentError, HostError
from hso.hosts.comfyui import Run, read_sampling, sigmas_of

SCRIPT = Path(__file__).parents[3] / "integrations" / "webui" / "scripts" / "hso_webui.py"
SD, FLUX = (doubles.every_sampling()[kind] for kind in ("discrete, eps", "flux, mu 1.15"))
DROPS_ONE = ("DPM2",)


@dataclasses.dataclass
class Scheduler:
    name: str
    label: str
    function: Any
    default_rho: float = -1
    need_inner_model: bool = False
    aliases: list | None = None


def schedulers_double():
    module: Any = ModuleType("modules.sd_schedulers")
    module.Scheduler = Scheduler
    module.schedulers = [Scheduler("automatic", "Automatic", None), Scheduler("flat", "Flat", flat)]
    module.schedulers_map = {name: each for each in module.schedulers for name in (each.name, each.label)}
    return module


def flat(n, sigma_min, sigma_max, device):
    return torch.cat([torch.linspace(sigma_max, sigma_min, n), torch.zeros(1)])


@pytest.fixture
def options():
    return SimpleNamespace(img2img_fix_steps=False)


@pytest.fixture
def modules(monkeypatch, options):
    """Doubles of the program's modules."""

    def setup_img2img_steps(p, steps=None):
        if options.img2img_fix_steps or steps is not None:
            asked = steps or p.steps
            return int(asked / min(p.denoising_strength, 0.999)), asked - 1
        return p.steps, int(min(p.denoising_strength, 0.999) * p.steps)

    package: Any = ModuleType("modules")
    parts = {
        "scripts": SimpleNamespace(Script=object, AlwaysVisible=object()),
        "sd_samplers_common": SimpleNamespace(setup_img2img_steps=setup_img2img_steps),
        "sd_schedulers": schedulers_double(),
        "shared": SimpleNamespace(device="cpu"),
    }
    monkeypatch.setitem(sys.modules, "modules", package)
    for name, part in parts.items():
        setattr(package, name, part)
        monkeypatch.setitem(sys.modules, f"modules.{name}", part)
    return package


def load():
    spec = importlib.util.spec_from_file_location("hso_webui", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def extension(modules):
    return load()


class Program:
    """What the program does in one pass: which sigmas a sampler gets."""

    def __init__(self, modules, model_sampling, **settings):
        table = model_sampling.sigmas
        defaults = {
            "steps": 8,
            "scheduler": "HSO",
            "sampler_name": "DPM++ 2M",
            "denoising_strength": None,
            "hr_second_pass_steps": 0,
            "hr_scheduler": None,
            "init_images": None,
            "is_hr_pass": False,
            "sampler": SimpleNamespace(model_wrap=SimpleNamespace(sigmas=table)),
            "sampler_noise_scheduler_override": None,
            "extra_generation_params": {},
        }
        self.p = SimpleNamespace(**{**defaults, **settings})
        self._modules, self._table = modules, table

    def sigmas(self, steps):
        p = self.p
        dropped = p.sampler_name in DROPS_ONE
        name = (p.hr_scheduler or p.scheduler) if p.is_hr_pass else p.scheduler
        if p.sampler_noise_scheduler_override:
            found = p.sampler_noise_scheduler_override(steps + dropped)
        else:
            entry = self._modules.sd_schedulers.schedulers_map[name]
            extra = {"inner_model": p.sampler.model_wrap} if entry.need_inner_model else {}
            ends = {"sigma_min": float(self._table[0]), "sigma_max": float(self._table[-1])}
            found = entry.function(n=steps + dropped, **ends, **extra, device="cpu")
        return torch.cat([found[:-2], found[-1:]]) if dropped else found

    def image_to_image(self, requested=None):
        total, last = self._modules.sd_samplers_common.setup_img2img_steps(self.p, requested)
        return self.sigmas(total)[total - last - 1 :]


def best(model_sampling, steps, denoise=1.0, sampler="dpmpp_2m"):
    found = torch.FloatTensor(sigmas_of(read_sampling(model_sampling), Run(steps, sampler, denoise))).tolist()
    # A table of sigmas gives the shift to the rounding of float32; entries of a table are met as they are.
    return pytest.approx(found, rel=1e-6) if model_sampling is FLUX else found


def test_the_schedule_type_is_in_the_lists_once(modules, extension):
    load()
    assert [each.label for each in modules.sd_schedulers.schedulers] == ["Automatic", "Flat", "HSO"]
    assert modules.sd_schedulers.schedulers_map["HSO"] is modules.sd_schedulers.schedulers_map["hso"]


def test_a_program_that_hides_schedulers_has_a_second_list(modules):
    modules.sd_schedulers.all_schedulers = list(modules.sd_schedulers.schedulers)
    load()
    assert modules.sd_schedulers.all_schedulers[-1].label == modules.sd_schedulers.schedulers[-1].label == "HSO"


@pytest.mark.parametrize("model", [SD, FLUX], ids=["sd", "flux"])
@pytest.mark.parametrize("sampler", ["DPM++ 2M", "DPM2", "Euler a"])
@pytest.mark.parametrize("steps", [2, 5, 20])
def test_text_to_image_runs_the_nodes_of_the_schedule(modules, extension, model, sampler, steps):
    program = Program(modules, model, steps=steps, sampler_name=sampler)
    extension.HSOScript().process_batch(program.p)
    assert program.sigmas(steps).tolist() == best(model, steps)
    assert program.p.extra_generation_params == {"Schedule type": "HSO"}


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("sampler", ["DPM++ 2M", "DPM2"])
@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_image_to_image_runs_a_schedule_of_its_own_from_the_strength(
    modules, extension, options, strength, sampler, fixed
):
    options.img2img_fix_steps = fixed
    program = Program(
        modules, SD, steps=10, sampler_name=sampler, denoising_strength=strength, init_images=["an image"]
    )
    extension.HSOScript().process_batch(program.p)
    run = 10 if fixed else int(min(strength, 0.999) * 10) + 1
    sigmas = program.image_to_image()
    assert sigmas.tolist() == best(SD, run, strength)
    assert SD.timestep(sigmas[:1]).item() == pytest.approx(1000 * strength - 1, abs=41)


def test_the_second_pass_has_its_own_schedule_and_its_own_type(modules, extension):
    script = extension.HSOScript()
    program = Program(modules, SD, steps=8, denoising_strength=0.5, hr_second_pass_steps=4)
    script.process_batch(program.p)
    assert program.sigmas(8).tolist() == best(SD, 8)
    program.p.is_hr_pass = True
    script.before_hr(program.p)
    assert program.image_to_image(4).tolist() == best(SD, 4, 0.5)
    # With another schedule type in the second pass, nothing of this extension is left in it.
    program.p.hr_scheduler = "Flat"
    script.before_hr(program.p)
    assert program.p.sampler_noise_scheduler_override is None
    # And the next batch begins with the first pass again.
    program.p.is_hr_pass = False
    script.process_batch(program.p)
    assert program.sigmas(8).tolist() == best(SD, 8)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("HSO", None, {"Schedule type": "HSO"}),
        ("HSO", "HSO", {"Schedule type": "HSO"}),
        ("Flat", "HSO", {"Schedule type": "Flat", "Hires schedule type": "HSO"}),
    ],
)
def test_the_information_of_a_picture_names_the_schedule_type_of_each_pass(modules, extension, first, second, said):
    program = Program(modules, SD, scheduler=first, hr_scheduler=second, denoising_strength=0.5, hr_second_pass_steps=4)
    script = extension.HSOScript()
    script.process_batch(program.p)
    program.sigmas(8)
    # The program itself names the types that are its own.
    program.p.extra_generation_params.setdefault("Schedule type", first)
    program.p.is_hr_pass = True
    script.before_hr(program.p)
    program.image_to_image(4)
    assert program.p.extra_generation_params == said


def test_other_schedule_types_and_overrides_are_left_alone(modules, extension):
    program = Program(modules, SD, scheduler="Flat")
    extension.HSOScript().process_batch(program.p)
    assert program.p.sampler_noise_scheduler_override is None
    own = program.p.sampler_noise_scheduler_override = lambda steps: None
    extension.HSOScript().process_batch(program.p)
    assert program.p.sampler_noise_scheduler_override is own


def test_the_schedule_type_alone_serves_a_whole_run(modules, extension):
    program = Program(modules, FLUX, steps=6)
    assert program.sigmas(6).tolist() == best(FLUX, 6)


def test_what_a_model_cannot_do_is_one_line(modules, extension):
    edm = doubles.combined(doubles.ModelSamplingContinuousEDM, doubles.EDM)
    with pytest.raises(HostError, match=r"^webui: the model's sigmas cannot be read: sigmas: .*log-uniform"):
        Program(modules, edm).sigmas(8)
    program = Program(modules, SD, steps=2000)
    with pytest.raises(
        ArgumentError, match=r"^steps: expected a number of steps that this model has room for, got 2000"
    ):
        program.sigmas(2000)
    strange = SimpleNamespace(sigmas=torch.linspace(0.01, 0.9, 1000) ** 3)
    with pytest.raises(HostError, match="rectified flow with a shift"):
        Program(modules, strange).sigmas(8)


def test_a_text_schedule_and_the_extension_agree(modules, extension):
    """What ``hso convert --to a1111`` prints runs the same sigmas as the extension."""
    program = Program(modules, SD, steps=5)
    schedule = hso.SamplingSchedule.from_timesteps(
        hso.NoiseSchedule.preset("sd1.5"), SD.timestep(program.sigmas(5)[:-1]).double().numpy()
    )
    assert np.allclose(schedule.sigmas, program.sigmas(5)[:-1].numpy(), rtol=1e-5)


@pytest.mark.skipif("HSO_WEBUI" not in os.environ, reason="HSO_WEBUI names no installation")
def test_the_real_file_of_schedule_types_takes_the_entry(modules, monkeypatch):
    sampling: Any = ModuleType("sampling")
    # Its schedule types are functions of k-diffusion, which this test does not call.
    sampling.__getattr__ = lambda name: flat
    for name in ("k_diffusion", "k_diff", "k_diff.k_diffusion"):
        package: Any = ModuleType(name)
        package.sampling, package.k_diffusion = sampling, package
        monkeypatch.setitem(sys.modules, name, package)
        monkeypatch.setitem(sys.modules, f"{name}.sampling", sampling)
    # reForge asks which samplers it runs with.
    modules.shared.opts = SimpleNamespace(sd_sampling="A1111")
    path = Path(os.environ["HSO_WEBUI"]) / "modules" / "sd_schedulers.py"
    spec = importlib.util.spec_from_file_location("modules.sd_schedulers", path)
    real = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "modules.sd_schedulers", real)
    spec.loader.exec_module(real)
    modules.sd_schedulers = real
    load()
    assert real.schedulers[-1].label == "HSO"
    assert Program(modules, SD, steps=7).sigmas(7).tolist() == best(SD, 7)
