"""The site builds without a warning, and its pages need nothing but each other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from scripts.check_site import wrong

from tests.pages import ROOT


def test_the_site_builds_without_a_warning_and_stands_alone(tmp_path):
    for needed in ("sphinx", "furo", "myst_parser", "latex2mathml"):
        pytest.importorskip(needed, reason="pip install -e '.[docs]'")
    words = ["-W", "--keep-going", "--fresh-env", "--builder", "html", "docs", str(tmp_path / "site")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert list(wrong(tmp_path / "site")) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('<a href="other.html">', "a.html: other.html: there is no such file"),
        ('<a href="#here">', "a.html: #here: there is no such anchor"),
        ('<a href="http://example.org/">', "a.html: http://example.org/: not an https address"),
        ('<script src="https://example.org/x.js"></script>', "a.html: loads https://example.org/x.js"),
        ('<img src="//example.org/x.png">', "a.html: loads //example.org/x.png"),
        ('<link rel="stylesheet" href="none.css">', "a.html: loads none.css"),
    ],
)
def test_what_is_wrong_in_a_site_is_named(tmp_path, body, says):
    (tmp_path / "a.html").write_text(body)
    assert list(wrong(tmp_path)) == [says]


def test_a_style_sheet_with_a_font_of_another_server_is_named(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here">here</a> <a href="https://example.org/">there</a></p>'
    )
    assert list(wrong(tmp_path)) == []
    (tmp_path / "a.css").write_text("@font-face { src: url(https://example.org/a.woff2) }")
    assert list(wrong(tmp_path)) == ["a.css: loads something from another server"]


def test_a_site_without_a_page_is_wrong(tmp_path):
    assert list(wrong(tmp_path)) == [f"{tmp_path}: there is no page"]
