"""Places in the plane for embeddings: principal components, t-SNE, UMAP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siamaudio.optional import require

__all__ = ["pca", "tsne", "umap", "usable_perplexity"]

_PURPOSE = "a map of embeddings"
_Vectors = npt.NDArray[np.floating]


def pca(vectors: _Vectors, *, fitted_on: _Vectors | None = None) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
    """Place embeddings along the two directions in which they differ most.

    Parameters
    ----------
    vectors : np.ndarray [shape=(clips, dim)]
    fitted_on : np.ndarray or None [shape=(clips, dim)]
        Embeddings that the directions are those of; None: `vectors`.

    Returns
    -------
    places : np.ndarray [shape=(clips, 2), dtype=float64]
    explained : (float, float)
        Shares of the variance along the directions.
    """
    if _is_one_place(vectors):
        return np.zeros((len(vectors), 2)), (0.0, 0.0)
    fitted = np.asarray(vectors if fitted_on is None else fitted_on, dtype=np.float64)
    middle = fitted.mean(axis=0)
    _, lengths, axes = np.linalg.svd(fitted - middle, full_matrices=False)
    # Their largest number is positive, as in scikit-learn: either sign would do.
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
    places = np.zeros((len(vectors), 2))
    number = min(2, len(axes))
    places[:, :number] = (vectors - middle) @ axes[:2].T
    variances = np.zeros(2)
    total = (lengths**2).sum()
    variances[:number] = lengths[:2] ** 2 / total if total > 0 else 0.0
    first, second = variances.tolist()
    return places, (first, second)


def tsne(vectors: _Vectors, *, perplexity: float, seed: int) -> npt.NDArray[np.float64]:
    """Place embeddings so that neighbours stay neighbours, by t-SNE (van der Maaten and Hinton, 2008).

    Parameters
    ----------
    vectors : np.ndarray [shape=(clips, dim)]
    perplexity : float > 0
        About how many neighbours of a clip count; see `usable_perplexity`.
    seed : int >= 0

    Returns
    -------
    np.ndarray [shape=(clips, 2), dtype=float64]
    """
    manifold = require("sklearn.manifold", extra="classifiers", purpose=_PURPOSE)
    if _is_one_place(vectors):
        return np.zeros((len(vectors), 2))
    made = manifold.TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=seed)
    return made.fit_transform(_wide(vectors)).astype(np.float64)


def umap(vectors: _Vectors, *, num_neighbours: int, seed: int) -> npt.NDArray[np.float64]:
    """Place embeddings so that neighbours stay neighbours, by UMAP (McInnes, Healy and Melville, 2018).

    Parameters
    ----------
    vectors : np.ndarray [shape=(clips, dim)]
    num_neighbours : int > 1
        Of a clip that count.
    seed : int >= 0

    Returns
    -------
    np.ndarray [shape=(clips, 2), dtype=float64]
    """
    package = require("umap", extra="umap", purpose="a UMAP of embeddings")
    if _is_one_place(vectors):
        return np.zeros((len(vectors), 2))
    made = package.UMAP(n_components=2, n_neighbors=num_neighbours, random_state=seed, n_jobs=1)
    return np.asarray(made.fit_transform(_wide(vectors)), dtype=np.float64)


def usable_perplexity(perplexity: float, num_clips: int) -> float:
    """Return the perplexity, or a third of the other clips where that is less."""
    return min(float(perplexity), (num_clips - 1) / 3)


def _is_one_place(vectors: _Vectors) -> bool:
    return not np.ptp(vectors, axis=0).any()


def _wide(vectors: _Vectors) -> _Vectors:
    """Return vectors of two numbers or more."""
    return np.column_stack([vectors, np.zeros(len(vectors))]) if vectors.shape[1] == 1 else vectors
