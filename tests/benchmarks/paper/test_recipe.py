"""What the recipes share: defaults that are the paper's, schedules that are its own, and errors that name what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from benchmarks.paper import options, table2, table3, table4, table5  # noqa: E402
from benchmarks.paper.host import default_schedule, noise_of  # noqa: E402
from benchmarks.paper.published import DATASETS, MODELS, OPTIMA, WITH_PENALTY, WITHOUT_PENALTY  # noqa: E402

import hso  # noqa: E402
from hso.objectives import MEP  # noqa: E402

from .helpers import tables  # noqa: E402


def read(*words, dataset="coco"):
    return options.read(options.parser("").parse_args(words), "table", dataset)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_only_the_name_changes_for_the_paper_s_models(name, dataset):
    found = read("--model", name, "--data", "images", "--captions", "captions.txt", dataset=dataset)
    assert found.subject.model == MODELS[name].hub
    assert found.subject.guidance == {"sd2.1-base": 7.5, "pixart-alpha": 4.5}[name]
    assert found.subject.features == "inception"
    assert found.images == {"laion": 30_000, "coco": 30_000, "imagenet": 50_000}[dataset]
    local = read("--model", "/models/" + MODELS[name].hub.rpartition("/")[2], "--data", "images")
    assert local.subject.guidance == found.subject.guidance


def test_without_options_it_is_the_bundled_model():
    found = read()
    assert (found.subject.model, found.subject.guidance, found.subject.features) == ("digits", 3.0, None)
    assert found.images == 100
    assert read("--guidance", "1", "--images", "70").subject.guidance == 1


def test_each_solver_lands_where_it_was_published_to(sd):
    settings = read().settings(("unipc", "ddim"), (4,), ("hso_exact",))
    assert [settings.landing(solver) for solver in settings.methods] == ["t_min", "clean"]
    runs = [read("--seed", "3").settings(("ddim",), (4,), ("hso_exact",), run).subject.seed for run in range(3)]
    assert runs == [3, 4, 5]


@pytest.mark.parametrize("nfe", OPTIMA)
def test_psi_leads_to_the_published_schedule(ddpm, nfe):
    psi = OPTIMA[nfe].psi
    schedule = table3.at_psi(ddpm, nfe, psi)
    assert schedule.nfe == nfe
    assert (schedule.times[0], schedule.terminal_time) == pytest.approx((psi.t_max, psi.t_min), abs=1e-9)
    box = hso.search.Box(t_min=(psi.t_min,) * 2, t_max=(psi.t_max,) * 2)
    best = hso.optimize(
        ddpm,
        nfe,
        solver="unipc",
        terminal="t_min",
        constraints=hso.Constraints(box=box, d_min=0.0),
        objective=MEP(p=2.0),
    )
    np.testing.assert_allclose(schedule.times, best.schedule.times, atol=1e-5)


def test_the_printed_schedules_are_what_the_network_is_told(sd):
    for indices in (WITH_PENALTY, WITHOUT_PENALTY):
        schedule = table5.printed(sd, indices)
        assert schedule.ends_clean
        assert np.round(schedule.fractional_timesteps).astype(int).tolist() == list(indices)


def test_the_default_is_what_the_plain_pipeline_asks_for(pipeline):
    pipe = diffusers.DiffusionPipeline.from_pretrained(pipeline, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = diffusers.UniPCMultistepScheduler.from_config(pipe.scheduler.config)
    told = []
    pipe.unet.register_forward_pre_hook(lambda _, args, kwargs: told.append(float(args[1])), with_kwargs=True)
    pipe("a", num_inference_steps=5, output_type="latent")
    schedule = default_schedule(str(pipeline), 5)
    np.testing.assert_allclose(schedule.fractional_timesteps, told, atol=1e-9)
    assert schedule.terminal_time == pytest.approx(0.001)


def test_the_noise_schedule_is_read_without_weights(pipeline, sd):
    assert noise_of(str(pipeline)).fingerprint == noise_of("digits").fingerprint == sd.fingerprint


def change(words, **options):
    """Other values for some options; None leaves the option out."""
    words = list(words)
    for name, value in options.items():
        at = words.index(f"--{name}")
        words[at : at + 2] = [] if value is None else [f"--{name}", str(value)]
    return words


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"data": None}, "data: expected a folder of real images"),
        ({"guidance": None}, "guidance: expected a number, for a model other than sd2.1-base, pixart-alpha"),
        ({"captions": None}, "captions: expected a file with one prompt a line"),
        ({"captions": "{tmp}/absent.txt"}, "cannot read the captions"),
        ({"captions": "{tmp}/short.txt"}, "expected 12 captions, one for each image"),
        ({"data": "{tmp}/absent"}, "expected a folder of images, found nothing"),
        ({"data": "{tmp}/empty"}, "expected images"),
        ({"images": 13}, "captions: expected 13 lines at least"),
        ({"images": 3}, "samples: expected an integer from 10"),
        ({"model": "{tmp}/empty"}, "expected a diffusers"),
        ({"features": "sound"}, "features: expected one of"),
        ({"runs": "{tmp}/short.txt/run"}, "cannot make the folder"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_one_line_and_exit_code_2(words, tmp_path, capsys, options, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "short.txt").write_text("a\nb\n")
    given = {name: value.format(tmp=tmp_path) if isinstance(value, str) else value for name, value in options.items()}
    for table in (table2, table4):
        assert table.main(change(words, **given)) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert says in captured.err.splitlines()[-1]


def test_a_run_of_another_model_is_not_mixed_in(words, capsys):
    assert table4.main(words) == 0
    assert table4.main(change(words, guidance=2)) == 2
    assert "holds a run with guidance 3.0, not 2.0; give another folder" in capsys.readouterr().err


def test_launched_processes_share_all_runs(tmp_path, capsys):
    words = ["--model", "gaussian", "--quick", "--images", "100", "--repeats", "2"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "benchmarks.paper.table5"]
    shared = subprocess.run(
        [*launcher, *words, "--runs", str(tmp_path / "shared")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shared.returncode == 0, shared.stderr
    assert table5.main([*words, "--runs", str(tmp_path / "alone")]) == 0
    assert tables(shared.stdout) == tables(capsys.readouterr().out)
