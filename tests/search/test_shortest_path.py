"""Dynamic programming finds what enumeration finds."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hso.search.shortest_path import layered_path, shortest_path


def enumerate_paths(cost, first, last, edges):
    points = range(len(first))

    def total(path):
        return first[path[0]] + sum(cost[j, i] for i, j in itertools.pairwise(path)) + last[path[-1]]

    return min(total(path) for path in itertools.combinations(points, edges + 1))


@given(st.integers(3, 8), st.integers(1, 4), st.integers(0, 10**6))
def test_shortest_path_is_the_cheapest_of_all(points, edges, seed):
    edges = min(edges, points - 1)
    rng = np.random.default_rng(seed)
    cost = np.where(np.tri(points, k=-1, dtype=bool), rng.uniform(size=(points, points)), np.inf)
    first, last = rng.uniform(size=(2, points))
    path = shortest_path(cost, first, last, edges)
    found = first[path[0]] + cost[path[1:], path[:-1]].sum() + last[path[-1]]
    assert np.all(np.diff(path) > 0)
    assert np.isclose(found, enumerate_paths(cost, first, last, edges), rtol=1e-12)


@given(st.integers(2, 3), st.integers(1, 3), st.integers(0, 10**6))
def test_a_stride_only_leaves_out_what_is_forbidden(stride, edges, seed):
    points = stride * edges + 4
    rng = np.random.default_rng(seed)
    far = np.subtract.outer(np.arange(points), np.arange(points)) >= stride
    cost = np.where(far, rng.uniform(size=(points, points)), np.inf)
    free = np.zeros(points)
    assert np.array_equal(shortest_path(cost, free, free, edges, stride), shortest_path(cost, free, free, edges))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_layered_path_is_the_cheapest_of_all(edges, width, seed):
    costs = np.random.default_rng(seed).uniform(size=(edges, width, width))

    def total(path):
        return sum(costs[k, path[k + 1], path[k]] for k in range(edges))

    best = min(itertools.product(range(width), repeat=edges + 1), key=total)
    assert np.array_equal(layered_path(costs), best)
