"""The node pack in a real ComfyUI on the CPU. Runs where ``HSO_COMFYUI`` is the folder of an installation."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks import comfyui_doubles as doubles
from benchmarks.comfyui_server import RefusedError, Server, graph_of, graph_of_drop_down, told_after

import hso
from hso.hosts.comfyui import Run, expert_sigmas, read_sampling, sigmas_of
from hso.hosts.comfyui.runs import schedule_of

INSTALLATION = os.environ.get("HSO_COMFYUI")
pytestmark = pytest.mark.skipif(INSTALLATION is None, reason="HSO_COMFYUI names no installation")
WORKFLOWS = sorted((Path(__file__).parents[3] / "integrations" / "comfyui" / "example_workflows").glob("*.json"))
KINDS = doubles.every_sampling()
ASKED = {"steps": 5, "solver": "euler", "denoise": 1.0, "start_sigma": 0.0, "cfg": 0.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(Path(INSTALLATION), tmp_path_factory.mktemp("comfyui")) as server:
        yield server


def told(server, graph):
    return server.run(graph)["told"]["told"]


def wanted(kind, run):
    sampling = read_sampling(KINDS[kind])
    return schedule_of(sampling, run).network_timesteps * sampling.unit


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("denoise", [1.0, 0.6])
def test_the_network_is_told_the_nodes_of_the_schedule(server, kind, denoise):
    found = told(server, graph_of(kind, "HSOScheduler", {**ASKED, "denoise": denoise}))
    # The real tables are float32 of another rounding, so the optimum may move by a rounding as well.
    assert found == pytest.approx(wanted(kind, Run(5, "euler", denoise)), rel=2e-6, abs=2e-6)
    if read_sampling(KINDS[kind]).table is not None:
        assert found == [round(value) for value in found]


@pytest.mark.parametrize("sampler", ["euler", "uni_pc", "dpmpp_2m", "ddim"])
@pytest.mark.parametrize("denoise", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("kind", ["discrete, eps", "flux, mu 1.15"])
def test_the_drop_down_runs_exactly_the_nodes(server, kind, denoise, sampler):
    found = told(server, graph_of_drop_down(kind, 5, denoise, sampler))
    assert found == pytest.approx(wanted(kind, Run(5, sampler, denoise)), rel=2e-6, abs=2e-6)


def test_dpm_2_calls_the_network_at_the_nodes_and_between(server):
    found = told(server, graph_of_drop_down("flux, mu 1.15", 5, 1.0, "dpm_2"))
    assert found[::2] == pytest.approx(wanted("flux, mu 1.15", Run(5, "dpm_2")), rel=2e-6)


def test_two_samplers_share_the_run_of_two_experts(server):
    kind = "discrete flow, shift 12"
    graph = graph_of(kind, "HSOExperts", {**ASKED, "steps": 6, "boundary": 0.875, "least": 2})
    second = {**graph["run"]["inputs"], "add_noise": False, "sigmas": ["sigmas", 1], "latent_image": ["run", 0]}
    graph["second"] = {"class_type": "SamplerCustom", "inputs": second}
    graph["told"] = told_after(["second", 0])
    high, low = expert_sigmas(read_sampling(KINDS[kind]), Run(6, "euler"), 0.875, 2)
    assert told(server, graph) == pytest.approx([1000 * sigma for sigma in (*high[:-1], *low[:-1])], rel=2e-6)


def test_files_of_the_folder_are_used_and_damaged_ones_named(server):
    folder = server.work / "models" / "hso"
    preset = hso.NoiseSchedule.preset("sd1.5")
    hso.SamplingSchedule.from_timesteps(preset, [959, 500, 100]).save(folder / "three.json")
    (folder / "damaged.calibration").write_bytes(b"nothing of the kind")
    assert told(server, graph_of("discrete, eps", "HSOScheduleFile", {"schedule": "three.json"})) == [959, 500, 100]
    with pytest.raises(RefusedError, match=r"damaged\.calibration: "):
        server.run(graph_of("discrete, eps", "HSOCalibrated", {**ASKED, "calibration": "damaged.calibration"}))
    with pytest.raises(RefusedError, match="it was made for another model"):
        server.run(graph_of("flux, mu 1.15", "HSOScheduleFile", {"schedule": "three.json"}))


def test_a_calibration_gives_the_sigmas_and_the_sampler(server):
    noise = hso.NoiseSchedule.preset("sd1.5")
    x = np.random.default_rng(0).standard_normal((8, 1, 4, 4))
    calibration = hso.calibrate(lambda state, node: state * node.sigma, noise, x, points=12)
    calibration.save(server.work / "models" / "hso" / "tiny.calibration")
    graph = graph_of("discrete, eps", "HSOCalibrated", {**ASKED, "calibration": "tiny.calibration", "solver": "auto"})
    graph["run"]["inputs"]["sampler"] = ["sigmas", 1]
    run = Run(5, "auto", calibration=calibration)
    assert told(server, graph) == wanted("discrete, eps", run).round().tolist()


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("discrete, eps", {"steps": 0}, "smaller than min"),
        ("discrete, eps", {"steps": 10_001}, "bigger than max"),
        (
            "discrete, eps",
            {"steps": 10_000},
            "steps: expected a number of steps that this model has room for, got 10000",
        ),
        ("discrete, eps", {"denoise": 0.0}, "smaller than min"),
        ("discrete, eps", {"solver": "magic"}, "not in list"),
        ("discrete, eps", {"denoise": 0.5, "start_sigma": 2.0}, "start_sigma: expected none with a denoise below 1"),
        ("image to image", {}, "IMG_TO_IMG: cannot take a schedule"),
        ("without sigmas", {}, "has no sigmas"),
    ],
)
def test_a_wrong_input_is_one_clear_message_and_the_queue_goes_on(server, kind, changes, said):
    with pytest.raises(RefusedError) as refusal:
        server.run(graph_of(kind, "HSOScheduler", {**ASKED, **changes}))
    assert said.lower() in str(refusal.value).lower()
    assert len(told(server, graph_of("discrete, eps", "HSOScheduler", ASKED))) == 5


def test_the_preview_shows_a_picture(server):
    graph = graph_of("discrete, eps", "HSOScheduler", ASKED)
    graph["preview"] = {"class_type": "HSOPreview", "inputs": {"sigmas": ["sigmas", 0]}}
    images = server.run(graph)["preview"]["images"]
    assert [image["type"] for image in images] == ["temp"]


def test_the_name_is_in_the_lists_of_schedulers(server):
    for node in ("KSampler", "BasicScheduler"):
        required = server.ask(f"/object_info/{node}")[node]["input"]["required"]
        assert "hso" in json.dumps(required["scheduler"])


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_the_nodes_of_example_workflows_exist_with_these_inputs(server, workflow):
    for node in json.loads(workflow.read_text())["nodes"]:
        info = server.ask(f"/object_info/{node['type']}")[node["type"]]
        known = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        assert {each["name"] for each in node["inputs"]} <= set(known)
        outputs = [each["type"] for each in node["outputs"]]
        assert outputs == info["output"][: len(outputs)]


def test_the_pack_adds_little_to_the_start(server):
    line = next(line for line in server.log.splitlines() if line.rstrip().endswith("custom_nodes/hso-schedules"))
    assert float(line.split(" seconds")[0].split()[-1]) <= 0.1


def test_the_schedule_is_that_of_the_doubles(server):
    for kind in KINDS:
        found = server.run(graph_of(kind, "HSOScheduler", ASKED))["told"]["sigmas"]
        assert found == pytest.approx(sigmas_of(read_sampling(KINDS[kind]), Run(5, "euler")), rel=2e-5)
