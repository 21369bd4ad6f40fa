"""Whether the order of segments is the network's: what happens to the similarity as they go, or come back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from siamaudio.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from siamaudio.explanation.results import Explanation

__all__ = ["Faithfulness", "measure_faithfulness"]

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Faithfulness:
    """Deletion and insertion curves of one support (Petsiuk et al. 2018), and those of random orders.

    An area is the mean similarity on the way, over the share of pixels: of a faithful order that of deletion is small,
    as the similarity falls at once, and that of insertion large.

    Attributes
    ----------
    support : int
        Which one.
    class_name : str
        Its class.
    shares : np.ndarray [shape=(1 + orders, points), dtype=float64]
        Of the pixels that are away (deletion) or back (insertion); row 0 is of the explanation's order.
    deletion, insertion : np.ndarray [shape=(1 + orders, points), dtype=float64]
        Similarities there.
    seed : int
        Of the random orders.
    """

    support: int
    class_name: str
    shares: FloatArray
    deletion: FloatArray
    insertion: FloatArray
    seed: int

    @property
    def deletion_area(self) -> float:
        """Area under the explanation's deletion curve."""
        return float(self.deletion_areas[0])

    @property
    def insertion_area(self) -> float:
        """Area under the explanation's insertion curve."""
        return float(self.insertion_areas[0])

    @property
    def deletion_areas(self) -> FloatArray:
        """Of the explanation, then of each random order."""
        return np.asarray(np.trapezoid(self.deletion, self.shares, axis=1))

    @property
    def insertion_areas(self) -> FloatArray:
        """Of the explanation, then of each random order."""
        return np.asarray(np.trapezoid(self.insertion, self.shares, axis=1))

    @property
    def deletion_p_value(self) -> float:
        """Share of all orders, this one among them, whose deletion area is as small."""
        return float(np.mean(self.deletion_areas <= self.deletion_area))

    @property
    def insertion_p_value(self) -> float:
        """Share of all orders, this one among them, whose insertion area is as large."""
        return float(np.mean(self.insertion_areas >= self.insertion_area))

    def to_frame(self) -> pd.DataFrame:
        """Return two rows, deletion and insertion: area, mean and deviation of the random orders, p-value."""
        import pandas as pd

        rows = [
            {
                "area": areas[0],
                "random_mean": areas[1:].mean(),
                "random_deviation": areas[1:].std(),
                "p_value": p_value,
            }
            for areas, p_value in (
                (self.deletion_areas, self.deletion_p_value),
                (self.insertion_areas, self.insertion_p_value),
            )
        ]
        return pd.DataFrame(rows, index=pd.Index(["deletion", "insertion"], name="curve"))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw both curves and, in the background, those of the random orders.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting_explanation

        return plotting_explanation.plot_faithfulness(self, ax=ax)

    def __repr__(self) -> str:
        return (
            f"Faithfulness({self.class_name!r}: deletion area {self.deletion_area:.3f} "
            f"(random {self.deletion_areas[1:].mean():.3f}), insertion area {self.insertion_area:.3f} "
            f"(random {self.insertion_areas[1:].mean():.3f}))"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(float_format='{:.3f}'.format)}"


def measure_faithfulness(
    explanation: Explanation,
    support: int,
    *,
    num_orders: int,
    steps: int,
    seed: int,
    num_threads: int | None,
    progress: bool,
) -> Faithfulness:
    """Do the work of `Explanation.faithfulness`, which describes the parameters."""
    for name, value in (("num_orders", num_orders), ("steps", steps)):
        if value < 1:
            raise ParameterError(name, value, "1 or more")
    if seed < 0:
        raise ParameterError("seed", seed, "0 or more")
    labels = explanation.segments[support]
    pixels = np.bincount(labels.ravel())
    if len(pixels) < 2:
        raise ParameterError("segments", "a single one", "two or more: one alone has no order")
    own = np.argsort(-explanation.contributions[support], kind="stable")
    rng = np.random.default_rng(seed)
    random = rng.permuted(np.tile(np.arange(len(pixels)), (num_orders, 1)), axis=1)
    orders = np.concatenate([own[None], random])

    passed = np.concatenate([np.zeros((len(orders), 1)), np.cumsum(pixels[orders], axis=1)], axis=1) / pixels.sum()
    points = np.linspace(0, 1, steps + 1)
    # How many segments have gone at each point: those with which its share is first reached.
    counts = np.stack([np.searchsorted(shares, points - 1e-9) for shares in passed])
    ranks = np.argsort(orders, axis=1)
    gone = ranks[:, None, :] < counts[:, :, None]
    kept = np.stack([~gone, gone]).reshape(-1, len(pixels)).astype(np.uint8)
    with tqdm(desc="faithfulness", unit="pass", disable=not progress) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        similarities = explanation.explainer.kept_similarities(
            support, segments=labels, kept=kept, num_threads=num_threads or 0, on_progress=on_progress
        )
    deletion, insertion = similarities.reshape(2, *counts.shape)
    return Faithfulness(
        support=support,
        class_name=explanation.classes[support],
        shares=np.take_along_axis(passed, counts, axis=1),
        deletion=deletion,
        insertion=insertion,
        seed=seed,
    )
