"""How sure a figure is."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from siamaudio.evaluation.results import Interval

__all__ = ["CONFIDENCE", "bootstrap_interval", "delta_interval", "normal_interval"]

CONFIDENCE = 0.95


def normal_interval(mean: float, variance: float, *, kind: str, degrees: float = math.inf) -> Interval:
    """Return the interval of a mean whose variance was estimated with so many degrees of freedom, within 0 and 1.

    Parameters
    ----------
    mean : float
        In [0, 1].
    variance : float
        Of the mean.
    kind : str
        What the interval covers.
    degrees : float
        Of freedom, for Student's t; infinite: the normal distribution.
    """
    from scipy import special

    if not degrees > 0 or math.isnan(variance):
        return Interval(math.nan, math.nan, CONFIDENCE, kind)
    tail = (1 + CONFIDENCE) / 2
    width = float(special.ndtri(tail) if math.isinf(degrees) else special.stdtrit(degrees, tail)) * math.sqrt(variance)
    return Interval(max(0.0, mean - width), min(1.0, mean + width), CONFIDENCE, kind)


def delta_interval(
    accuracies: npt.NDArray[np.float64],
    influence: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    *,
    kind: str,
) -> tuple[Interval, list[Interval]]:
    """Return the interval of the mean accuracy over classes, and of the accuracy of each class.

    The clips of a group move together. What the accuracy of a class owes to each group, to first order, are the
    terms of a sum whose variance is that of the accuracy (the infinitesimal jackknife; Efron, The Jackknife, the
    Bootstrap and Other Resampling Plans, 1982).

    Parameters
    ----------
    accuracies : np.ndarray [shape=(classes,)]
        Of the classes.
    influence : np.ndarray [shape=(clips,)]
        Derivative of the accuracy of a clip's class by the clip's weight, where all clips weigh 1; 0 in the mean over
        a class.
    groups : np.ndarray [shape=(clips,)]
        Equal numbers for clips that are not drawn independently of each other.
    labels : np.ndarray [shape=(clips,)]
        Class of each clip.
    kind : str
        What the interval covers.
    """
    pairs, group_of_clip = np.unique(np.stack([labels, groups]), axis=1, return_inverse=True)
    of_group = np.bincount(group_of_clip.ravel(), weights=influence)
    num_classes = len(accuracies)
    counts = np.bincount(pairs[0], minlength=num_classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = np.bincount(pairs[0], weights=of_group**2, minlength=num_classes) * counts / (counts - 1)
        # Welch and Satterthwaite's degrees of freedom of a sum of variances.
        spread = np.sum(variances**2 / (counts - 1))
        total = float(np.sum(variances))
        degrees = total**2 / spread if spread > 0 else math.inf  # NaN where a class has a single recording
    overall = normal_interval(float(np.mean(accuracies)), total / num_classes**2, kind=kind, degrees=degrees)
    each = [
        normal_interval(float(accuracy), float(variance), kind=kind, degrees=float(count - 1))
        for accuracy, variance, count in zip(accuracies, variances, counts, strict=True)
    ]
    return overall, each


def bootstrap_interval(values: npt.NDArray[np.float64], *, seed: int, kind: str, resamples: int = 2000) -> Interval:
    """Return the percentile interval of a mean over values that were drawn independently.

    Parameters
    ----------
    values : np.ndarray [shape=(values,)]
        What the mean is over.
    seed : int
        Of the draws, with replacement.
    kind : str
        What the interval covers.
    resamples : int
        How many times to draw as many values as there are.
    """
    rng = np.random.default_rng(seed)
    if len(values) < 2:
        return Interval(math.nan, math.nan, CONFIDENCE, kind)
    # Values that are equal are drawn together: a task's share right takes few values.
    distinct, counts = np.unique(values, return_counts=True)
    means = rng.multinomial(len(values), counts / len(values), size=resamples) @ distinct / len(values)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high), CONFIDENCE, kind)
