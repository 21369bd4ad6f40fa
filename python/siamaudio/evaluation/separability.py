"""How well a linear boundary separates the classes of embeddings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.optional import require

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SeparabilityResult", "linear_separability"]

LinearClassifier = Literal["logistic_regression", "linear_svm"]
_CLASSIFIERS: tuple[LinearClassifier, ...] = ("logistic_regression", "linear_svm")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SeparabilityResult:
    """What `linear_separability` found.

    Attributes
    ----------
    accuracy : dict from str to float
        Share of all clips that each classifier, fitted on the other folds, puts into their class.
    fold_accuracies : dict from str to tuple of float
        The same in each fold.
    predictions : dict from str to np.ndarray [shape=(clips,), dtype=int64]
        The class that each classifier puts each clip into, as an index into `classes`.
    classes : tuple of str
    labels, folds : np.ndarray [shape=(clips,), dtype=int64]
        Class and fold of each clip.
    num_features : tuple of int
        Numbers of a vector that are left in each fold by the threshold and the principal components.
    """

    accuracy: dict[str, float]
    fold_accuracies: dict[str, tuple[float, ...]]
    predictions: dict[str, npt.NDArray[np.int64]]
    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    num_features: tuple[int, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a classifier: accuracy over all clips, and the mean, least and most of the folds."""
        import pandas as pd

        rows = [
            (self.accuracy[name], np.mean(folds), min(folds), max(folds))
            for name, folds in self.fold_accuracies.items()
        ]
        columns = ["accuracy", "fold_mean", "fold_min", "fold_max"]
        return pd.DataFrame(rows, columns=columns, index=pd.Index(list(self.accuracy), name="classifier"))

    def __repr__(self) -> str:
        found = ", ".join(f"{name.replace('_', ' ')} {accuracy:.1%}" for name, accuracy in self.accuracy.items())
        return f"SeparabilityResult({found}; {len(self.num_features)} folds, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(float_format='{:.1%}'.format)}"


def linear_separability(
    embeddings: npt.ArrayLike,
    labels: Sequence[str] | npt.ArrayLike,
    *,
    folds: int | npt.ArrayLike = 5,
    classifiers: Sequence[LinearClassifier] = _CLASSIFIERS,
    variance_threshold: float = 0.0,
    pca: int | float | None = None,
    standardize: bool = True,
    c: float = 1.0,
    seed: int = 0,
) -> SeparabilityResult:
    """Measure by cross-validation how well linear classifiers tell the classes of embeddings apart.

    In each fold: numbers whose variance over the training clips is not above a threshold are left out, those that are
    left scaled to mean 0 and variance 1, projected onto their principal components if asked for, and classified. All of
    that is fitted on the other folds alone.

    Parameters
    ----------
    embeddings : array-like [shape=(clips, dim)]
        One vector a clip.
    labels : sequence [shape=(clips,)]
        Class of each clip, names or numbers.
    folds : int > 1, or sequence [shape=(clips,)]
        How many folds to draw, with equal shares of the classes; or the fold of each clip, such as ESC-50's, which
        keep the clips of a recording together.
    classifiers : sequence of {"logistic_regression", "linear_svm"}
        Multinomial logistic regression; support vector machine with a linear kernel, one against one.
    variance_threshold : float >= 0
        See above; 0 leaves out constant numbers.
    pca : int > 0, float in (0, 1), or None
        Principal components; a share: as many as explain that share of the variance; None: no projection.
    standardize : bool
        Whether to scale.
    c : float > 0
        Inverse strength of the classifiers' regularisation.
    seed : int >= 0
        Of the folds that are drawn.

    Returns
    -------
    SeparabilityResult

    Raises
    ------
    ParameterError
        Shapes do not fit, numbers are not finite, there are fewer than two folds or classes, a fold holds all clips of
        a class, or no number's variance is above the threshold.
    ImportError
        scikit-learn is needed and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> vectors = np.repeat(np.eye(3), 10, axis=0) + 0.1 * np.random.default_rng(0).standard_normal((30, 3))
    >>> sa.evaluation.linear_separability(vectors, np.repeat(["a", "b", "c"], 10))
    SeparabilityResult(logistic regression 100.0%, linear svm 100.0%; 5 folds, 3 classes)
    """
    vectors, classes, codes = _checked(embeddings, labels)
    wrong = [name for name in classifiers if name not in _CLASSIFIERS]
    if wrong or not classifiers:
        raise ParameterError("classifiers", wrong[0] if wrong else "none", " and ".join(map(repr, _CLASSIFIERS)))
    if not c > 0:
        raise ParameterError("c", c, "a number above 0")
    if pca is not None and (not pca > 0 or (pca >= 1 and pca != int(pca))):
        raise ParameterError("pca", pca, "a whole number of components, a share of the variance below 1, or None")
    if not variance_threshold >= 0:
        raise ParameterError("variance_threshold", variance_threshold, "0 or more")
    fold_of_clip = _folds(folds, codes, seed)
    numbers = np.unique(fold_of_clip)
    predictions = {name: np.empty(len(codes), dtype=np.int64) for name in classifiers}
    num_features = []
    for number in numbers:
        test = fold_of_clip == number
        if len(np.unique(codes[~test])) < len(classes):
            missing = next(name for i, name in enumerate(classes) if not (codes[~test] == i).any())
            raise ParameterError("folds", f"a fold with all clips of {missing!r}", "clips of each class in other folds")
        known, asked = _prepared(vectors[~test], vectors[test], variance_threshold, pca, standardize, seed)
        num_features.append(known.shape[1])
        for name in classifiers:
            predictions[name][test] = _classifier(name, c).fit(known, codes[~test]).predict(asked)
    is_right = {name: found == codes for name, found in predictions.items()}
    return SeparabilityResult(
        accuracy={name: float(right.mean()) for name, right in is_right.items()},
        fold_accuracies={
            name: tuple(float(right[fold_of_clip == number].mean()) for number in numbers)
            for name, right in is_right.items()
        },
        predictions=predictions,
        classes=classes,
        labels=codes,
        folds=fold_of_clip,
        num_features=tuple(num_features),
    )


def _checked(
    embeddings: npt.ArrayLike, labels: Sequence[str] | npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], tuple[str, ...], npt.NDArray[np.int64]]:
    vectors = np.asarray(embeddings)
    if vectors.ndim != 2 or vectors.dtype.kind not in "biuf":
        raise ParameterError("embeddings", f"shape {vectors.shape} of {vectors.dtype}", "a matrix of real numbers")
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    if codes.shape != (len(vectors),):
        raise ParameterError("labels", f"shape {codes.shape}", f"({len(vectors)},), one for each clip")
    if len(names) < 2:
        raise ParameterError("labels", f"{len(names)} classes", "two or more")
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise ParameterError("embeddings", f"NaN or infinity for clip {wrong[0]}", "finite numbers")
    return vectors.astype(np.float64), tuple(str(name) for name in names), codes.astype(np.int64)


def _folds(folds: int | npt.ArrayLike, codes: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    selection = require("sklearn.model_selection", extra="classifiers", purpose="cross-validation")
    if isinstance(folds, int | np.integer):
        fewest = int(np.bincount(codes).min())
        if not 2 <= folds <= fewest:
            raise ParameterError("folds", int(folds), f"2 to {fewest}, the clips of the smallest class")
        drawn = np.empty(len(codes), dtype=np.int64)
        splitter = selection.StratifiedKFold(int(folds), shuffle=True, random_state=seed)
        for number, (_, test) in enumerate(splitter.split(codes, codes)):
            drawn[test] = number
        return drawn
    given = np.unique(np.asarray(folds), return_inverse=True)[1]
    if given.shape != codes.shape or given.max() < 1:
        raise ParameterError("folds", f"{given.max() + 1} folds for {given.size} clips", "two or more, one a clip")
    return given.astype(np.int64)


def _prepared(
    known: npt.NDArray[np.float64],
    asked: npt.NDArray[np.float64],
    variance_threshold: float,
    pca: int | float | None,
    standardize: bool,
    seed: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    variances = known.var(axis=0)
    kept = variances > variance_threshold
    if not kept.any():
        raise ParameterError("variance_threshold", variance_threshold, f"less than {variances.max():.3g}, the largest")
    known, asked = known[:, kept], asked[:, kept]
    if standardize:
        mean, deviation = known.mean(axis=0), known.std(axis=0)
        known, asked = (known - mean) / deviation, (asked - mean) / deviation
    if pca is not None:
        decomposition = require("sklearn.decomposition", extra="classifiers", purpose="principal components")
        most = min(known.shape)
        if not (0 < pca < 1 if isinstance(pca, float) else 1 <= pca <= most):
            raise ParameterError("pca", pca, f"1 to {most} components, or a share between 0 and 1")
        projection = decomposition.PCA(pca, svd_solver="full", random_state=seed).fit(known)
        known, asked = projection.transform(known), projection.transform(asked)
    return known, asked


def _classifier(name: LinearClassifier, c: float) -> Any:
    if name == "logistic_regression":
        linear = require("sklearn.linear_model", extra="classifiers", purpose="logistic regression")
        return linear.LogisticRegression(C=c, max_iter=2000)
    svm = require("sklearn.svm", extra="classifiers", purpose="a support vector machine")
    return svm.SVC(kernel="linear", C=c)
