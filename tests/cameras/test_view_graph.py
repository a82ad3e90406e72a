"""Which relative rotations can be true together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gypsum.cameras.view_graph import (
    ViewGraph,
    average_rotations,
    consistent_pairs,
    pair_errors,
    triangle_support,
    vote,
)


def graph_of(
    count: int, share: float = 1.0, noise: float = 0.3, seed: int = 0
) -> tuple[ViewGraph, np.ndarray]:
    """Noisy pairs (degrees) between ``count`` random rotations, and those rotations."""
    rng = np.random.default_rng(seed)
    truth = Rotation.random(count, rng=rng)
    pairs = np.array([(i, j) for i in range(count) for j in range(i + 1, count)])
    pairs = pairs[(rng.random(len(pairs)) < share) | (pairs[:, 1] == pairs[:, 0] + 1)]
    shake = Rotation.from_rotvec(np.radians(noise) * rng.normal(size=(len(pairs), 3)))
    rotations = (shake * truth[pairs[:, 1]] * truth[pairs[:, 0]].inv()).as_matrix()
    return ViewGraph(count, pairs, rotations, rng.uniform(5, 50, len(pairs))), truth.as_matrix()


def spoil(graph: ViewGraph, wrong: np.ndarray, turn: Rotation) -> ViewGraph:
    """The graph with some pairs turned."""
    rotations = graph.rotations.copy()
    rotations[wrong] = turn.as_matrix() @ rotations[wrong]
    return ViewGraph(graph.count, graph.pairs, rotations, graph.weights)


def test_averaging_finds_the_rotations() -> None:
    graph, truth = graph_of(15, share=0.5)
    found = average_rotations(graph, graph.weights)
    shift = found[0].T @ truth[0]
    errors = Rotation.from_matrix(np.swapaxes(found @ shift, 1, 2) @ truth).magnitude()
    assert np.degrees(errors).max() < 0.5


def test_exact_pairs_have_no_error() -> None:
    graph, truth = graph_of(8, noise=0.0)
    assert pair_errors(graph, truth).max() < 1e-5
    assert consistent_pairs(graph).all()


@pytest.mark.parametrize("seed", range(4))
def test_random_wrong_pairs_are_dropped(seed: int) -> None:
    graph, _ = graph_of(20, share=0.6, seed=seed)
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(graph.pairs)) < 0.35
    turns = Rotation.random(int(wrong.sum()), rng=rng)
    small = turns.magnitude() < np.radians(30)
    keep = consistent_pairs(spoil(graph, wrong, turns))
    assert keep[~wrong].all()
    assert not keep[np.flatnonzero(wrong)[~small]].any()


def test_a_photo_on_the_wrong_wall_keeps_its_true_pairs() -> None:
    """The wrong pairs of a photo agree on one turn, and each weighs more than most true ones; but
    there are fewer of them."""
    graph, _ = graph_of(16)
    of_photo = (graph.pairs == 9).any(axis=1)
    wrong = of_photo & (np.cumsum(of_photo) <= 4)
    spoiled = spoil(graph, wrong, Rotation.from_euler("y", 90, degrees=True))
    spoiled.weights[wrong] = 45
    keep = consistent_pairs(spoiled)
    assert keep[~wrong].all()
    assert not keep[wrong].any()


def test_a_vote_moves_a_photo_from_where_few_pairs_agree() -> None:
    graph, truth = graph_of(12)
    start = truth.copy()
    start[5] = Rotation.from_euler("z", 90, degrees=True).as_matrix() @ start[5]
    found = vote(graph, start)
    assert pair_errors(graph, start).max() > 80
    assert pair_errors(graph, found).max() < 5
    np.testing.assert_array_equal(vote(graph, truth), truth)


def test_support_counts_the_weaker_side_of_closed_triangles() -> None:
    graph, _ = graph_of(3, noise=0.0)
    graph = ViewGraph(3, graph.pairs, graph.rotations, np.array([3.0, 5.0, 7.0]))
    np.testing.assert_allclose(triangle_support(graph), [5.0, 3.0, 3.0])
    opened = spoil(graph, np.array([True, False, False]), Rotation.from_euler("x", 9, degrees=True))
    assert not triangle_support(opened).any()


def test_a_chain_has_nothing_to_judge_by() -> None:
    graph, _ = graph_of(6)
    chain = graph.select(graph.pairs[:, 1] == graph.pairs[:, 0] + 1)
    assert consistent_pairs(chain).all()


def test_components_are_ranked_by_size() -> None:
    pairs = np.array([(0, 1), (2, 3), (3, 4)])
    graph = ViewGraph(6, pairs, np.tile(np.eye(3), (3, 1, 1)), np.ones(3))
    labels = graph.components()
    assert labels.tolist() == [1, 1, 0, 0, 0, 2]
