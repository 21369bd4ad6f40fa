"""Losses, optimizers and schedules: from Python's options to the core's."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

import siamaudio as sa
from siamaudio import losses, optimizers, schedules
from siamaudio._engine import core
from siamaudio.options import Registry, with_settings

LOSSES = losses.registry.classes
OPTIMIZERS = optimizers.registry.classes
SCHEDULES = schedules.registry.classes
REGISTRIES: list[Registry[Any]] = [losses.registry, optimizers.registry, schedules.registry]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_option_survives_json(registry: Registry[Any]) -> None:
    for name in registry.names:
        option = registry.parse(name)
        assert registry.from_dict(json.loads(json.dumps(registry.to_dict(option)))) == option
        with pytest.raises(dataclasses.FrozenInstanceError):
            option.lr = 3


def test_an_optimizer_keeps_its_schedule() -> None:
    adam = optimizers.Adam(lr=0.01, schedule=schedules.Cosine(warmup=0.2), clip_norm=5.0, moving_average=0.99)
    assert optimizers.registry.from_dict(optimizers.registry.to_dict(adam)) == adam
    assert with_settings(optimizers.Adam(), {"schedule": "cosine", "schedule.final": "0.1"}).schedule == (
        schedules.Cosine(final=0.1)
    )


@pytest.mark.parametrize("loss", LOSSES, ids=lambda cls: cls.__name__)
def test_every_loss_reaches_the_core(loss: type[Any]) -> None:
    assert type(losses.registry.to_core(loss())).__name__ == loss.__name__ + "Options"


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("schedule", [None, *SCHEDULES], ids=lambda cls: cls.__name__ if cls else "none")
def test_every_optimizer_reaches_the_core(optimizer: type[Any], schedule: type[Any] | None) -> None:
    options = optimizer(schedule=schedule and schedule(), clip_norm=1.0, moving_average=0.9)
    assert isinstance(optimizers.to_core(options), core.OptimizerOptions)


def cosine(step: int, total: int) -> float:
    warmup = total // 4
    if step < warmup:
        return 0.1 * (step + 1) / warmup
    return 0.1 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (schedules.Constant(), lambda step, total: 0.1),
        (schedules.InverseTimeDecay(decay=0.5), lambda step, total: 0.1 / (1 + 0.5 * step)),
        (schedules.Cosine(warmup=0.25), cosine),
        (schedules.ReduceOnPlateau(), lambda step, total: 0.1),
    ],
)
def test_a_schedule_means_the_same_in_the_core(schedule: schedules.Schedule, expected: Any) -> None:
    options = core.ScheduleOptions(kind=schedule.name, **dataclasses.asdict(schedule))
    rates = [core.scheduled_lr(options, 0.1, step, 40) for step in range(40)]
    assert rates == pytest.approx([expected(step, 40) for step in range(40)], abs=1e-15)


@pytest.mark.parametrize(
    ("option", "parameter"),
    [
        (losses.Contrastive(margin=0.0), "margin"),
        (losses.Contrastive(form="d"), "loss.form"),  # pyright: ignore[reportArgumentType]
        (losses.Triplet(mining="some"), "loss.mining"),  # pyright: ignore[reportArgumentType]
        (losses.CrossEntropy(label_smoothing=1.0), "label_smoothing"),
        (losses.ArcFace(margin=4.0), "margin"),
        (losses.ClassMemory(schedule="other"), "loss.schedule"),  # pyright: ignore[reportArgumentType]
        (losses.SupervisedContrastive(temperature=math.nan), "temperature"),
        (losses.BinaryCrossentropy(weight=-1.0), "weight"),
        (optimizers.SGD(lr=0.0), "lr"),
        (optimizers.SGD(momentum=1.0), "momentum"),
        (optimizers.AdamW(weight_decay=-0.1), "weight_decay"),
        (optimizers.Adam(clip_norm=0.0), "clip_norm"),
        (optimizers.Adam(clip_norm=math.nan), "clip_norm"),
        (optimizers.Adam(moving_average=1.0), "moving_average"),
        (optimizers.Adam(schedule=schedules.Cosine(warmup=1.0)), "warmup"),
        (optimizers.Adam(schedule=schedules.ReduceOnPlateau(patience=0)), "patience"),
    ],
)
def test_numbers_out_of_range_are_named(option: Any, parameter: str) -> None:
    to_core: Any = losses.registry.to_core if isinstance(option, LOSSES) else optimizers.to_core
    with pytest.raises(sa.ParameterError) as caught:
        to_core(option)
    assert caught.value.parameter == parameter
