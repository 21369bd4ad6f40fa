"""One vector for each clip, from the embeddings of its patches.

With x[p, d] the embedding of patch p of P, the statistics of Pedersen 2023, "Latent audio representations for search
and retrieval" (there μ, σ and Δ), are

- mean: ``m[d] = sum_p x[p, d] / P``,
- std: ``s[d] = sqrt(sum_p (x[p, d] - m[d])**2 / P)``,
- delta: the first derivative of Savitzky and Golay ("Smoothing and differentiation of data by simplified least squares
  procedures", 1964), the slope of the straight line that fits 9 neighbouring values best, averaged over patches.

Pedersen does not say along which axis. Along the features, ``sum_i i * x[p, d + i] / 60`` for i from -4 to 4, what he
published fits: it is what librosa.feature.delta does by default to an array (patches, features). Along time, ``sum_i
i * x[p + i, d] / 60``, it is what the word means elsewhere, and tells classes apart far worse.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError

__all__ = ["clip_vectors", "vector_parts"]

_WIDTH = 9  # values that a line is fitted to


def clip_vectors(embeddings: npt.ArrayLike | Sequence[npt.ArrayLike], vectors: str = "mean") -> npt.NDArray[np.float32]:
    """Turn the embeddings of patches into one vector a clip.

    Parameters
    ----------
    embeddings : array-like [shape=(clips, patches, dim)] or sequence of array-like [shape=(patches, dim)]
        From `Yamnet.embed_patches`; a sequence where clips have different numbers of patches, one or more each.
    vectors : str
        What a clip's vector is made of, with "+" between several, which stand one after the other:

        - "mean": mean over patches;
        - "std": standard deviation over patches, 0 for a single one;
        - "delta": slope along the features, over 9 of them, averaged over patches; at the ends that of the first and
          last 9;
        - "delta_time": slope along time, over 9 patches, averaged likewise; of fewer patches the slope over all of
          them, 0 for a single one.

    Returns
    -------
    np.ndarray [shape=(clips, parts * dim), dtype=float32]

    Raises
    ------
    ParameterError
        A word is none of these, or the embeddings have another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> patches = np.array([[[0.0, 4.0], [2.0, 4.0]]])
    >>> sa.models.clip_vectors(patches, "mean+std")
    array([[1., 4., 1., 0.]], dtype=float32)
    >>> sa.models.clip_vectors([np.zeros((1, 16)), np.ones((5, 16))], "delta").shape
    (2, 16)
    """
    parts = vector_parts(vectors)
    clips = _as_clips(embeddings)
    if isinstance(clips, np.ndarray):
        return _vectors(clips, parts)
    return np.concatenate([_vectors(clip[np.newaxis], parts) for clip in clips])


def vector_parts(vectors: str) -> tuple[str, ...]:
    """Return the words of a description of clip vectors, such as "mean+std"; ParameterError for other words."""
    parts = tuple(part.strip() for part in vectors.split("+")) if isinstance(vectors, str) else ()
    if not parts or any(part not in _STATISTICS for part in parts) or len(set(parts)) < len(parts):
        raise ParameterError("vectors", vectors, f"{', '.join(_STATISTICS)}, or several of them with '+' between")
    return parts


# ---- Inside


def _as_clips(
    embeddings: npt.ArrayLike | Sequence[npt.ArrayLike],
) -> npt.NDArray[np.float32] | list[npt.NDArray[np.float32]]:
    accepted = "(clips, patches, dim) with one patch or more, or a sequence of (patches, dim)"
    if isinstance(embeddings, list | tuple):
        clips = [np.asarray(clip, dtype=np.float32) for clip in embeddings]
        shapes = [clip.shape for clip in clips]
        if not clips or any(len(shape) != 2 or shape[0] < 1 or shape[1] != shapes[0][1] for shape in shapes):
            raise ParameterError("embeddings", f"a sequence of shapes {shapes[:3]}", accepted)
        return clips
    array = np.asarray(embeddings, dtype=np.float32)
    if array.ndim != 3 or array.shape[1] < 1:
        raise ParameterError("embeddings", f"shape {array.shape}", accepted)
    return array


def _vectors(clips: npt.NDArray[np.float32], parts: tuple[str, ...]) -> npt.NDArray[np.float32]:
    return np.concatenate([_STATISTICS[part](clips) for part in parts], axis=1, dtype=np.float32)


def _mean(clips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return clips.mean(axis=1)


def _std(clips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return clips.std(axis=1)


def _delta(clips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    from scipy.signal import savgol_filter

    if clips.shape[2] < _WIDTH:
        raise ParameterError("vectors", f"'delta' of {clips.shape[2]} features", f"{_WIDTH} features or more")
    return np.asarray(savgol_filter(clips.mean(axis=1), _WIDTH, polyorder=1, deriv=1, axis=1, mode="interp"))


def _delta_time(clips: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    from scipy.signal import savgol_filter

    num_patches = clips.shape[1]
    if num_patches >= _WIDTH:
        return np.asarray(savgol_filter(clips, _WIDTH, polyorder=1, deriv=1, axis=1, mode="interp")).mean(axis=1)
    offsets = np.arange(num_patches, dtype=np.float32) - np.float32((num_patches - 1) / 2)
    return np.einsum("p,cpd->cd", offsets / max(float(np.sum(offsets**2)), 0.5), clips)


_STATISTICS = {"mean": _mean, "std": _std, "delta": _delta, "delta_time": _delta_time}
