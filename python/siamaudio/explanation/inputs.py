"""The query and the supports of an explanation, from files, samples or spectrograms."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.classification import supports_by_class
from siamaudio.errors import ParameterError
from siamaudio.features import Features
from siamaudio.log_mel import LogMel

__all__ = ["PathLike", "Sound", "Source", "read_clip", "read_supports", "silence_levels"]

PathLike = str | os.PathLike[str]
Source = PathLike | npt.ArrayLike


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Sound:
    """A sound as the network gets it, and as it can be heard where its samples are known.

    Attributes
    ----------
    name : str
        The file's, or what stands for it.
    spectrogram : np.ndarray [shape=(bands, frames) or (channels, bands, frames), dtype=float32]
        Finite levels.
    samples : np.ndarray [shape=(samples,), dtype=float32] or None
        At the front end's rate.
    """

    name: str
    spectrogram: npt.NDArray[np.float32]
    samples: npt.NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.spectrogram.shape))
        return f"Sound({self.name!r}, {shape}, {'unheard' if self.samples is None else f'{len(self.samples)} samples'})"


def read_clip(source: Source, front_end: LogMel | None, name: str) -> Sound:
    """Read a file, transform samples, or take a spectrogram.

    Parameters
    ----------
    source : path-like or array-like [shape=(samples,), (bands, frames) or (channels, bands, frames)]
        The sound.
    front_end : LogMel or None
        What makes spectrograms of samples.
    name : str
        What errors and pictures call an array.
    """
    if isinstance(source, (str, os.PathLike)):
        from siamaudio.audio import load  # networks on arrays do without the audio module

        known = _known(front_end, name, "a recording")
        samples, _ = load(source, sr=known.sr)
        return _of_samples(samples, known, Path(source).name)
    values = np.asarray(source, dtype=np.float32)
    if values.ndim not in (1, 2, 3) or values.size == 0:
        accepted = "a file, samples (samples,) or a spectrogram (bands, frames) or (channels, bands, frames)"
        raise ParameterError(name, f"an array of shape {values.shape}", accepted)
    if not np.isfinite(values).all():
        raise ParameterError(name, "NaN or infinite values", "finite numbers")
    if values.ndim == 1:
        return _of_samples(values, _known(front_end, name, "samples"), name)
    return Sound(name=name, spectrogram=values)


def read_supports(
    supports: PathLike | Mapping[str, Source | Sequence[Source]] | Features | Sequence[Source] | npt.ArrayLike,
    classes: Sequence[str] | None,
    front_end: LogMel | None,
) -> tuple[list[Sound], tuple[str, ...]]:
    """Read supports and name the class of each.

    Parameters
    ----------
    supports
        As of `siamaudio.explain`.
    classes : sequence of str or None
        The class of each, where the supports do not tell.
    front_end : LogMel or None
        What makes spectrograms of samples.
    """
    sources: list[Any]
    if isinstance(supports, (str, os.PathLike)):
        supports = supports_by_class(supports)
    if isinstance(supports, Features):
        names = [str(supports.class_names[label]) for label in supports.labels]
        sources = list(supports)
    elif isinstance(supports, Mapping):
        named = [(name, source) for name, given in supports.items() for source in _several(given)]
        names, sources = [str(name) for name, _ in named], [source for _, source in named]
    else:
        sources = list(supports)  # pyright: ignore[reportArgumentType]
        names = [f"support {number}" for number in range(1, len(sources) + 1)]
    if classes is not None:
        if len(classes) != len(sources):
            raise ParameterError("classes", f"{len(classes)} of them", f"one for each of the {len(sources)} supports")
        names = [str(name) for name in classes]
    if not sources:
        raise ParameterError("supports", "none", "one or more")
    clips = [read_clip(source, front_end, name) for source, name in zip(sources, names, strict=True)]
    shapes = {clip.spectrogram.shape for clip in clips}
    if len(shapes) > 1:
        raise ParameterError("supports", f"spectrograms of the shapes {sorted(shapes)}", "supports of one shape")
    return clips, tuple(names)


def silence_levels(
    supports: npt.NDArray[np.float32], front_end: LogMel | None, silence: float | None
) -> npt.NDArray[np.float32]:
    """Return the level that stands for silence in each support.

    What the front end makes of digital silence, but no lower than `top_db` below the support's loudest, where it cuts
    off: -80 dB where levels count from the loudest.

    Parameters
    ----------
    supports : np.ndarray [shape=(supports, ..., bands, frames)]
        Levels.
    front_end : LogMel or None
        What made them.
    silence : float or None
        The level for all, in the place of that.
    """
    num_supports = len(supports)
    if silence is not None:
        if not np.isfinite(silence):
            raise ParameterError("silence", silence, "a finite level")
        return np.full(num_supports, silence, dtype=np.float32)
    if front_end is None:
        accepted = "the level of silence, as nothing is known of the front end; or another replacement, such as 'mean'"
        raise ParameterError("silence", None, accepted)
    loudest = supports.reshape(num_supports, -1).max(axis=1)
    if front_end.log == "db" and front_end.ref == "max":
        quietest = supports.reshape(num_supports, -1).min(axis=1)
        return quietest if front_end.top_db is None else np.full(num_supports, -front_end.top_db, dtype=np.float32)
    lowest = float(front_end(np.zeros(2 * front_end.n_fft)).min())
    if front_end.log == "db" and front_end.top_db is not None:
        return np.maximum(lowest, loudest - front_end.top_db).astype(np.float32)
    return np.full(num_supports, lowest, dtype=np.float32)


def _known(front_end: LogMel | None, name: str, what: str) -> LogMel:
    if front_end is None:
        raise ParameterError(name, what, "a spectrogram: the network was trained on arrays and knows no front end")
    return front_end


def _of_samples(samples: npt.NDArray[np.float32], front_end: LogMel, name: str) -> Sound:
    """Cut or pad to the front end's length, and transform."""
    size = len(samples) if front_end.num_samples is None else front_end.num_samples
    whole = np.zeros(size, dtype=np.float32)
    whole[: min(size, len(samples))] = samples[:size]
    return Sound(name=name, spectrogram=front_end(whole), samples=whole)


def _several(given: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple)) else [given]
