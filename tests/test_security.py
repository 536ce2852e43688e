"""What files from untrusted people cannot do. docs/security.md says what each test holds."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import hso
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.hosts.text import to_text
from hso.models.bundled import digits_folder

SOURCE = Path(hso.__file__).parent
# Functions that run code out of data, or other programs.
NEVER = {"eval", "exec", "compile", "__import__"}
NEVER_OF = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("marshal", "loads"),
    ("torch", "load"),
    ("yaml", "load"),
    ("os", "system"),
    ("os", "popen"),
    ("joblib", "load"),
    ("shelve", "open"),
}
HOSTILE = "<script>alert('x')</script>\"'); __import__('os').system('touch ran') #\n{{7*7}}"


class Payload:
    """An object whose pickle makes a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def calls():
    """Every call in the package: its file, the object and the function."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node


def test_nothing_in_the_package_runs_data_as_code():
    for path, call in calls():
        if isinstance(call.func, ast.Name):
            assert call.func.id not in NEVER, path
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            assert (call.func.value.id, call.func.attr) not in NEVER_OF, path
        for keyword in call.keywords:
            assert keyword.arg != "trust_remote_code", path
            assert not (keyword.arg in ("allow_pickle", "shell") and getattr(keyword.value, "value", True)), path
    modules = [node for path in SOURCE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    assert not any(isinstance(node, ast.Import) and any(n.name == "subprocess" for n in node.names) for node in modules)


def test_weights_are_read_as_safetensors_only():
    loading = [
        (path, call)
        for path, call in calls()
        if getattr(call.func, "attr", "") == "from_pretrained"
        # What prepares images has numbers, and no weights.
        and getattr(call.func.value, "attr", "") != "AutoImageProcessor"
    ]
    assert loading
    for path, call in loading:
        given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
        assert given.get("use_safetensors") is True, path


def test_pickled_weights_are_not_read(tmp_path):
    pytest.importorskip("diffusers")
    folder, ran = tmp_path / "model", tmp_path / "ran"
    (folder / "unet").mkdir(parents=True)
    for name in ("model_index.json", "unet/config.json"):
        (folder / name).write_text((digits_folder() / name).read_text())
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "DDPMScheduler"}')
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Payload(ran)))
    with pytest.raises((hso.HSOError, OSError)):
        load_subject(SubjectSettings(str(folder)))
    assert not ran.exists()


@pytest.mark.parametrize("class_name", [["custom", "Evil"], "Evil", "StableDiffusionPipeline"])
def test_code_in_the_folder_of_a_pipeline_is_not_run(tmp_path, class_name):
    pytest.importorskip("diffusers")
    folder, ran = tmp_path / "model", tmp_path / "ran"
    for part in ("text_encoder", "unet", "scheduler"):
        (folder / part).mkdir(parents=True)
    code = f"import os\nos.mkdir({str(ran)!r})\nclass Evil:\n    pass\n"
    for place in ("custom.py", "pipeline.py", "text_encoder/custom.py", "unet/custom.py"):
        (folder / place).write_text(code)
    index = {"_class_name": class_name, "text_encoder": ["custom", "Evil"], "unet": ["custom", "Evil"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "DDIMScheduler"}')
    captions = tmp_path / "captions.txt"
    captions.write_text("a cat\n" * 12)
    with pytest.raises(hso.FileError, match="cannot load a pipeline"):
        load_subject(SubjectSettings(str(folder), captions=captions))
    assert not ran.exists()


@pytest.mark.parametrize("make", [np.save, np.savez], ids=["npy", "npz"])
def test_a_calibration_of_python_objects_is_refused(tmp_path, make):
    ran, buffer = tmp_path / "ran", io.BytesIO()
    make(buffer, np.array([Payload(ran)], dtype=object), allow_pickle=True)
    path = tmp_path / "c"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(hso.FileError, match="expected a calibration, found something else"):
        hso.Calibration.load(path)
    assert not ran.exists()


def test_a_name_in_a_schedule_cannot_become_code():
    schedule = hso.optimize(hso.NoiseSchedule.preset("sd2.1"), 3).schedule
    text = to_text(dataclasses.replace(schedule, noise_name=HOSTILE, noise_fingerprint=HOSTILE), "python")
    *imports, assignment = ast.parse(text).body
    assert [type(each) for each in imports] == [ast.Import, ast.ImportFrom]
    assert isinstance(assignment, ast.Assign)
    called = {ast.unparse(each.func) for each in ast.walk(assignment) if isinstance(each, ast.Call)}
    assert called <= {"hso.SamplingSchedule", "path_from_record", "float"}
    assert HOSTILE in {each.value for each in ast.walk(assignment) if isinstance(each, ast.Constant)}


def test_names_in_a_report_are_escaped(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from hso.comparison.report.page import html_report
    from hso.comparison.runs.run import compare_subject
    from hso.comparison.runs.settings import ComparisonSettings

    monkeypatch.chdir(tmp_path)
    subject = load_subject(SubjectSettings("gaussian"))
    file = "<img src=x onerror=alert(1)>.json"
    hso.optimize(subject.noise, 3, solver="ddim").schedule.save(file)
    settings = ComparisonSettings(SubjectSettings(HOSTILE), ("ddim",), (3,), ("trailing", file), samples=20, batch=10)
    subject.name = HOSTILE
    html = html_report(compare_subject(settings, subject, tmp_path / "run", resamples=10))
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;img src=x" in html


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no file without an end")
def test_a_file_without_an_end_is_refused_at_once():
    for read in (hso.SamplingSchedule.load, hso.NoiseSchedule.from_config):
        with pytest.raises(hso.FileError, match="found something else"):
            read("/dev/zero")
