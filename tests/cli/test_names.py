"""Names that come out of files reach neither the terminal nor a picture as anything but letters."""

from __future__ import annotations

import json

import pytest

import hso as library
from hso.errors import printable

NAMES = {
    "half of a pair": "a\ud800b",
    "colours and a cleared screen": "x\x1b[31mred\x1b[2J\x07",
    "eight bit escapes": "\x9b31m",
    "right to left": "a\u202eb",
    "two lines": "a\nhso: error: b",
    "a formula": r"m$\frac{a$",
    "half a formula": "5$",
    "hidden from legends": "_x",
    "an emoji's name": ":smile:",
    "markup": "[bold]x[/bold]",
    "no Latin": "名前",
    "long": "x" * 5000,
}


@pytest.fixture(params=NAMES.values(), ids=NAMES.keys())
def named(request, tmp_path):
    """A saved schedule whose noise schedule and provenance have this name."""
    path = tmp_path / "s.json"
    library.optimize(library.NoiseSchedule.preset("sd2.1"), 4).schedule.save(path)
    content = json.loads(path.read_text())
    content["noise"]["name"] = request.param
    content["provenance"].update({"strategy": request.param, request.param: request.param})
    path.write_text(json.dumps(content))
    return path, request.param


def test_only_printed_characters_reach_the_terminal(hso, named):
    path, name = named
    code, out, err = hso("show", path)
    assert (code, err) == (0, "")
    assert all(letter.isprintable() or letter == "\n" for letter in out)
    assert printable(name)[:20] in out


def test_an_error_escapes_them_too(hso, named):
    _, name = named
    code, out, err = hso("optimize --nfe 4 --noise", f"{name[:60]}.json")
    assert (code, out) == (2, "")
    assert err.endswith(": there is no such file or folder\n")
    assert err[:-1].isprintable()


@pytest.mark.filterwarnings("error")
def test_a_picture_shows_them_letter_by_letter(hso, named, tmp_path, caplog):
    path, name = named
    code, _, err = hso("show", path, "--plot", tmp_path / "s.svg")
    assert (code, err) == (0, f"wrote {tmp_path / 's.svg'}\n")
    drawn = (tmp_path / "s.svg").read_text()
    assert f"<!-- {printable(name)[:5]}" in drawn or "\\u" in drawn or name.startswith("_")
    # Matplotlib logs what its fonts do not have.
    assert not caplog.records


def test_a_folder_with_a_formula_in_its_name_can_be_drawn(hso, tmp_path):
    folder = tmp_path / r"m$\frac{a$"
    folder.mkdir()
    (folder / "scheduler_config.json").write_text('{"_class_name": "DDIMScheduler"}')
    assert hso("optimize --nfe 4 --noise", folder, "--plot", tmp_path / "s.svg").code == 0
    assert r"m$\frac{a$" in (tmp_path / "s.svg").read_text()
