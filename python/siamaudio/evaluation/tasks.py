"""Sampled tasks: playing them, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.errors import ParameterError
from siamaudio.evaluation.intervals import bootstrap_interval, normal_interval
from siamaudio.evaluation.results import EvaluationResult, Interval
from siamaudio.evaluation.subjects import Subject, check_ways

__all__ = ["IntervalKind", "draw_tasks", "play", "play_all", "raw_baseline", "summarise"]

IntervalKind = Literal["normal", "bootstrap"]
Shares = npt.NDArray[np.float64]


def draw_tasks(
    subject: Subject,
    *,
    ways: int,
    shots: int,
    queries: int,
    tasks: int,
    stratified: bool,
    seed: int,
    source_disjoint: bool,
    has_one_query: bool = False,
    num_threads: int | None = None,
) -> core.Tasks:
    """Draw tasks; see `evaluate_fewshot` for the parameters.

    Parameters
    ----------
    has_one_query : bool
        A single query a task, of its first class; the classes are then asked for in turn where tasks are stratified.
    """
    check_ways(ways, subject)
    for name, value in (("shots", shots), ("queries", queries), ("tasks", tasks)):
        if value < 1:
            raise ParameterError(name, value, "1 or more")
    if seed < 0:
        raise ParameterError("seed", seed, "0 or more")
    return core.Tasks(
        subject.labels,
        sources=subject.sources if source_disjoint else None,
        num_classes=len(subject.classes),
        ways=ways,
        shots=shots,
        queries=queries,
        tasks=tasks,
        is_stratified=stratified,
        has_one_query=has_one_query,
        seed=seed,
        num_threads=num_threads or 0,
    )


def play(
    subject: Subject,
    tasks: core.Tasks,
    *,
    merge: str = "mean",
    weights: npt.NDArray[np.float64] | None = None,
    neighbours: int = 1,
    num_threads: int | None = None,
) -> Shares:
    """Let the class win whose supports are most similar to the query, block by block of queries.

    Parameters
    ----------
    subject : Subject
        The clips that the tasks are of.
    tasks : core.Tasks
        What to play.
    merge : {"mean", "max", "weighted", "neighbours"}
        What the similarities to a class's supports come to.
    weights : np.ndarray or None [shape=(shots,)]
        For "weighted": of the largest similarity, the second largest, ….
    neighbours : int
        For "neighbours": how many of the task's supports vote.
    num_threads : int > 0 or None
        CPU threads; None: one a core.

    Returns
    -------
    np.ndarray [shape=(tasks, queries a task, ways)]
        1 for the class that wins, or its share where several are tied.
    """
    return play_all(subject, [tasks], merge, weights, neighbours, num_threads)[0]


def play_all(
    subject: Subject,
    groups: Sequence[core.Tasks],
    merge: str = "mean",
    weights: npt.NDArray[np.float64] | None = None,
    neighbours: int = 1,
    num_threads: int | None = None,
) -> list[Shares]:
    """As `play`, for several groups of tasks whose similarities are computed once."""
    shares = [np.zeros((*tasks.queries.shape, tasks.classes.shape[1])) for tasks in groups]
    for start, block in subject.blocks():
        for tasks, own in zip(groups, shares, strict=True):
            tasks.score(
                block,
                own,
                first_row=start,
                merge=merge,
                weights=[] if weights is None else weights.tolist(),
                neighbours=neighbours,
                num_threads=num_threads or 0,
            )
    return shares


def summarise(
    subject: Subject,
    tasks: core.Tasks,
    shares: Shares,
    *,
    protocol: str,
    description: str,
    seed: int,
    source_disjoint: bool,
    interval: IntervalKind = "normal",
    baselines: dict[str, float] | None = None,
    ways_curve: dict[int, float] | None = None,
) -> EvaluationResult:
    """Bring what was won into the form of every result; the accuracy is the mean over tasks.

    Parameters
    ----------
    subject : Subject
        The clips that the tasks are of.
    tasks : core.Tasks
        What was played; all tasks have as many queries of each class that they ask for.
    shares : np.ndarray [shape=(tasks, queries a task, ways)]
        From `play`.
    protocol, description, seed, source_disjoint, baselines, ways_curve
        Of the result.
    interval : {"normal", "bootstrap"}
        How to compute the intervals.
    """
    num_tasks, num_queries, ways = shares.shape
    asked, credit = credits_of(tasks, shares)
    num_asked = asked.shape[1]
    of_class = credit.reshape(num_tasks, num_asked, num_queries // num_asked).mean(axis=2)
    of_task = credit.mean(axis=1)
    num_classes = len(subject.classes)
    members = [of_class[asked == c] for c in range(num_classes)]
    accuracy = float(of_task.mean())
    rows = np.repeat(asked, num_queries // num_asked, axis=1)
    cells = rows[:, :, None] * num_classes + tasks.classes[:, None, :]
    answers = np.bincount(cells.ravel(), weights=shares.ravel(), minlength=num_classes**2)
    answers = answers.reshape(num_classes, num_classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        confusion = answers / answers.sum(axis=1, keepdims=True)
        clips = tasks.queries.ravel()
        query_accuracy = np.bincount(clips, weights=credit.ravel(), minlength=len(subject.labels)) / np.bincount(
            clips, minlength=len(subject.labels)
        )
    outcomes = None
    if num_queries == 1:  # a tie is right as often as it would be by chance
        outcomes = np.random.default_rng(seed).random(num_tasks) < credit[:, 0]
    return EvaluationResult(
        accuracy=accuracy,
        interval=task_interval(of_task, interval, seed),
        per_class={
            name: float(values.mean()) if len(values) else math.nan
            for name, values in zip(subject.classes, members, strict=True)
        },
        per_class_intervals={
            name: task_interval(values, interval, seed) for name, values in zip(subject.classes, members, strict=True)
        },
        confusion=confusion,
        classes=subject.classes,
        ways=ways,
        shots=tasks.supports.shape[2],
        ways_curve=ways_curve or {ways: accuracy},
        baselines={**(baselines or {}), "chance": 1 / ways},
        protocol=protocol,
        description=description,
        num_clips=len(subject.labels),
        num_tasks=num_tasks,
        seed=seed,
        source_disjoint=source_disjoint,
        left_out=subject.left_out,
        query_accuracy=subject.spread(query_accuracy, math.nan),
        query_classes=subject.spread(subject.labels, -1),
        outcomes=outcomes,
    )


def raw_baseline(subject: Subject, tasks: core.Tasks, num_threads: int | None) -> dict[str, float]:
    """Return what the mean similarity of the raw spectrograms wins of the tasks; nothing where there are none."""
    raw = subject.raw_spectrograms()
    if raw is None:
        return {}
    return {"raw spectrogram": float(credits_of(tasks, play(raw, tasks, num_threads=num_threads))[1].mean())}


def credits_of(tasks: core.Tasks, shares: Shares) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the classes that each task asks for, and what each of its queries won for its own class.

    Returns
    -------
    asked : np.ndarray [shape=(tasks, 1) or (tasks, ways)]
    credit : np.ndarray [shape=(tasks, queries a task)]
    """
    _, num_queries, ways = shares.shape
    if num_queries % ways:  # fewer than one a class: all are of the first
        return tasks.classes[:, :1], shares[:, :, 0]
    own = np.repeat(np.arange(ways), num_queries // ways)
    return tasks.classes, shares[:, np.arange(num_queries), own]


def task_interval(values: npt.NDArray[np.float64], kind: IntervalKind, seed: int) -> Interval:
    """Return the interval of a mean over tasks: where other tasks of the same clips would lie."""
    if kind not in ("normal", "bootstrap"):
        raise ParameterError("interval", kind, "'normal' or 'bootstrap'")
    words = f"other tasks of the same clips; {kind} over {len(values)} tasks"
    if kind == "bootstrap":
        return bootstrap_interval(values, seed=seed, kind=words)
    if len(values) < 2:
        return Interval(math.nan, math.nan, kind=words)
    return normal_interval(float(values.mean()), float(values.var(ddof=1)) / len(values), kind=words)
