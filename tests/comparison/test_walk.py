"""CONTRIBUTING's walk through the house: at most eight files, and the calls do come in this order."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from hso.cli import main

ROOT = Path(__file__).parents[2]
STEP = re.compile(r"^\d+\. `(\S+\.py)`, `(?:\w+\.)?(\w+)`", re.MULTILINE)


def test_eight_files_lead_from_the_command_to_a_frechet_distance(tmp_path):
    text = (ROOT / "docs/extend.md").read_text(encoding="utf-8").partition("## A walk through the house")[2]
    walk = [(str(ROOT / "src/hso" / file), function) for file, function in STEP.findall(text)]
    assert 0 < len(walk) <= 8
    called = []

    def watch(frame, event, arg):
        step = (frame.f_code.co_filename, frame.f_code.co_name)
        if event == "call" and step in walk and step not in called:
            called.append(step)

    words = "compare --model gaussian --solver ddim --nfe 3 --schedules trailing --samples 20 --reference-nfe 5"
    sys.setprofile(watch)
    try:
        assert main([*words.split(), "--resamples", "10", "-o", str(tmp_path)]) == 0
    finally:
        sys.setprofile(None)
    assert called == walk
