"""What an explanation is, whatever the method."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.explanation import methods, segmentations
from siamaudio.explanation.inputs import Sound
from siamaudio.explanation.methods import Method
from siamaudio.explanation.segmentations import Segmentation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from siamaudio import _core as core
    from siamaudio.explanation.agreement import Stability
    from siamaudio.explanation.faithfulness import Faithfulness
    from siamaudio.explanation.resynthesis import Resynthesis
    from siamaudio.log_mel import LogMel

__all__ = ["Explanation"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Explanation:
    """What each part of each support contributes to its similarity to the query.

    More of it is more similar. By all methods but "rise" it is a difference of similarity a pixel: a negative one
    speaks against. It holds the network, which must keep its weights and its device meanwhile.

    Attributes
    ----------
    contributions : tuple of np.ndarray [shape=(segments,), dtype=float32]
        Of each support's segments, a pixel.
    maps : np.ndarray [shape=(supports, bands, frames), dtype=float32]
        Of each pixel; where a method works on segments, that of its segment.
    segments : np.ndarray [shape=(supports, bands, frames), dtype=int64]
        The number of each pixel's segment, from 0 in each support.
    similarities : np.ndarray [shape=(supports,), dtype=float32]
        Of the query and each support as it is.
    classes : tuple of str
        The class of each support.
    true_class : str or None
        The query's, where it is known.
    method : Method
        What was done, with all settings.
    segmentation : Segmentation or str
        What made the segments; "given" for labels.
    replacement : str
        What took the place of pixels.
    silence : np.ndarray [shape=(supports,), dtype=float32] or None
        The level of silence in each support; None with another replacement.
    seed : int
        Of all that was drawn.
    query : Sound
        Name, spectrogram and, where they are known, samples.
    supports : tuple of Sound
        Likewise.
    fills : np.ndarray [shape=(supports, ..., bands, frames), dtype=float32]
        What took the place of each pixel.
    front_end : LogMel or None
        What made the spectrograms.
    explainer : object
        The core's, for what is asked of the network later.
    """

    contributions: tuple[npt.NDArray[np.float32], ...]
    maps: npt.NDArray[np.float32]
    segments: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    true_class: str | None
    method: Method
    segmentation: Segmentation | str
    replacement: Literal["silence", "mean", "noise", "neighbour"]
    silence: npt.NDArray[np.float32] | None
    seed: int
    query: Sound
    supports: tuple[Sound, ...]
    fills: npt.NDArray[np.float32]
    front_end: LogMel | None
    explainer: core.SupportExplainer

    @property
    def predicted(self) -> int:
        """The most similar support; of equally similar ones the first."""
        return int(np.argmax(self.similarities))

    @property
    def predicted_class(self) -> str:
        """Its class."""
        return self.classes[self.predicted]

    def top_segments(self, support: int | None = None, *, top: int = 3) -> tuple[int, ...]:
        """Return the segments that speak most for similarity, the first of them first.

        Parameters
        ----------
        support : int or None
            Which support; None: the predicted one.
        top : int > 0
            How many, at most.

        Returns
        -------
        tuple of int
            Numbers of segments.

        Raises
        ------
        ParameterError
            There is no such support, or `top` is below 1.
        """
        if top < 1:
            raise ParameterError("top", top, "1 or more")
        order = np.argsort(-self.contributions[self._checked_support(support)], kind="stable")
        return tuple(order[:top].tolist())

    def _checked_support(self, support: int | None) -> int:
        """Return the support's number, the predicted one's for None.

        Parameters
        ----------
        support : int or None
            Which support.

        Raises
        ------
        ParameterError
            There is no such support.
        """
        if support is None:
            return self.predicted
        if not 0 <= support < len(self.classes):
            raise ParameterError("support", support, f"0 to {len(self.classes) - 1}, or None for the predicted one")
        return int(support)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a segment: its pixels, contribution and rank, where it lies in bands and frames."""
        import pandas as pd

        tables = []
        for support, (values, labels) in enumerate(zip(self.contributions, self.segments, strict=True)):
            pixels = np.bincount(labels.ravel())
            rows, columns = np.indices(labels.shape)
            ranks = np.empty(len(values), dtype=np.int64)
            ranks[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
            tables.append(
                pd.DataFrame(
                    {
                        "support": support,
                        "class": pd.Series([self.classes[support]] * len(values), dtype=object).array,
                        "segment": np.arange(len(values)),
                        "pixels": pixels,
                        "contribution": values,
                        "rank": ranks,
                        "band": np.bincount(labels.ravel(), weights=rows.ravel()) / pixels,
                        "frame": np.bincount(labels.ravel(), weights=columns.ravel()) / pixels,
                    }
                )
            )
        return pd.concat(tables, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return similarities, contributions and options as JSON can hold them, without pixels."""
        registries = {"method": methods.registry, "segmentation": segmentations.registry}
        given = self.segmentation == "given"
        return {
            "query": self.query.name,
            "true_class": self.true_class,
            "predicted_class": self.predicted_class,
            "supports": [
                {
                    "name": clip.name,
                    "class": name,
                    "similarity": float(similarity),
                    "contributions": [float(value) for value in own],
                    "pixels": np.bincount(labels.ravel()).tolist(),
                }
                for clip, name, similarity, own, labels in zip(
                    self.supports, self.classes, self.similarities, self.contributions, self.segments, strict=True
                )
            ],
            "method": registries["method"].to_dict(self.method),
            "segmentation": "given" if given else registries["segmentation"].to_dict(self.segmentation),
            "replacement": self.replacement,
            "silence": None if self.silence is None else self.silence.tolist(),
            "seed": self.seed,
        }

    def faithfulness(
        self,
        support: int | None = None,
        *,
        num_orders: int = 20,
        steps: int = 20,
        seed: int = 0,
        num_threads: int | None = None,
        progress: bool = True,
    ) -> Faithfulness:
        """Test the order of the segments: take them away the first first, or put them back, beside random orders.

        Parameters
        ----------
        support : int or None
            Which support; None: the predicted one.
        num_orders : int > 0
            Random orders.
        steps : int > 0
            Points of a curve, evenly over the pixels.
        seed : int >= 0
            Of the random orders.
        num_threads, progress
            As of `siamaudio.explain`.

        Returns
        -------
        Faithfulness
            Both curves, and those of the random orders.

        Raises
        ------
        ParameterError
            The support has a single segment, there is no such support, or a number is out of its range.
        """
        from siamaudio.explanation.faithfulness import measure_faithfulness

        return measure_faithfulness(
            self,
            self._checked_support(support),
            num_orders=num_orders,
            steps=steps,
            seed=seed,
            num_threads=num_threads,
            progress=progress,
        )

    def stability(self, *, num_seeds: int = 5, num_threads: int | None = None, progress: bool = True) -> Stability:
        """Repeat the explanation with other seeds, and tell how well the orders of segments agree.

        Parameters
        ----------
        num_seeds : int > 1
            Explanations to compare, this one among them.
        num_threads, progress
            As of `siamaudio.explain`.

        Returns
        -------
        Stability
            How well each pair of seeds agrees.
        """
        from siamaudio.explanation.agreement import measure_stability

        return measure_stability(self, num_seeds=num_seeds, num_threads=num_threads, progress=progress)

    def resynthesise(
        self,
        support: int | None = None,
        *,
        top: int = 3,
        segments: tuple[int, ...] | None = None,
        part: Literal["segments", "rest"] = "segments",
    ) -> Resynthesis:
        """Make a support's segments audible: its own sound, masked in time and frequency.

        Segments are mapped back from mel bands to bins of equal width: a bin is kept by as much of the bands that it
        counts in. The segments and the rest add up to the sound.

        Parameters
        ----------
        support : int or None
            Which support; None: the predicted one.
        top : int > 0
            So many of `top_segments`.
        segments : tuple of int or None
            These, in the place of the top ones.
        part : {"segments", "rest"}
            The segments, or what is left without them.

        Returns
        -------
        Resynthesis
            The sound, to be played in a notebook or saved.

        Raises
        ------
        ParameterError
            The support's samples are not known, or there are no such segments.
        """
        from siamaudio.explanation.resynthesis import resynthesise

        chosen = self.top_segments(support, top=top) if segments is None else tuple(segments)
        return resynthesise(self, self._checked_support(support), chosen, part)

    def plot(self, *, figure: Figure | None = None) -> Figure:
        """Draw the query, the supports and their heat maps, with the similarity under each.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or None
            An empty one to draw into; None: a new one.
        """
        from siamaudio import plotting_explanation

        return plotting_explanation.plot_explanation(self, figure=figure)

    def write_html(
        self, path: str | os.PathLike[str], *, title: str = "Why these sounds are similar", top: int = 3
    ) -> Path:
        """Write one HTML file with the pictures, players of the segments and all settings.

        Parameters
        ----------
        path : path-like
            The file, usually ``*.html``; one that is there is replaced.
        title : str
            Heading.
        top : int > 0
            Segments of each support to listen to.

        Returns
        -------
        pathlib.Path
            The file.
        """
        from siamaudio.explanation.page import write_page

        return write_page(path, self, title=title, top=top)

    def __repr__(self) -> str:
        listed = ", ".join(
            f"{name} {similarity:.3f}" for name, similarity in zip(self.classes, self.similarities, strict=True)
        )
        truth = "" if self.true_class is None else f", true class {self.true_class!r}"
        return f"Explanation({self.method.name} of {self.query.name!r}: {listed}{truth})"

    def _repr_html_(self) -> str:
        from html import escape

        from siamaudio.explanation.page import picture_uri

        words = escape(repr(self))
        return f'<p>{words}</p><img src="{picture_uri(self)}" alt="{words}" style="max-width: 100%">'
