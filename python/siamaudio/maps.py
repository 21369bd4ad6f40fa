"""`embedding_map`: where clips lie in an embedding space, as a figure, and as a page to look around and to listen."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from siamaudio import projection
from siamaudio.audio import info, load
from siamaudio.errors import AudioError, ParameterError
from siamaudio.features import Features
from siamaudio.log_mel import LogMel
from siamaudio.pages import data_uri, png, wav, write_template

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["EmbeddingMap", "embedding_map"]

Method = Literal["tsne", "pca", "umap"]

_NAMES: dict[Method, str] = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
_UMAP_NEIGHBOURS = 15  # UMAP's own default
_THUMBNAIL = (48, 72)  # height and width in pixels
_SHEET_COLUMNS = 64  # thumbnails side by side in one image
_SOUND_SR = 8000
_SOUND_SECONDS = 2.0
_MOST_SOUND_BYTES = 24 << 20  # in one page; with more, files are linked to
_THUMBNAIL_FRONT_END = LogMel(sr=16000, n_fft=1024, hop_length=512, n_mels=48)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class EmbeddingMap:
    """What `embedding_map` found.

    Attributes
    ----------
    coordinates : np.ndarray [shape=(clips, 2), dtype=float64]
        Places of the clips.
    classes : tuple of str
        Their names.
    labels : np.ndarray [shape=(clips,), dtype=int64]
        Class of each clip as an index into `classes`.
    names : tuple of str
        Of the clips.
    method : {"tsne", "pca", "umap"}
        How they were placed.
    explained : (float, float) or None
        Shares of the variance along the axes, for "pca".
    paths : tuple of str or None
        Files of the clips.
    features : Features or None
        Their spectrograms.
    """

    coordinates: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]
    method: Method
    explained: tuple[float, float] | None = None
    paths: tuple[str, ...] | None = None
    features: Features | None = None

    def __len__(self) -> int:
        return len(self.coordinates)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a clip: x, y, label, name."""
        import pandas as pd

        return pd.DataFrame(
            {
                "x": self.coordinates[:, 0],
                "y": self.coordinates[:, 1],
                # Of objects, not pandas's strings: a file name may be no valid UTF-8.
                "label": pd.Series([self.classes[label] for label in self.labels], dtype=object),
                "name": pd.Series(list(self.names), dtype=object),
            }
        )

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the map, a colour and a marker a class.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from siamaudio import plotting

        return plotting.plot_embedding_map(
            self.coordinates, self.labels, self.classes, title=_NAMES[self.method], explained=self.explained, ax=ax
        )

    def write_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Map of embeddings",
        thumbnails: bool = True,
        sounds: bool = True,
    ) -> Path:
        """Write one HTML file to look around in: point at a clip to see and to hear it, at a class to hide it.

        Parameters
        ----------
        path : path-like
            The file, usually ``*.html``; one that is there is replaced.
        title : str
            Heading.
        thumbnails : bool
            Show spectrograms: of the features, or else of the files, which are then read.
        sounds : bool
            Let files be heard. The page holds the first two seconds of each; where these would be too much for one page
            (more than some 24 MB), it links to the files instead.

        Returns
        -------
        pathlib.Path
            The file.
        """
        path = Path(path)
        heard = self._sounds() if sounds and self.paths is not None else None
        sheet = self._sheet() if thumbnails else None
        low, high = self.coordinates.min(axis=0), self.coordinates.max(axis=0)
        span = max(float((high - low).max()), 1e-12)
        places = (self.coordinates - (low + high) / 2) / span
        data = {
            "places": np.round(places, 5).tolist(),
            "labels": self.labels.tolist(),
            "names": [_decodable(name) for name in self.names],
            "classes": [_decodable(name) for name in self.classes],
            "styles": [_style(number) for number in range(len(self.classes))],
            "sheet": sheet,
            "thumbnail": {"height": _THUMBNAIL[0], "width": _THUMBNAIL[1], "columns": _SHEET_COLUMNS},
            "sounds": heard,
        }
        write_template(
            path,
            "embedding_map.html.j2",
            title=title,
            method=_NAMES[self.method],
            explained=self.explained,
            num_clips=len(self),
            num_classes=len(self.classes),
            has_sounds=heard is not None,
            is_linked=heard is not None and any((sound or "").startswith("file:") for sound in heard),
            # Within a script, "</script>" in a name would end it.
            data=json.dumps(data).replace("<", "\\u003c"),
        )
        return path

    def __repr__(self) -> str:
        return f"EmbeddingMap({_NAMES[self.method]} of {len(self)} clips, {len(self.classes)} classes)"

    # ---- Inside

    def _sounds(self) -> list[str | None]:
        """Return what plays each clip: the sound itself, or the file's address where all are too much for a page."""
        assert self.paths is not None
        most = 2 * _SOUND_SR * _SOUND_SECONDS * sum(os.path.isfile(path) for path in self.paths)
        if most > _MOST_SOUND_BYTES:
            return [Path(path).absolute().as_uri() if os.path.isfile(path) else None for path in self.paths]
        return [_sound(path) for path in self.paths]

    def _sheet(self) -> str | None:
        """Return an image of the clips' spectrograms, in rows, None where nothing is known of them."""
        if self.features is None and self.paths is None:
            return None
        height, width = _THUMBNAIL
        num_rows = -(-len(self) // _SHEET_COLUMNS)
        sheet = np.zeros((num_rows * height, min(len(self), _SHEET_COLUMNS) * width), dtype=np.float32)
        for index in range(len(self)):
            row, column = divmod(index, _SHEET_COLUMNS)
            place = slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)
            sheet[place] = self._thumbnail(index)[::-1]
        return data_uri(png(sheet[::-1]), "image/png")

    def _thumbnail(self, index: int) -> npt.NDArray[np.float32]:
        """Return a clip's spectrogram in the size of a thumbnail, from 0 to 1, its lowest band first."""
        if self.features is not None:
            spectrogram = self.features[index]
            spectrogram = spectrogram.mean(axis=0) if spectrogram.ndim == 3 else spectrogram
            spectrogram = spectrogram[:, : max(1, int(self.features.lengths[index]))].astype(np.float32)
        else:
            assert self.paths is not None
            try:
                spectrogram = _THUMBNAIL_FRONT_END.transform_file(self.paths[index], duration=10.0)
            except AudioError:
                return np.zeros(_THUMBNAIL, dtype=np.float32)
        low, high = float(spectrogram.min()), float(spectrogram.max())
        levels = (spectrogram - low) / (high - low if high > low else 1.0)
        return _resized(levels, _THUMBNAIL)


def embedding_map(
    embeddings: npt.ArrayLike,
    labels: Sequence[str] | npt.NDArray[Any] | None = None,
    *,
    method: Method = "tsne",
    features: Features | None = None,
    paths: Sequence[str | os.PathLike[str]] | None = None,
    perplexity: float = 30.0,
    seed: int = 0,
) -> EmbeddingMap:
    """Place embeddings in the plane.

    Parameters
    ----------
    embeddings : array-like [shape=(clips, dim)]
        Such as `SiameseNetwork.embed` returns.
    labels : sequence of str or None [shape=(clips,)]
        Class of each clip; None: those of the features.
    method : {"tsne", "pca", "umap"}
        t-SNE or UMAP, which keep neighbours together, or the two directions in which embeddings differ most. UMAP needs
        the package umap-learn.
    features : Features or None
        What was embedded: `EmbeddingMap.write_html` shows their spectrograms, and plays the files that they are of.
    paths : sequence of path-like or None
        Files of the clips; None: those of the features, as far as there are any.
    perplexity : float > 0
        Of t-SNE, about how many neighbours of a clip count; at most a third of the clips is used.
    seed : int >= 0
        Of t-SNE and UMAP.

    Returns
    -------
    EmbeddingMap

    Raises
    ------
    ParameterError
        Arguments do not belong together, or embeddings are not finite.
    ImportError
        For "tsne" scikit-learn, for "umap" umap-learn is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> embeddings = np.repeat(np.eye(3), 5, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(15, 3))
    >>> made = sa.embedding_map(embeddings, np.repeat(["a", "b", "c"], 5), method="pca")
    >>> made.coordinates.shape
    (15, 2)
    >>> made.write_html("map.html").name
    'map.html'
    """
    vectors = np.asarray(embeddings, dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) < 2 or not vectors.shape[1]:
        raise ParameterError("embeddings", f"shape {vectors.shape}", "(clips, dim), two clips or more")
    if not np.isfinite(vectors).all():
        raise ParameterError("embeddings", "NaN or infinite numbers", "finite numbers")
    if method not in get_args(Method):
        raise ParameterError("method", method, ", ".join(map(repr, get_args(Method))))
    if not perplexity > 0:
        raise ParameterError("perplexity", perplexity, "a positive number")
    if labels is None:
        if features is None:
            raise ParameterError("labels", None, "a class for each clip, or features")
        labels = [features.class_names[label] for label in features.labels]
    if paths is None and features is not None:
        own = features.clips.paths
        paths = own if any(os.path.isfile(path) for path in own) else None
    for name, given in (("labels", labels), ("features", features), ("paths", paths)):
        if given is not None and len(given) != len(vectors):
            raise ParameterError(name, f"{len(given)} of them", f"one for each of the {len(vectors)} clips")
    files = None if paths is None else tuple(os.fspath(path) for path in paths)
    explained = None
    if method == "pca":
        places, explained = projection.pca(vectors)
    elif method == "tsne":
        usable = projection.usable_perplexity(perplexity, len(vectors))
        places = projection.tsne(vectors, perplexity=usable, seed=seed)
    else:
        places = projection.umap(vectors, num_neighbours=min(_UMAP_NEIGHBOURS, len(vectors) - 1), seed=seed)
    classes = sorted({str(label) for label in labels})
    number_of = {name: number for number, name in enumerate(classes)}
    names = files if files is not None else None if features is None else features.clips.paths
    return EmbeddingMap(
        coordinates=places,
        classes=tuple(classes),
        labels=np.array([number_of[str(label)] for label in labels], dtype=np.int64),
        names=tuple(f"clip {index}" for index in range(len(vectors)))
        if names is None
        else tuple(os.path.basename(name) for name in names),
        method=method,
        explained=explained,
        paths=files,
        features=features,
    )


def _style(number: int) -> list[str]:
    """Return the colour and marker of a class, as the figure has them."""
    from siamaudio.plotting import class_style

    return list(class_style(number))


def _sound(path: str) -> str | None:
    try:
        rate = min(float(_SOUND_SR), info(path).sr)
        y, sr = load(path, sr=rate, duration=_SOUND_SECONDS)
    except AudioError:
        return None
    return data_uri(wav(np.nan_to_num(y), sr), "audio/wav")


def _resized(levels: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return an image of another size: the mean of what falls together, repeated where there is too little."""
    for axis, wanted in enumerate(size):
        edges = np.linspace(0, levels.shape[axis], wanted + 1)
        starts = np.minimum(edges[:-1].astype(int), levels.shape[axis] - 1)
        stops = np.maximum(np.ceil(edges[1:]).astype(int), starts + 1)
        sums = np.cumsum(np.insert(levels, 0, 0, axis=axis), axis=axis, dtype=np.float64)
        counts = np.expand_dims((stops - starts).astype(np.float64), 1 - axis)
        levels = ((sums.take(stops, axis=axis) - sums.take(starts, axis=axis)) / counts).astype(np.float32)
    return levels


def _decodable(name: str) -> str:
    """Return a name as a page can hold it."""
    return name.encode("utf-8", "replace").decode("utf-8")
