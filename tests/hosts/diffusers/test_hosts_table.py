"""The table in the docs is what the schedulers do."""

from __future__ import annotations

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("torchsde", reason="Stable Audio's scheduler needs it")

from benchmarks.hosts_table import TARGET, page


def test_docs_hosts_is_current():
    assert TARGET.read_text(encoding="utf-8") == page(), "run: python -m benchmarks.hosts_table"
