"""Samplers as seen from Python: labels of any kind in, arrays out. How they sample is tested in C++."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import siamaudio as sa
from siamaudio.errors import ParameterError, TrainingError
from siamaudio.samplers import Batch, Sampler, registry

LABELS = np.tile(np.arange(6), 20)
SAMPLERS = [cls() for cls in registry.classes]


def by_name(sampler: Sampler) -> str:
    return type(sampler).__name__


def equal(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(getattr(x, field.name), getattr(y, field.name))
        for x, y in zip(a, b, strict=True)
        for field in dataclasses.fields(Batch)
    )


@pytest.mark.parametrize("sampler", SAMPLERS, ids=by_name)
def test_a_plan_says_what_is_where(sampler: Sampler) -> None:
    batches = sampler.plan(LABELS)
    assert batches
    for batch in batches:
        assert batch.clips.dtype == batch.pairs.dtype == batch.triplets.dtype == np.int64
        assert set(batch.clips) <= set(range(len(LABELS)))
        assert len(batch.clips) % batch.num_sides == 0
        classes = LABELS[batch.clips]

        assert batch.is_same.dtype == np.bool_
        assert batch.pairs.shape == (len(batch.is_same), 2)
        assert np.array_equal(classes[batch.pairs[:, 0]] == classes[batch.pairs[:, 1]], batch.is_same)

        assert batch.triplets.shape[1] == 3
        anchor, positive, negative = batch.triplets.T
        assert np.all(classes[anchor] == classes[positive])
        assert np.all(classes[anchor] != classes[negative])

        # Positions of a column are those of its side.
        for positions in (batch.pairs, batch.triplets):
            if len(positions):
                assert np.array_equal(positions.T.ravel(), np.arange(len(batch.clips)))
        sides = {2: len(batch.pairs), 3: len(batch.triplets)}
        assert batch.num_sides == 1 or len(batch.clips) == batch.num_sides * sides[batch.num_sides]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=by_name)
def test_a_plan_depends_on_seed_and_epoch_alone(sampler: Sampler) -> None:
    plan = sampler.plan(LABELS, seed=3, epoch=2)
    assert equal(plan, sampler.plan(list(LABELS), seed=3, epoch=2))
    assert equal(plan, sampler.plan(np.array(["a", "b", "c", "d", "e", "f"])[LABELS], seed=3, epoch=2))
    assert equal(plan, sampler.plan(LABELS * 10 - 7, seed=3, epoch=2))
    assert not equal(plan, sampler.plan(LABELS, seed=3, epoch=3))
    assert not equal(plan, sampler.plan(LABELS, seed=2, epoch=2))


def test_episodes_begin_with_their_supports() -> None:
    for batch in sa.samplers.Episodes(ways=4, shots=2, queries=3, episodes_per_epoch=5).plan(LABELS):
        supports, queries = np.split(LABELS[batch.clips], [batch.num_support])
        assert np.array_equal(np.repeat(queries[::3], 2), supports)


def test_options_reach_the_core() -> None:
    """Each field changes the plan, so none is lost or mixed up with another on the way."""
    other = {
        "batch_size": 10,
        "negative_ratio": 2.0,
        "num_positive": 2,
        "num_negative": 3,
        "steps_per_epoch": 7,
        "triplets_per_anchor": 2,
        "clips_per_class": 12,
        "ways": 3,
        "shots": 3,
        "queries": 4,
        "episodes_per_epoch": 9,
    }
    for sampler in SAMPLERS:
        for field in dataclasses.fields(sampler):
            if (type(sampler), field.name) == (sa.samplers.Balanced, "negative_ratio"):
                continue  # for the loss, not for the plan
            changed = dataclasses.replace(sampler, **{field.name: other[field.name]})
            assert not equal(sampler.plan(LABELS), changed.plan(LABELS)), (by_name(sampler), field.name)
    anchors = sa.samplers.AnchorPairs(num_positive=2, num_negative=3, steps_per_epoch=7).plan(LABELS)
    assert [(len(batch.pairs), batch.is_same.sum()) for batch in anchors] == [(30, 12)] * 7
    episodes = sa.samplers.Episodes(ways=3, shots=2, queries=4, episodes_per_epoch=9).plan(LABELS)
    assert [(len(batch.clips), batch.num_support) for batch in episodes] == [(18, 6)] * 9


@pytest.mark.parametrize("sampler", SAMPLERS, ids=by_name)
def test_options_survive_a_dictionary(sampler: Sampler) -> None:
    assert registry.from_dict(registry.to_dict(sampler)) == sampler
    assert registry.parse(registry.to_dict(sampler)["type"]) == sampler


@pytest.mark.parametrize(
    ("labels", "options", "parameter"),
    [
        ([[0, 1]], {}, "labels"),
        ([0.5, 1.5], {}, "labels"),
        (LABELS, {"seed": -1}, "seed"),
        (LABELS, {"seed": 2**64}, "seed"),
        (LABELS, {"epoch": -1}, "epoch"),
    ],
)
def test_wrong_arguments_are_named(labels: Any, options: dict[str, int], parameter: str) -> None:
    with pytest.raises(ParameterError) as error:
        sa.samplers.Shuffled().plan(labels, **options)
    assert error.value.parameter == parameter


def test_wrong_options_are_named() -> None:
    with pytest.raises(ParameterError, match="ways: got 7; accepted: 2 to 6, the number of classes"):
        sa.samplers.Episodes(ways=7).plan(LABELS)
    with pytest.raises(ParameterError, match="num_positive: got 2; accepted: 1, as class 1 has 2 clips"):
        sa.samplers.AnchorPairs(num_positive=2, num_negative=1).plan([0, 1, 0, 1, 0])
    with pytest.raises(ParameterError, match=r"batch_size: got 2\.5; accepted: a whole number"):
        sa.samplers.Shuffled(batch_size=2.5).plan(LABELS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ParameterError, match="sampler"):
        registry.to_core("unknown")


def test_data_that_nobody_could_sample_are_named() -> None:
    with pytest.raises(TrainingError, match="two clips or more of each class, and class 1 has 1 clip"):
        sa.samplers.HonkaPairs().plan(["a", "b", "a"])
    with pytest.raises(TrainingError, match="two classes or more, and there are 1"):
        sa.samplers.Balanced().plan([5, 5, 5])
    with pytest.raises(TrainingError, match="two clips or more, and there are 0"):
        sa.samplers.Shuffled().plan(np.array([], dtype=int))
