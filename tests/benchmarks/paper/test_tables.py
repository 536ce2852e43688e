"""Every recipe prints the paper's figures beside finite ones of its own, on the bundled model and on a pipeline."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from benchmarks.paper import published, table2, table3, table4, table5, table6, table7

from .helpers import number, tables


@pytest.fixture
def printed(capsys):
    """What a recipe prints, as tables."""

    def run(main, words):
        assert main(words) == 0, capsys.readouterr().err
        return tables(capsys.readouterr().out)

    return run


def check_ours(cells):
    """The cells hold figures of some samples."""
    assert cells
    assert all(math.isfinite(number(cell)) and number(cell) > 0 for cell in cells)


def test_table2_has_all_datasets_or_the_one_that_is_named(printed, words):
    (rows,) = printed(table2.main, words)
    assert [row[:2] for row in rows] == [["unipc", "4"], ["unipc", "5"], ["ddim", "4"], ["ddim", "5"]]
    assert rows[0][2:5] == ["18.96, 15.71", "27.50, 23.26", "20.75, 17.20"]
    assert rows[3][2:5] == ["35.38, 17.17", "30.12, 23.15", "22.89, 16.02"]
    check_ours([cell for row in rows for cell in row[5:]])
    (one,) = printed(table2.main, ["--dataset", "coco", "--images", "0"])
    assert one == [[*row[:2], row[3], "", "", ""] for row in rows]


def test_table3_reproduces_the_ends_and_draws_at_psi(printed, words):
    ends, rows = printed(table3.main, words)
    assert ends[0][:4] == ["4", "0.03000, 0.96000", "-", "0.03000, 0.96000"]
    assert all(float(row[-1]) < 1e-9 for row in ends)
    assert [row[:2] for row in rows] == [["4", "15.71"], ["6", "11.17"], ["8", "8.79"], ["10", "8.32"]]
    check_ours([cell for row in rows for cell in row[2:]])


def test_table4_has_the_row_of_the_model(printed, words, named):
    (rows,) = printed(table4.main, words)
    assert [row[:3] for row in rows] == [
        ["PixArt-alpha (512px)", "37.65", "18.05"],
        ["SD-V2.1 (512px)", "24.06", "19.59"],
    ]
    check_ours([cell for row in rows for cell in row[3:]])
    words[words.index("--model") + 1] = named("stable-diffusion-2-1-base")
    words[words.index("--runs") + 1] += "2"
    (known,) = printed(table4.main, words)
    assert known == rows[1:]


def test_table5_draws_the_printed_schedules(printed, words):
    schedules, rows = printed(table5.main, words)
    assert ["exact", "[959, 716, 370, 30]", "243.0 / 309.7", "6.316"] in schedules
    assert [row[:2] for row in rows] == [
        ["with penalty, [959, 716, 370, 30]", "19.76 ± 0.25"],
        ["bilevel, with penalty, for this model", ""],
        ["without penalty, [999, 70, 9, 9]", "165.48"],
    ]
    check_ours([row[2] for row in rows])
    assert all(row[2].endswith("(2 runs)") for row in rows[:2])


def test_table6_measures_what_has_a_schedule(printed, words):
    costs, rows = printed(table6.main, words)
    assert [row[:2] for row in costs][:2] == [["DM-NonUniform, local search", "~1 s"], ["HSO, bilevel", ""]]
    assert [row[3] for row in rows] == ["15.71", "17.86", "18.96", "22.5", "3.43", "11.1"]
    check_ours([rows[0][4], rows[2][4]])
    assert {row[4] for row in rows[3:]} == {""}


def test_table7_has_four_configurations_on_both_solvers(printed, words):
    schedules, rows = printed(table7.main, words)
    assert [*schedules[-1][:4], schedules[-1][4]] == ["Ours", "ddim", "0.9600, 0.7091, 0.3766, 0.0300", "clean", "0"]
    assert [row[:3] for row in rows] == [
        ["A", "18.07", "71.57"],
        ["B", "11.44", "29.22"],
        ["C", "26.33", "37.27"],
        ["Ours", "15.7", "24.8"],
    ]
    check_ours([cell for row in rows for cell in row[3:]])


def test_the_bundled_model_needs_no_data(printed, tmp_path):
    _, rows = printed(table6.main, ["--quick", "--guidance", "1", "--runs", str(tmp_path)])
    check_ours([rows[0][4], rows[2][4]])
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize("table", [table3, table5, table6], ids=["table3", "table5", "table6"])
def test_without_images_there_is_no_model(printed, table, tmp_path):
    (rows,) = printed(table.main, ["--quick", "--images", "0", "--runs", str(tmp_path / "none")])
    assert len(rows) >= 3
    assert not (tmp_path / "none").exists()


def test_a_recipe_again_draws_nothing(printed, words, monkeypatch):
    _, first = printed(table6.main, words)
    monkeypatch.setattr("hso.comparison.subjects.text_to_image.TextToImage.sample", None)
    assert printed(table6.main, words)[1] == first


def test_the_paper_s_tables_agree_where_they_overlap():
    hso = {case: fids[1] for case, fids in published.EFFECTIVENESS["laion"].items()}
    assert published.OPTIMA[4].fid == published.COSTS["hso"].fid == hso["unipc", 4]
    assert published.ADAPTIVITY["sd2.1-base"][1] == published.EFFECTIVENESS["coco"]["unipc", 5][1]
    assert published.COSTS["dm_nonuniform"].fid == published.EFFECTIVENESS["laion"]["unipc", 4][0]
    assert np.allclose(published.ABLATION["Ours"], [hso["unipc", 4], hso["ddim", 4]], atol=0.04)
