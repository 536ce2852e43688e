"""What the pages show works: Python and commands run as they stand, with tiny models; what cannot run here says why."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
import typer

import hso
from hso.cli import main
from hso.cli.app import app
from hso.models.gaussian import GaussianModel
from tests.pages import PAGES, ROOT, blocks, commands, mentioned

TUTORIAL = "docs/tutorial.md"
# Commands that run networks do it in the tutorial, with fewer images. Elsewhere only their words are checked, and those of
# "explore", which would not end.
FEWER = {
    "calibrate": ["--images", "16", "--points", "16"],
    "tune": ["--images", "24"],
    "compare": ["--samples", "50"],
}
ONLY_WORDS = ("calibrate", "tune", "compare", "demo", "explore")
# Pages whose code speaks of a model that the reader has.
WITH_A_MODEL, WITH_A_CALIBRATION = {"docs/calibration.md"}, {"docs/learned.md"}
WITH_A_PIPELINE = {"README.md", "docs/use/diffusers.md"}


def words_of(command):
    """The words of a command, without a comment."""
    return shlex.split(command, comments=True)


def check_words(name, *rest):
    """A command with unknown options, or without those that it needs, fails here."""
    typer.main.get_command(app).commands[name].make_context(name, list(rest))


def run_command(page, words, capsys):
    name, *rest = words
    if page != TUTORIAL and (name in ONLY_WORDS or "--calibration" in rest):
        check_words(name, *rest)
        return
    # Exit code 1 of lint says that it found something.
    assert main([name, *rest, *FEWER.get(name, [])]) == (name == "lint"), capsys.readouterr().err


def own_model():
    """A model with an exact score, its noise schedule, and states of noise."""
    noise = hso.NoiseSchedule.preset("sd2.1")
    exact = GaussianModel.power_law(4)
    x = np.random.default_rng(0).standard_normal((64, 16))
    return {"model": exact.eps, "noise": noise, "x": x, "hso": hso}


def tiny_pipelines(folder, monkeypatch):
    """Let diffusers load a tiny Stable Diffusion, whatever is asked for."""
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    from tests import saved_pipeline

    folder.mkdir()
    saved = saved_pipeline.save(folder, diffusers.DDIMScheduler(clip_sample=False, steps_offset=1))
    for name in ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline"):
        load = getattr(diffusers, name).from_pretrained
        monkeypatch.setattr(getattr(diffusers, name), "from_pretrained", lambda _, load=load: load(saved))


@pytest.fixture
def prepared(request, tmp_path, monkeypatch):
    """The names that a page's code expects, in a new folder."""
    page = request.getfixturevalue("page")
    if page in WITH_A_PIPELINE:
        tiny_pipelines(tmp_path / "tiny", monkeypatch)
    monkeypatch.chdir(tmp_path)
    names = own_model() if page in WITH_A_MODEL | WITH_A_CALIBRATION else {}
    if page in WITH_A_CALIBRATION:
        names["calibration"] = hso.calibrate(names["model"], names["noise"], names["x"], "epsilon")
    return names


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.language for block in blocks(page))])
def test_the_code_and_the_commands_of_a_page_run(page, prepared, capsys):
    for block in blocks(page):
        if block.language == "python" and not block.reason:
            exec(compile(block.text, page, "exec"), prepared)
        if block.language == "console" and not block.reason:
            for line in block.text.replace("\\\n", " ").splitlines():
                if line.strip().startswith("hso "):
                    run_command(page, words_of(line)[1:], capsys)


def test_the_tutorial_goes_from_a_measured_model_to_its_use():
    steps = ["calibrate", "optimize", "tune", "compare", "convert"]
    assert [words_of(line)[1] for line, _ in commands(TUTORIAL)] == steps
    assert not any(block.reason for block in blocks(TUTORIAL))


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def extras():
    return set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE))


def check_measuring(words):
    """The program exists, and knows the options."""
    name = words[1]
    path = ROOT / (words[2].replace(".", "/") + ".py" if name == "-m" else name)
    assert path.is_file(), path
    sources = "".join(each.read_text(encoding="utf-8") for each in path.parent.glob("*.py"))
    for word in words:
        if word.startswith("--"):
            assert f'"{word}"' in sources, (path, word)


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_do_not_run_here_have_the_words_that_their_programs_know(page):
    for line, reason in [*commands(page), *((line, "it takes minutes") for line in mentioned(page))]:
        program, *rest = words = words_of(line)
        if "-m hso " in line:
            check_words(*words[words.index("hso") + 1 :])
        elif program == "python":
            check_measuring(words)
        elif program == "make":
            assert rest[0] in targets()
        elif program == "pip":
            named = re.search(r"\[([\w,]+)\]", line)
            assert named is None or set(named[1].split(",")) <= extras()
        else:
            assert program == "hso" or reason, line
        if program == "hso" and reason:
            check_words(*rest)
