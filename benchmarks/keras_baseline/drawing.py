"""Which pairs the two studies train on, and which one-shot tasks they validate on. Labels are 0, 1, 2, …."""

from __future__ import annotations

import numpy as np

Task = tuple[int, np.ndarray]
"""The query, and the supports of all classes, the n-th of class n."""


def honka_pairs(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the pairs of an epoch, shuffled: (pairs, 2) clips, and whether they are of one class.

    A clip is drawn, paired with n / 2 others of its class and as many of other classes (n: clips of a class), and
    leaves the pool; that for n - n / 2 clips of each class. No pair comes twice.
    """
    num_classes = int(labels.max()) + 1
    clips_of_class = len(labels) // num_classes
    half = clips_of_class // 2
    in_pool = np.ones(len(labels), dtype=bool)
    pairs, is_same = [], []
    for drawn_class in rng.permutation(np.repeat(np.arange(num_classes), clips_of_class - half)):
        clip = rng.choice(np.flatnonzero(in_pool & (labels == drawn_class)))
        in_pool[clip] = False
        for same in (True, False):
            partners = np.flatnonzero(in_pool & ((labels == drawn_class) == same))
            for partner in rng.choice(partners, min(half, len(partners)), replace=False):
                pairs.append((clip, partner))
                is_same.append(same)
    order = rng.permutation(len(pairs))
    return np.array(pairs)[order], np.array(is_same)[order]


def honka_tasks(labels: np.ndarray, seed: int) -> list[Task]:
    """Return all tasks of a validation.

    Each class's clips are shuffled and halved into queries and supports; the n-th supports of all classes are a support
    set, which every query meets.
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(np.flatnonzero(labels == c)) for c in range(int(labels.max()) + 1)]
    sets = np.stack([order[len(order) // 2 :][: min(map(len, orders)) // 2] for order in orders], axis=1)
    queries = np.concatenate([order[: len(order) // 2] for order in orders])
    return [(int(query), supports) for query in queries for supports in sets]


def fedele_pairs(
    labels: np.ndarray, num_positive: int, num_negative: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the pairs of a batch: (pairs, 2) clips, and whether they are of one class.

    Of every class a random anchor, with so many others of its class and one clip each of so many other classes.
    """
    classes = np.arange(int(labels.max()) + 1)
    clips_of = [np.flatnonzero(labels == c) for c in classes]
    pairs, is_same = [], []
    for own in classes:
        anchor, *positives = rng.choice(clips_of[own], 1 + num_positive, replace=False)
        others = rng.choice(classes[classes != own], num_negative, replace=False)
        negatives = [rng.choice(clips_of[other]) for other in others]
        pairs += [(anchor, partner) for partner in (*positives, *negatives)]
        is_same += [True] * num_positive + [False] * num_negative
    return np.array(pairs), np.array(is_same)


def fedele_tasks(labels: np.ndarray, seed: int, num_tasks: int = 300) -> list[Task]:
    """Return random tasks that ask for each class in turn; query and support of its class are two different clips."""
    rng = np.random.default_rng(seed)
    clips_of = [np.flatnonzero(labels == c) for c in range(int(labels.max()) + 1)]
    tasks = []
    for number in range(num_tasks):
        supports = np.array([rng.choice(clips) for clips in clips_of])
        own = number % len(clips_of)
        query, supports[own] = rng.choice(clips_of[own], 2, replace=False)
        tasks.append((int(query), supports))
    return tasks
