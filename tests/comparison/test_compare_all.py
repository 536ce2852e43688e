"""The big table counts ranks and ratios as it says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from benchmarks import compare_all
from benchmarks.standings import cell_of, standings

from hso.comparison.contestants import CLOSED_FORMS


def test_ranks_wins_and_ratios_are_those_of_the_cells(outcome):
    (row,) = [row for row in standings([outcome], "error") if row.name == "hso_exact"]
    places, ratios = [], []
    for solver in outcome.settings.solvers:
        for nfe in outcome.settings.budgets:
            rows = outcome.cell(solver, nfe, "error")
            values = {name: row.figures["error"].value for row in rows for name in row.names}
            places.append(1 + [r.names for r in rows].index(("hso_exact",)))
            ratios.append(values["hso_exact"] / min(values[name] for name in values if name in CLOSED_FORMS))
    assert row.rank[0] == pytest.approx(np.mean(places))
    assert row.wins == places.count(1)
    assert row.ratio[0] == pytest.approx(np.exp(np.mean(np.log(ratios))))
    assert row.ratio[1] <= row.ratio[0] * 1.05


def test_the_same_schedule_shares_its_rank(outcome):
    cell = cell_of(outcome, "ddim", 4, "error")
    assert np.array_equal(cell["uniform_lambda"].rank, cell["polyexponential"].rank)


def test_the_quick_table_is_made(tmp_path, monkeypatch):
    out = tmp_path / "quick.md"
    words = ["compare_all", "--quick", "--runs", str(tmp_path), "--out", str(out), "--processes", "1"]
    words += ["--subjects", "gaussian,digits@1"]
    monkeypatch.setattr("sys.argv", [*words, "--resamples", "20"])
    assert compare_all.main() == 0
    text = out.read_text()
    assert all(f"| {name} |" in text for name in ("trailing", "hso_exact", "dm_nonuniform_t"))
    assert re.search(r"\| digits \| ddim \| 4 \| \S+ \| \S+ [+=-] \| - \| - \| - \| - \| \S+ [+=-] \|", text)
