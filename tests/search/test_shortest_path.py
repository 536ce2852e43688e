"""Dynamic programming finds what enumeration finds."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hso.search.shortest_path import layered_path, shortest_path


def length(cost, path):
    return sum(cost[j, i] for i, j in itertools.pairwise(path))


@given(st.integers(3, 8), st.integers(1, 4), st.integers(0, 10**6))
def test_shortest_path_is_the_cheapest_of_all(points, edges, seed):
    edges = min(edges, points - 1)
    rng = np.random.default_rng(seed)
    cost = np.where(np.tri(points, k=-1, dtype=bool), rng.uniform(size=(points, points)), np.inf)
    starts = rng.integers(0, points, edges + 1)
    stops = rng.integers(starts + 1, points + 1)
    path = shortest_path(cost, starts, stops)
    allowed = itertools.product(*(range(first, stop) for first, stop in zip(starts, stops, strict=True)))
    best = min(length(cost, each) for each in allowed)
    assert np.all((path >= starts) & (path < stops))
    if np.isfinite(best):
        assert np.all(np.diff(path) > 0)
        assert np.isclose(length(cost, path), best, rtol=1e-12)
    else:
        assert np.isinf(length(cost, path))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_layered_path_is_the_cheapest_of_all(edges, width, seed):
    costs = np.random.default_rng(seed).uniform(size=(edges, width, width))

    def total(path):
        return sum(costs[k, path[k + 1], path[k]] for k in range(edges))

    best = min(itertools.product(range(width), repeat=edges + 1), key=total)
    assert np.array_equal(layered_path(costs), best)
