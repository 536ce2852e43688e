"""The tutorial's commands run as they stand, with fewer images."""

import re
import shlex
from pathlib import Path

from hso.cli import main

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
FEWER = {
    "calibrate": ["--images", "16", "--points", "16"],
    "tune": ["--images", "24"],
    "compare": ["--samples", "50"],
}


def test_its_commands_and_its_code_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = TUTORIAL.read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^    hso (.*)$", text, re.MULTILINE)]
    assert [command[0] for command in commands] == ["calibrate", "optimize", "tune", "compare", "convert"]
    for name, *rest in commands:
        assert main([name, *rest, *FEWER.get(name, [])]) == 0, capsys.readouterr().err
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(code, "tutorial", "exec"), {})
    assert "[" in capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").exists()
