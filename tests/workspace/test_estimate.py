"""The time left: sensible from the first second, right at the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gypsum.workspace import Stage, StageRecord, Step
from gypsum.workspace.estimate import TimeModel


def step(name: str, cost: float, seconds: float | None = None) -> Step:
    """A stage that runs, or that was made in so many seconds."""
    stage = Stage(name, name, "", "", cost=cost)
    record = None
    if seconds is not None:
        record = StageRecord(name, name, "", {}, seconds, seconds, 0, False, "", {}, [], {})
    return Step(stage, "", {}, record, "")


def test_nothing_is_claimed_without_a_hint() -> None:
    estimate = TimeModel([step("a", 10), step("b", 90)]).estimate("a", 0.0, 0.0)
    assert estimate.left is None
    assert estimate.stage_left is None


def test_kept_stages_tell_how_fast_the_machine_is() -> None:
    model = TimeModel([step("a", 10, seconds=20), step("b", 90), step("c", 10)])
    estimate = model.estimate("b", 0.0, 0.0)
    assert estimate.stage_left == 180
    assert estimate.left == 200
    assert estimate.overall == 0


def test_a_stages_own_rate_wins_as_it_proceeds() -> None:
    model = TimeModel([step("a", 10, seconds=10), step("b", 100)])
    assert model.estimate("b", 50.0, 0.9).stage_left == 5.6


def test_a_stage_that_is_done_leaves_only_the_others() -> None:
    model = TimeModel([step("a", 10), step("b", 30)])
    assert model.estimate("a", 20.0, 1.0).left == 60
    model.finished("a", 20)
    assert model.estimate("b", 0.0, 0.0).left == 60
    assert model.estimate("b", 60.0, 1.0).overall == 1


@given(
    st.lists(st.floats(0.1, 1000), min_size=2, max_size=6),
    st.floats(0, 1000),
    st.floats(0, 1),
)
def test_estimates_are_always_possible(costs: list[float], elapsed: float, done: float) -> None:
    model = TimeModel([step(str(i), cost) for i, cost in enumerate(costs)])
    estimate = model.estimate("0", elapsed, done)
    assert 0 <= estimate.overall <= 1
    for seconds in (estimate.left, estimate.stage_left):
        assert seconds is None or seconds >= 0
