"""How well explanations agree: of two methods, or of one method with other seeds."""

from __future__ import annotations

import dataclasses
import itertools
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.explanation import methods
from siamaudio.explanation.explaining import contributions_of

if TYPE_CHECKING:
    import pandas as pd

    from siamaudio.explanation.results import Explanation

__all__ = ["Agreement", "Stability", "agreement", "measure_stability"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """Rank correlation of two explanations of the same supports.

    Attributes
    ----------
    names : tuple of (str, str)
        The two methods.
    classes : tuple of str
        The class of each support.
    correlations : np.ndarray [shape=(supports,), dtype=float64, range=[-1, 1]]
        Spearman's; NaN where all parts of a support contribute the same.
    unit : str
        What was ranked: "segments", or "pixels" where the two have other segments.
    """

    names: tuple[str, str]
    classes: tuple[str, ...]
    correlations: npt.NDArray[np.float64]
    unit: str

    def __repr__(self) -> str:
        return f"Agreement({' and '.join(self.names)}: {self.mean:.2f} over {self.unit}, {len(self.classes)} supports)"

    @property
    def mean(self) -> float:
        """The mean over the supports that have one."""
        return _mean(self.correlations)

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(float_format='{:.2f}'.format)}"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a support: class and correlation."""
        import pandas as pd

        return pd.DataFrame({"class": list(self.classes), "correlation": self.correlations})


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Stability:
    """Rank correlation of explanations that differ by their seed alone.

    Attributes
    ----------
    seeds : tuple of int
        Theirs.
    classes : tuple of str
        The class of each support.
    correlations : np.ndarray [shape=(pairs, supports), dtype=float64, range=[-1, 1]]
        Spearman's over the segments, of each pair of seeds; 1 for a method that draws nothing.
    """

    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    correlations: npt.NDArray[np.float64]

    def __repr__(self) -> str:
        return f"Stability({len(self.seeds)} seeds: {self.mean:.2f} over segments, {len(self.classes)} supports)"

    @property
    def mean(self) -> float:
        """The mean over pairs and supports."""
        return _mean(self.correlations)

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(float_format='{:.2f}'.format)}"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a support: class, mean and least correlation."""
        import pandas as pd

        return pd.DataFrame(
            {
                "class": list(self.classes),
                "mean": [_mean(own) for own in self.correlations.T],
                "least": self.correlations.min(axis=0),
            }
        )


def agreement(a: Explanation, b: Explanation) -> Agreement:
    """Compare two explanations of the same supports by the ranks of their contributions.

    Parameters
    ----------
    a, b : Explanation
        By other methods, settings, seeds or networks.

    Raises
    ------
    ParameterError
        They are of other supports.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    >>> net = sa.SiameseNetwork(encoder).build((16, 20))
    >>> query, *supports = np.random.default_rng(0).normal(size=(3, 16, 20))
    >>> options = {"segmentation": "grid", "silence": -3, "progress": False}
    >>> a, b = (sa.explain(net, query, supports, method=method, **options) for method in ("sinex", "gradient"))
    >>> sa.explanation.agreement(a, b).unit
    'segments'
    """
    if a.maps.shape != b.maps.shape or any(
        not np.array_equal(one.spectrogram, other.spectrogram)
        for one, other in zip(a.supports, b.supports, strict=True)
    ):
        raise ParameterError("b", "an explanation of other supports", "one of the same")
    by_segments = np.array_equal(a.segments, b.segments)
    left, right = (a.contributions, b.contributions) if by_segments else (a.maps, b.maps)
    return Agreement(
        names=(a.method.name, b.method.name),
        classes=a.classes,
        correlations=np.array([_rank_correlation(x, y) for x, y in zip(left, right, strict=True)]),
        unit="segments" if by_segments else "pixels",
    )


def measure_stability(
    explanation: Explanation, *, num_seeds: int, num_threads: int | None, progress: bool
) -> Stability:
    """Do the work of `Explanation.stability`, which describes the parameters."""
    if num_seeds < 2:
        raise ParameterError("num_seeds", num_seeds, "2 or more")
    seeds = tuple(range(explanation.seed, explanation.seed + num_seeds))
    pairs = list(itertools.combinations(range(num_seeds), 2))
    if not isinstance(explanation.method, methods.Sinexc | methods.Rise):
        correlations = np.ones((len(pairs), len(explanation.classes)))
        return Stability(seeds=seeds, classes=explanation.classes, correlations=correlations)
    found = [explanation.contributions]
    for seed in seeds[1:]:
        contributions, _ = contributions_of(
            explanation.explainer,
            explanation.method,
            explanation.segments,
            seed=seed,
            num_threads=num_threads,
            progress=progress,
        )
        found.append(contributions)
    correlations = [[_rank_correlation(x, y) for x, y in zip(found[i], found[j], strict=True)] for i, j in pairs]
    return Stability(seeds=seeds, classes=explanation.classes, correlations=np.array(correlations))


def _rank_correlation(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> float:
    """Spearman's, ties having their mean rank; NaN where one of them does not vary."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(x), rankdata(y)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.sqrt((ranks**2).sum(axis=1))
    return float(ranks[0] @ ranks[1] / (lengths[0] * lengths[1])) if lengths.all() else np.nan


def _mean(correlations: npt.NDArray[np.float64]) -> float:
    return float(np.nanmean(correlations)) if np.isfinite(correlations).any() else np.nan
