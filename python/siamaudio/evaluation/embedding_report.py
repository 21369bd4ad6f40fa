"""What an embedding space is good for: classifiers on embeddings in one table, and maps of the space."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np
import numpy.typing as npt

from siamaudio import projection
from siamaudio.errors import ParameterError
from siamaudio.evaluation.papers import LabelledEmbeddings, LloretClassifier, labelled_embeddings, lloret2019
from siamaudio.evaluation.results import EvaluationResult
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EmbeddingReport", "embedding_report"]

_LLORET_NEIGHBOURS = (1, 5, 15, 25)
_NAMES = {
    "average_distance": "average class distance",
    "svm_linear": "SVM, linear",
    "svm_polynomial": "SVM, polynomial",
    "svm_rbf": "SVM, RBF",
}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class EmbeddingReport:
    """What `embedding_report` found.

    Attributes
    ----------
    results : dict from str to EvaluationResult
        By the classifier's name in words, such as "5 nearest neighbours".
    maps : dict from str to np.ndarray [shape=(clips, 2), dtype=float64]
        Places of all clips, those to classify by first: "PCA" (of the clips to classify by; the others are put where
        its axes say) and "t-SNE" (of all clips together).
    explained : tuple of float
        Shares of the variance of the clips to classify by along the two axes of "PCA".
    classes : tuple of str
        Their names.
    labels : np.ndarray [shape=(clips,), dtype=int64]
        Class of each clip of the maps as an index into `classes`.
    is_test : np.ndarray [shape=(clips,), dtype=bool]
        Whether each clip of the maps was classified by others; all False for leave-one-out.
    perplexity : float
        Of t-SNE, as it was used.
    seed : int
        Of forests and t-SNE.
    """

    results: dict[str, EvaluationResult]
    maps: dict[str, npt.NDArray[np.float64]]
    explained: tuple[float, float]
    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    is_test: npt.NDArray[np.bool_]
    perplexity: float
    seed: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row a classifier, in the order of `results`.

        Its columns: accuracy and the ends of its interval; the class that is recognised worst, and its accuracy.
        """
        import pandas as pd

        rows = []
        for result in self.results.values():
            shown = {name: accuracy for name, accuracy in result.per_class.items() if not np.isnan(accuracy)}
            worst = min(shown, key=shown.__getitem__)
            ends = {"low": result.interval.low, "high": result.interval.high}
            rows.append({"accuracy": result.accuracy, **ends, "worst_class": worst, "worst_accuracy": shown[worst]})
        frame = pd.DataFrame(rows, index=pd.Index(list(self.results), dtype=object, name="classifier"))
        # Of objects, not pandas's strings: a file name that is no valid UTF-8 can end up in a class name.
        return frame.astype({"worst_class": object})

    def plot(self) -> Figure:
        """Draw all maps side by side.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from siamaudio import plotting

        return plotting.plot_embedding_report(self)

    def plot_map(self, name: str, *, ax: Axes | None = None) -> Axes:
        """Draw one map: hollow the clips to classify by, full the others.

        Parameters
        ----------
        name : str
            Of `maps`.
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ParameterError
            There is no such map.
        """
        from siamaudio import plotting

        if name not in self.maps:
            raise ParameterError("name", name, ", ".join(self.maps) or "none: no maps were made")
        return plotting.plot_embedding_map(
            self.maps[name],
            self.labels,
            self.classes,
            title=name,
            explained=self.explained if name == "PCA" else None,
            is_test=self.is_test,
            ax=ax,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as strict JSON can hold it."""
        return {
            "results": {name: result.to_dict() for name, result in self.results.items()},
            "maps": {name: places.tolist() for name, places in self.maps.items()},
            "explained": list(self.explained),
            "classes": list(self.classes),
            "labels": self.labels.tolist(),
            "is_test": self.is_test.tolist(),
            "perplexity": self.perplexity,
            "seed": self.seed,
        }

    def to_json(self) -> str:
        """Return everything as JSON, from which `from_json` makes the same report again."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the report that `to_json` wrote.

        Parameters
        ----------
        text : str
            What `to_json` returned.
        """
        values = json.loads(text)
        results = {name: EvaluationResult.from_json(json.dumps(each)) for name, each in values["results"].items()}
        return cls(
            **{
                **values,
                "results": results,
                "maps": {name: np.array(places, dtype=np.float64) for name, places in values["maps"].items()},
                "explained": tuple(values["explained"]),
                "classes": tuple(values["classes"]),
                "labels": np.array(values["labels"], dtype=np.int64),
                "is_test": np.array(values["is_test"], dtype=bool),
            }
        )

    def __repr__(self) -> str:
        name, best = max(self.results.items(), key=lambda item: item[1].accuracy)
        tested = f"{self.is_test.sum()} clips" if self.is_test.any() else "leave-one-out"
        return (
            f"EmbeddingReport({len(self.results)} classifiers, {len(self.classes)} classes, {tested}; "
            f"best: {name} {best.accuracy:.1%})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(float_format='{:.1%}'.format)}"


def embedding_report(
    net: SiameseNetwork | None,
    train: Features | LabelledEmbeddings,
    test: Features | LabelledEmbeddings | None = None,
    *,
    classifiers: Sequence[LloretClassifier] = get_args(LloretClassifier),
    neighbours: Sequence[int] | None = None,
    trees: Sequence[int] = (25, 50, 75, 100),
    maps: bool = True,
    perplexity: float = 30.0,
    seed: int = 0,
    num_threads: int | None = None,
) -> EmbeddingReport:
    """Try all classifiers of Lloret 2019 on a network's embeddings, and draw maps of the embeddings.

    Parameters
    ----------
    net : SiameseNetwork or None
        A trained network; None: `train` and `test` are embeddings.
    train : Features or tuple
        Labelled clips to classify by, or a tuple of their embeddings and classes.
    test : Features, tuple or None
        Clips to classify, of the same classes; None: leave-one-out, each clip of `train` by all others, for which
        support vector machines and forests are fitted anew for every clip.
    classifiers : sequence of str
        Which, by the names that `lloret2019` has for them; all, as it stands.
    neighbours : sequence of int > 0, or None
        For "knn"; None: the thesis's 1, 5, 15, 25, as far as there are so many clips.
    trees : sequence of int > 0
        For "forest": the thesis's, as it stands.
    maps : bool
        Whether to make maps; t-SNE takes seconds for a thousand clips, and minutes for many.
    perplexity : float > 0
        Of t-SNE, about how many neighbours of a clip count; at most a third of the clips is used.
    seed : int >= 0
        Of forests and t-SNE.
    num_threads : int > 0 or None
        CPU threads for the embeddings; None: LibTorch's choice.

    Returns
    -------
    EmbeddingReport

    Raises
    ------
    ParameterError
        Arguments do not belong together, or the test set has classes that the training set has not.
    ImportError
        scikit-learn is needed and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> train = np.repeat(np.eye(3), 5, axis=0), np.repeat(["a", "b", "c"], 5)
    >>> report = sa.embedding_report(None, train, (np.eye(3), ["a", "b", "c"]), classifiers=["knn"], maps=False)
    >>> report.to_frame()["accuracy"].to_dict()
    {'1 nearest neighbour': 1.0, '5 nearest neighbours': 1.0, '15 nearest neighbours': 0.333...}
    """
    if not perplexity > 0:
        raise ParameterError("perplexity", perplexity, "a positive number")
    known = labelled_embeddings(net, train, "train", num_threads)
    asked = None if test is None else labelled_embeddings(net, test, "test", num_threads)
    if neighbours is None:
        most = len(known[0]) - (1 if asked is None else 0)
        neighbours = [count for count in _LLORET_NEIGHBOURS if count <= most]
    variants: list[tuple[str, LloretClassifier, dict[str, int]]] = []
    for classifier in classifiers:
        if classifier == "knn":
            for count in neighbours:
                name = f"{count} nearest neighbour{'' if count == 1 else 's'}"
                variants.append((name, classifier, {"neighbours": count}))
        elif classifier == "forest":
            for count in trees:
                variants.append((f"random forest, {count} trees", classifier, {"trees": count}))
        else:
            variants.append((_NAMES.get(classifier, classifier), classifier, {}))
    if not variants:
        raise ParameterError("classifiers", "none", "one or more, and numbers of neighbours and trees for them")
    results = {
        name: lloret2019(None, known, asked, classifier=classifier, seed=seed, **options)
        for name, classifier, options in variants
    }

    parts = [known] if asked is None else [known, asked]
    vectors, names = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    classes, labels = np.unique(names, return_inverse=True)
    perplexity = projection.usable_perplexity(perplexity, len(vectors))
    places, explained = _maps(vectors, len(known[0]), perplexity, seed) if maps else ({}, (0.0, 0.0))
    return EmbeddingReport(
        results=results,
        maps=places,
        explained=explained,
        classes=tuple(classes.tolist()),
        labels=labels.astype(np.int64),
        is_test=np.arange(len(vectors)) >= len(known[0]),
        perplexity=perplexity,
        seed=seed,
    )


def _maps(
    vectors: npt.NDArray[np.float64], num_train: int, perplexity: float, seed: int
) -> tuple[dict[str, npt.NDArray[np.float64]], tuple[float, float]]:
    """Return the maps, and what the axes of the first explain."""
    principal, explained = projection.pca(vectors, fitted_on=vectors[:num_train])
    return {"PCA": principal, "t-SNE": projection.tsne(vectors, perplexity=perplexity, seed=seed)}, explained
