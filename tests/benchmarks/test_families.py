"""The families benchmark runs, and HSO beats the default rules where nothing is drawn."""

import numpy as np
import pytest
from benchmarks import families


@pytest.mark.parametrize("family", families.FAMILIES)
def test_on_images_of_a_power_law_spectrum_hso_is_closer_to_the_exact_solution_than_the_rule(family):
    found = families.scores("pixels, Gaussian", family, families.host)
    assert np.mean([np.log(ours.frechet / theirs.frechet) for _, _, ours, theirs in found]) < 0


def test_the_page_has_a_line_for_each_cell():
    lines = list(families.document(("latents, Gaussian",), families.marginal))
    assert sum("| latents, Gaussian |" in line for line in lines) == 16 * len(families.FAMILIES)
