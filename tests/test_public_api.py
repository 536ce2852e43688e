"""What other programs call does not change by accident."""

from __future__ import annotations

import difflib
import importlib
import inspect

from tests.public_api import ROOT, STORED, described, is_class, modules, names


def test_the_public_interface_is_the_stored_one():
    stored, now = STORED.read_text(encoding="utf-8").splitlines(), described().splitlines()
    changes = "\n".join(difflib.unified_diff(stored, now, "stored", "now", lineterm="", n=0))
    assert not changes, (
        f"{changes}\nIf this change is meant, run `python -m tests.public_api`, and write it into CHANGELOG.md."
    )


def test_every_public_module_is_stable_or_experimental_and_has_a_page():
    assert set(modules().values()) == {"stable", "experimental"}
    for name, status in modules().items():
        page = (ROOT / "docs" / "api" / f"{name}.md").read_text(encoding="utf-8")
        assert f".. automodule:: {name}\n" in page
        assert ("Experimental" in page) == (status == "experimental")


def test_every_public_function_and_class_says_what_it_is():
    for name in modules():
        module = importlib.import_module(name)
        for public in names(module):
            value = getattr(module, public)
            assert not (inspect.isroutine(value) or is_class(value)) or value.__doc__, f"{name}.{public}"
