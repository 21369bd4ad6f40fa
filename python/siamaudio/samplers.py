"""Samplers as data: which clips a training step sees together. The C++ trainer plans each epoch by one of them.

Every clip embedded once, and what the loss forms of the embeddings:

==========  ===============================================================
`Balanced`  several clips of each of a batch's classes; the default
`Shuffled`  every clip once an epoch in random order, as for classification
`Episodes`  few-shot tasks: supports and queries
==========  ===============================================================

The published ways, each side encoded by itself:

================  =================================================================
`HonkaPairs`      Honka 2019: no pair twice an epoch
`AnchorPairs`     Fedele 2022: a random anchor of every class
`RandomPairs`     Lloret 2019: every clip is an anchor once
`RandomTriplets`  Lloret 2019: anchor, another clip of its class, a clip of another
================  =================================================================

`Sampler.plan` shows what a sampler would do with given labels, as a list of `Batch`; `registry` knows them by name.

Examples
--------
>>> import siamaudio as sa
>>> sa.samplers.Balanced(batch_size=4, clips_per_class=2).plan(["dog", "dog", "cat", "cat"])
[Batch(4 clips)]
>>> sa.samplers.HonkaPairs(batch_size=2).plan(["dog", "dog", "cat", "cat"], seed=1)
[Batch(4 clips, 2 sides, 2 pairs), Batch(4 clips, 2 sides, 2 pairs)]
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.options import Registry

if TYPE_CHECKING:
    pass

__all__ = [
    "AnchorPairs",
    "Balanced",
    "Batch",
    "Episodes",
    "HonkaPairs",
    "RandomPairs",
    "RandomTriplets",
    "Sampler",
    "Shuffled",
    "registry",
]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """What one training step sees; an array without rows where a sampler makes no such thing.

    Attributes
    ----------
    clips : ndarray of int64, shape (clips,)
        Clips by their place in the data, `num_sides` runs of equal length one after another. Each run is encoded, and
        batch-normalised, by itself.
    num_sides : int
        1: every clip is embedded once. 2: left and right clips of pairs. 3: anchors, positives, negatives.
    pairs : ndarray of int64, shape (pairs, 2)
        Left and right, as positions in `clips`. A one-sided batch lists none: its loss may form every pair.
    is_same : ndarray of bool, shape (pairs,)
        Whether a pair is of one class.
    triplets : ndarray of int64, shape (triplets, 3)
        Anchor, positive, negative, as positions in `clips`.
    num_support : int
        Above 0, an episode: so many clips at the beginning are its supports, the others its queries.
    """

    clips: npt.NDArray[np.int64]
    num_sides: int
    pairs: npt.NDArray[np.int64]
    is_same: npt.NDArray[np.bool_]
    triplets: npt.NDArray[np.int64]
    num_support: int

    def __repr__(self) -> str:
        sides = f", {self.num_sides} sides" if self.num_sides > 1 else ""
        counts = {"pairs": len(self.pairs), "triplets": len(self.triplets), "supports": self.num_support}
        listed = "".join(f", {count} {name}" for name, count in counts.items() if count)
        return f"Batch({len(self.clips)} clips{sides}{listed})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampler:
    """What all samplers can do."""

    def plan(self, labels: npt.ArrayLike, *, seed: int = 0, epoch: int = 0) -> list[Batch]:
        """Plan an epoch, as training with this seed would.

        Parameters
        ----------
        labels : array-like, shape (clips,)
            Class of each clip, as whole numbers or names.
        seed : int >= 0
            The same seed and epoch give the same batches on every machine.
        epoch : int >= 0
            From 0.

        Returns
        -------
        list of Batch
            The epoch's steps in order.

        Raises
        ------
        ParameterError
            An option is out of its range, or asks for more clips or classes than there are. Classes are counted from 0
            in the order of their sorted names.
        TrainingError
            The data are too few for any options: fewer than two classes, or a class with a single clip.

        Examples
        --------
        >>> import siamaudio as sa
        >>> labels = ["dog"] * 4 + ["rain"] * 4 + ["siren"] * 4
        >>> batch = sa.samplers.Episodes(ways=2, shots=1, queries=2).plan(labels, seed=1)[0]
        >>> batch.num_support, len(batch.clips)
        (2, 6)
        >>> [labels[clip] for clip in batch.clips[: batch.num_support]]
        ['rain', 'dog']
        """
        from siamaudio._engine import core

        names = np.asarray(labels)
        if names.ndim != 1 or names.dtype.kind not in "iuUSb":
            raise ParameterError(
                "labels",
                f"{names.dtype} of shape {names.shape}",
                "whole numbers or names, of shape (clips,)",
            )
        for name, value in (("seed", seed), ("epoch", epoch)):
            if not 0 <= value < 2**64:
                raise ParameterError(name, value, "0 to 2^64 - 1")
        classes, indices = np.unique(names, return_inverse=True)
        batches = core.plan_epoch(
            registry.to_core(self), labels=indices.astype(np.int64), num_classes=len(classes), seed=seed, epoch=epoch
        )
        return [
            Batch(
                clips=clips,
                num_sides=num_sides,
                pairs=pairs,
                is_same=is_same,
                triplets=triplets,
                num_support=num_support,
            )
            for clips, num_sides, pairs, is_same, triplets, num_support in batches
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class HonkaPairs(Sampler):
    """Two-sided pairs of Honka 2019, section 3.2: no pair twice an epoch, in shuffled batches.

    A clip is drawn, paired with n / 2 others of its class and ``negative_ratio`` × n / 2 of other classes (n: clips of
    its class), and leaves the pool; n - n / 2 clips of each class are drawn. 40 classes × 40 clips give 16,000 pairs of
    either kind.

    Parameters
    ----------
    batch_size : int > 0
        Pairs.
    negative_ratio : float > 0
        Pairs of different classes for each pair of one class; fewer where the pool runs out.

    Examples
    --------
    >>> import siamaudio as sa
    >>> batches = sa.samplers.HonkaPairs(batch_size=20).plan([0, 1, 2, 3] * 6)
    >>> [len(batch.pairs) for batch in batches]
    [20, 20, 20, 12]
    """

    name: ClassVar[str] = "honka_pairs"
    batch_size: int = 20
    negative_ratio: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnchorPairs(Sampler):
    """Two-sided pairs of Fedele et al. 2022, algorithm 2: each step takes one random anchor of every class.

    Parameters
    ----------
    num_positive : int > 0
        Other clips of its class that an anchor is paired with. Published: 4 for ESC-50, 2 for AudioMNIST.
    num_negative : int > 0
        Different other classes, of which an anchor is paired with one clip each.
    steps_per_epoch : int > 0
        Batches; published: validation after every 100 of them.

    Examples
    --------
    >>> import siamaudio as sa
    >>> batches = sa.samplers.AnchorPairs(num_positive=2, num_negative=2, steps_per_epoch=10).plan([0, 1, 2] * 4)
    >>> len(batches), len(batches[0].pairs), batches[0].is_same.mean()
    (10, 12, np.float64(0.5))
    """

    name: ClassVar[str] = "anchor_pairs"
    num_positive: int = 4
    num_negative: int = 4
    steps_per_epoch: int = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomPairs(Sampler):
    """Two-sided pairs of Lloret 2019, section 4.3.1: every clip is an anchor once an epoch.

    No two clips form a positive pair twice; the negative clips of an anchor are of different classes. An anchor's pairs
    stay together, so that every batch has the same proportion. A class with fewer than ``2 * num_positive + 1`` clips
    has too few couples for all of them to be anchors: some are left out.

    Parameters
    ----------
    batch_size : int >= num_positive + num_negative
        Pairs, at most: as many anchors as fit with all of theirs. The thesis gives none.
    num_positive : int > 0
        Pairs of an anchor with other clips of its class.
    num_negative : int > 0
        Pairs of an anchor with clips of other classes. One positive and four negative pairs were best (section
        5.2.1.1.3, table 5.4).

    Examples
    --------
    >>> import siamaudio as sa
    >>> batch, *others = sa.samplers.RandomPairs().plan(list(range(10)) * 8)
    >>> len(batch.pairs), batch.is_same.mean(), len(others)
    (100, np.float64(0.2), 3)
    """

    name: ClassVar[str] = "random_pairs"
    batch_size: int = 100
    num_positive: int = 1
    num_negative: int = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomTriplets(Sampler):
    """Three-sided triplets of Lloret 2019, section 4.3.2: anchor, another clip of its class, a clip of another class.

    Parameters
    ----------
    batch_size : int > 0
        Triplets. The thesis gives none.
    triplets_per_anchor : int > 0
        Every clip is the anchor of so many triplets an epoch, no two of them the same. The thesis gives no number; 4 is
        that of the negative clips of an anchor of `RandomPairs`.

    Examples
    --------
    >>> import siamaudio as sa
    >>> batches = sa.samplers.RandomTriplets().plan(list(range(10)) * 8)
    >>> [len(batch.triplets) for batch in batches]
    [100, 100, 100, 20]
    """

    name: ClassVar[str] = "random_triplets"
    batch_size: int = 100
    triplets_per_anchor: int = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Balanced(Sampler):
    """Embed once: every clip once an epoch, several of each of a batch's classes, all pairs formed on the embeddings.

    Parameters
    ----------
    batch_size : int >= 2
        Clips, about; 40 clips make 780 pairs.
    clips_per_class : int >= 2
        Clips of a class that enter a batch together, about: more where there are too few classes to fill a batch.
    negative_ratio : float > 0
        Weight of a batch's pairs of different classes, as a whole, for that of its pairs of one class.

    Examples
    --------
    >>> import siamaudio as sa
    >>> batches = sa.samplers.Balanced(batch_size=8, clips_per_class=2).plan([0, 1, 2, 3] * 4)
    >>> [sorted(batch.clips % 4) for batch in batches][0][::2]
    [np.int64(0), np.int64(1), np.int64(2), np.int64(3)]
    """

    name: ClassVar[str] = "balanced"
    batch_size: int = 40
    clips_per_class: int = 4
    negative_ratio: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shuffled(Sampler):
    """Embed once: every clip once an epoch in random order, as for classification.

    Parameters
    ----------
    batch_size : int >= 2
        Clips. The last batch may be shorter; a single clip left over joins the one before.

    Examples
    --------
    >>> import siamaudio as sa
    >>> [len(batch.clips) for batch in sa.samplers.Shuffled(batch_size=8).plan([0, 1] * 10)]
    [8, 8, 4]
    """

    name: ClassVar[str] = "shuffled"
    batch_size: int = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episodes(Sampler):
    """Embed once: few-shot tasks (Snell et al. 2017, algorithm 1), one a step.

    The supports come first, class by class, then the queries in the same order of classes; no clip twice in a task.

    Parameters
    ----------
    ways : int >= 2
        Classes of a task, drawn anew for each.
    shots : int > 0
        Supports of a class.
    queries : int > 0
        Queries of a class.
    episodes_per_epoch : int > 0
        Tasks.

    Examples
    --------
    >>> import siamaudio as sa
    >>> batches = sa.samplers.Episodes(ways=3, shots=2, queries=4).plan([0, 1, 2, 3, 4] * 6)
    >>> len(batches), len(batches[0].clips), batches[0].num_support
    (100, 18, 6)
    """

    name: ClassVar[str] = "episodes"
    ways: int = 5
    shots: int = 1
    queries: int = 15
    episodes_per_epoch: int = 100


registry: Registry[Sampler] = Registry(
    "sampler", (HonkaPairs, AnchorPairs, RandomPairs, RandomTriplets, Balanced, Shuffled, Episodes)
)


def __dir__() -> list[str]:
    return list(__all__)
