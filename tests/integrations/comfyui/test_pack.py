"""The node pack, over doubles of ComfyUI."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import comfyui_doubles as doubles

import hso
from hso.errors import ArgumentError, FileError, HostError
from hso.hosts.comfyui import Run, read_sampling, sigmas_of

FOLDER = Path(__file__).parents[3] / "integrations" / "comfyui"
KINDS = doubles.every_sampling()
ASKED = {"steps": 6, "solver": "euler", "denoise": 1.0, "start_sigma": 0.0, "cfg": 0.0}


def run(nodes, name, *arguments, **asked):
    return nodes[name].execute(*arguments, **{**ASKED, **asked}).args


@pytest.mark.parametrize("kind", KINDS)
def test_the_scheduler_returns_the_sigmas_of_the_run(nodes, model_of, kind):
    (sigmas,) = run(nodes, "HSOScheduler", model_of(KINDS[kind]), denoise=0.6)
    expected = sigmas_of(read_sampling(KINDS[kind]), Run(6, "euler", 0.6))
    assert sigmas.dtype == torch.float32
    assert sigmas.tolist() == torch.FloatTensor(expected).tolist()


def test_every_call_returns_a_new_tensor(nodes, model_of):
    model = model_of(KINDS["discrete, eps"])
    (first,), (second,) = (run(nodes, "HSOScheduler", model) for _ in range(2))
    first[-1] = 0.001  # as UniPC does in ComfyUI
    assert second[-1] == 0


def test_a_run_can_begin_at_a_sigma(nodes, model_of):
    (sigmas,) = run(nodes, "HSOScheduler", model_of(KINDS["discrete flow, shift 3"]), start_sigma=0.5)
    assert sigmas[0] == 0.5


def test_experts_give_two_lists_that_meet(nodes, model_of):
    asked = {"boundary": 0.875, "least": 2}
    high, low = run(nodes, "HSOExperts", model_of(KINDS["discrete flow, shift 12"]), **asked)
    assert len(high) + len(low) == 6 + 2
    assert high[-1] == low[0]
    assert min(len(high), len(low)) >= 3


def test_a_schedule_file_is_chosen_in_the_folder_of_the_pack(nodes, host, model_of):
    schedule = hso.SamplingSchedule.from_timesteps(hso.NoiseSchedule.preset("sd1.5"), [959, 500, 100])
    schedule.save(host.models / "hso" / "three.json")
    choice = nodes["HSOScheduleFile"].define_schema().inputs[1]
    assert choice.options == ["three.json"]
    model = model_of(KINDS["discrete, eps"])
    before = nodes["HSOScheduleFile"].fingerprint_inputs(schedule="three.json", model=model)
    (sigmas,) = nodes["HSOScheduleFile"].execute(model, "three.json").args
    assert KINDS["discrete, eps"].timestep(sigmas[:-1]).tolist() == [959, 500, 100]
    hso.SamplingSchedule.from_timesteps(hso.NoiseSchedule.preset("sd1.5"), [959, 100]).save(
        host.models / "hso" / "three.json"
    )
    assert nodes["HSOScheduleFile"].fingerprint_inputs(schedule="three.json", model=model) != before


def test_a_calibration_of_the_folder_makes_the_schedule(nodes, host, model_of):
    noise = hso.NoiseSchedule.preset("sd1.5")
    x = np.random.default_rng(0).standard_normal((8, 1, 4, 4))

    def network(state, node):
        return state * float(np.exp(noise.log_sigma(noise.lambda_(node.t))))

    calibration = hso.calibrate(network, noise, x, points=12)
    calibration.save(host.models / "hso" / "tiny.calibration")
    assert nodes["HSOCalibrated"].define_schema().inputs[1].options == ["tiny.calibration"]
    inputs = nodes["HSOCalibrated"].define_schema().inputs
    assert next(each for each in inputs if each.id == "solver").options == ["auto", *host.samplers.SAMPLER_NAMES]
    model = model_of(KINDS["discrete, eps"])
    sigmas, sampler = run(nodes, "HSOCalibrated", model, "tiny.calibration", solver="ddim")
    expected = sigmas_of(read_sampling(KINDS["discrete, eps"]), Run(6, "ddim", calibration=calibration))
    assert sigmas.tolist() == torch.FloatTensor(expected).tolist()
    assert sampler.name == "ddim"
    _, sampler = run(nodes, "HSOCalibrated", model, "tiny.calibration", solver="auto")
    assert sampler.name in host.samplers.SAMPLER_NAMES
    with pytest.raises(ArgumentError, match="solver: expected auto or one of"):
        run(nodes, "HSOCalibrated", model, "tiny.calibration", solver="res_multistep")


def test_a_damaged_file_is_one_line(nodes, host, model_of):
    model = model_of(KINDS["discrete, eps"])
    for name in ("a.json", "a.calibration"):
        (host.models / "hso" / name).write_bytes(b"\x00\x01 nothing of the kind")
    with pytest.raises(FileError) as schedule:
        nodes["HSOScheduleFile"].execute(model, "a.json")
    with pytest.raises(FileError) as calibration:
        run(nodes, "HSOCalibrated", model, "a.calibration")
    assert all("\n" not in str(error.value) for error in (schedule, calibration))
    with pytest.raises(FileNotFoundError):
        nodes["HSOScheduleFile"].execute(model, "../../secret.json")


def test_what_a_model_cannot_do_is_one_line(nodes, model_of):
    with pytest.raises(HostError, match=r"^IMG_TO_IMG: cannot take a schedule"):
        run(nodes, "HSOScheduler", model_of(doubles.combined(doubles.ModelSamplingDiscrete, doubles.IMG_TO_IMG)))
    with pytest.raises(ArgumentError, match=r"^steps: "):
        run(nodes, "HSOScheduler", model_of(KINDS["discrete, eps"]), steps=10_000)


def test_the_preview_draws_every_step(nodes):
    result = nodes["HSOPreview"].execute(torch.FloatTensor([14.6, 5.0, 1.0, 0.2, 0.0]))
    (image,) = result.args
    assert image.shape == (1, 400, 640, 3)
    assert result.ui.image is image
    assert nodes["HSOPreview"].define_schema().is_output_node
    blank = nodes["HSOPreview"].execute(torch.FloatTensor([14.6, 0.0])).args[0]
    assert not torch.equal(image, blank)
    for nothing in ([], [0.0, 0.0]):
        with pytest.raises(ValueError, match=r"^sigmas: expected at least two"):
            nodes["HSOPreview"].execute(torch.FloatTensor(nothing))
    for broken in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^sigmas: expected finite numbers"):
            nodes["HSOPreview"].execute(torch.FloatTensor([broken, 1.0, 0.0]))


def test_inputs_and_what_execute_takes_agree(nodes, model_of, host):
    """ComfyUI calls ``execute`` with the names of the inputs."""
    hso.SamplingSchedule.from_timesteps(hso.NoiseSchedule.preset("sd1.5"), [959, 100]).save(
        host.models / "hso" / "two.json"
    )
    given = {"model": model_of(KINDS["discrete flow, shift 3"]), "sigmas": torch.FloatTensor([1.0, 0.0])}
    for name in ("HSOScheduler", "HSOExperts", "HSOPreview"):
        inputs = nodes[name].define_schema().inputs
        values = {each.id: given.get(each.id, getattr(each, "default", None)) for each in inputs}
        values |= {each.id: each.options[0] for each in inputs if each.kind == "Combo"}
        assert len(nodes[name].execute(**values).args) == len(nodes[name].define_schema().outputs)


# The name in every list of schedulers.


def ksampler(host, model, sampler, denoise=None, scheduler="hso"):
    return host.samplers.KSampler(model, 6, sampler, scheduler, denoise).sigmas


@pytest.mark.parametrize("sampler", ["euler", "uni_pc", "dpm_2"])
@pytest.mark.parametrize("denoise", [None, 1.0, 0.6, 0.3])
def test_the_drop_down_runs_exactly_the_nodes_of_the_schedule(nodes, host, model_of, sampler, denoise):
    sampling = KINDS["discrete, eps"]
    sigmas = ksampler(host, model_of(sampling), sampler, denoise)
    expected = sigmas_of(read_sampling(sampling), Run(6, sampler, denoise or 1.0))
    assert sigmas.tolist() == torch.FloatTensor(expected).tolist()


def test_other_schedulers_stay_as_they_are(nodes, host, model_of):
    model = model_of(KINDS["discrete, eps"])
    assert ksampler(host, model, "euler", scheduler="uniform").tolist()[:-1] == pytest.approx(
        KINDS["discrete, eps"].sigmas[torch.linspace(999, 0, 7)[:-1].long()].tolist()
    )
    assert len(ksampler(host, model, "uni_pc", 0.5, scheduler="uniform")) == 7
    # A denoise of 0 runs nothing with any scheduler.
    assert ksampler(host, model, "euler", 0.0).tolist() == []


def test_nodes_that_know_only_the_steps_are_served_too(nodes, host):
    handler = host.samplers.SCHEDULER_HANDLERS["hso"]
    assert handler.use_ms
    assert len(handler.handler(KINDS["flux, mu 1.15"], 9)) == 10
    assert host.samplers.SCHEDULER_NAMES == ["uniform", "hso"]


def test_loading_twice_changes_nothing(pack, nodes, host):
    before = host.samplers.KSampler.set_steps
    sys.modules[pack.__name__ + ".drop_down"].install(host.samplers)
    assert host.samplers.SCHEDULER_NAMES == ["uniform", "hso"]
    assert host.samplers.KSampler.set_steps is before


def test_loading_the_pack_does_not_load_the_library():
    code = (
        "import sys, importlib.util, types\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import conftest, pathlib\n"
        "comfy = types.ModuleType('comfy'); comfy.samplers = conftest.samplers_double()\n"
        "sys.modules |= {'comfy': comfy, 'comfy.samplers': comfy.samplers, 'comfy_api': types.ModuleType('comfy_api'),"
        " 'comfy_api.latest': conftest.api_double(), 'folder_paths': conftest.folders_double(pathlib.Path('.'))}\n"
        f"spec = importlib.util.spec_from_file_location('pack', {str(FOLDER / '__init__.py')!r},"
        f" submodule_search_locations=[{str(FOLDER)!r}])\n"
        "pack = importlib.util.module_from_spec(spec); sys.modules['pack'] = pack; spec.loader.exec_module(pack)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('hso', 'matplotlib')])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# What is published.


def test_the_registry_gets_what_it_asks_for():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())
    assert project["project"]["version"] == hso.__version__
    assert "comfy" not in project["project"]["name"].lower()
    assert project["project"]["license"] == {"text": "MIT"}
    assert {"PublisherId", "DisplayName", "Icon"} <= set(project["tool"]["comfy"])
    assert project["project"]["dependencies"] == (FOLDER / "requirements.txt").read_text().split() == ["hso"]


@pytest.mark.parametrize("workflow", sorted((FOLDER / "example_workflows").glob("*.json")), ids=lambda path: path.stem)
def test_example_workflows_are_whole(workflow, nodes):
    graph = json.loads(workflow.read_text())
    places = {node["id"]: node for node in graph["nodes"]}
    ours = [node for node in graph["nodes"] if node["type"] in nodes]
    assert ours or any("hso" in node["widgets_values"] for node in graph["nodes"] if node["type"] == "KSampler")
    for number, source, output, target, slot, kind in graph["links"]:
        assert number in places[source]["outputs"][output]["links"]
        assert places[target]["inputs"][slot]["link"] == number
        assert places[source]["outputs"][output]["type"] == places[target]["inputs"][slot]["type"] == kind
    for node in ours:
        widgets = [
            each for each in nodes[node["type"]].define_schema().inputs if each.kind in ("Int", "Float", "Combo")
        ]
        assert len(node["widgets_values"]) == len(widgets)
        numbers = [(v, w) for v, w in zip(node["widgets_values"], widgets, strict=True) if w.kind != "Combo"]
        assert all(widget.min <= value <= widget.max for value, widget in numbers)


def test_there_are_example_workflows():
    assert len(list((FOLDER / "example_workflows").glob("*.json"))) >= 3


def test_the_heading_says_whether_the_run_ends_clean(pack):
    heading = sys.modules[pack.__name__ + ".picture"]._heading
    assert heading([1.0, 0.5, 0.0], 1.0, 0.5) == "sigma, logarithmic; 2 steps from 1 to 0.5, then 0"
    assert heading([1.0, 0.875], 1.0, 0.875) == "sigma, logarithmic; 1 step from 1 to 0.875"


def test_the_picture_shows_steps_in_order(pack):
    draw = sys.modules[pack.__name__ + ".picture"].draw
    few, many = draw([1.0, 0.5, 0.0]), draw(np.linspace(1, 0, 50).tolist())
    assert few.shape == many.shape
    assert few.min() >= 0
    assert few.max() == 1
