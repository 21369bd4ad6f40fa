"""Explaining one task: a query and its supports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from siamaudio._engine import core
from siamaudio.errors import ParameterError
from siamaudio.estimators import check_front_end
from siamaudio.explanation import methods, segmentations
from siamaudio.explanation.inputs import PathLike, Source, read_clip, read_supports, silence_levels
from siamaudio.explanation.methods import Method
from siamaudio.explanation.results import Explanation
from siamaudio.explanation.segmentations import Segmentation
from siamaudio.features import Features

if TYPE_CHECKING:
    from siamaudio.network import SiameseNetwork

__all__ = ["contributions_of", "explain"]

FloatArray = npt.NDArray[np.float32]
OnProgress = Callable[[int, int], None]


def explain(
    net: SiameseNetwork,
    query: Source,
    supports: PathLike | Mapping[str, Source | Sequence[Source]] | Features | Sequence[Source] | npt.ArrayLike,
    *,
    method: Method | str = "sinexc",
    segmentation: Segmentation | str | npt.ArrayLike = "felzenszwalb",
    replacement: Literal["silence", "mean", "noise", "neighbour"] = "silence",
    silence: float | None = None,
    classes: Sequence[str] | None = None,
    true_class: str | None = None,
    seed: int = 0,
    num_threads: int | None = None,
    progress: bool = True,
) -> Explanation:
    """Tell which parts of each support make the network call it similar to the query.

    Parts of the supports are replaced, and the similarity to the query is measured again, in one call of the core for
    all supports: the query is embedded once, and every different perturbation once. On the network's device.

    Parameters
    ----------
    net : SiameseNetwork
        A trained network.
    query : path-like or array-like [shape=(samples,), (bands, frames) or (channels, bands, frames)]
        A recording, samples at the rate of the network's front end, or a spectrogram. Only of the first two parts can
        be heard.
    supports : path-like, mapping, Features, or sequence
        A folder as of `classify_oneshot`; a mapping from class to one such as the query, or several; features; or
        several such as the query.
    method : Method or str
        "sinexc", "sinex", "rise", "occlusion", "gradient", "integrated_gradients", or one of
        `siamaudio.explanation` with other settings.
    segmentation : Segmentation, str or array-like of int [shape=(bands, frames) or (supports, bands, frames)]
        "felzenszwalb", "slic", "grid", one of `siamaudio.explanation` with other settings, or labels. Methods that work
        on pixels are averaged over the segments.
    replacement : {"silence", "mean", "noise", "neighbour"}
        What takes the place of pixels: silence, the support's mean, noise with its mean and deviation, or the mean of
        the pixels around the segment.
    silence : float or None
        The level of silence; None: that of the network's front end, -80 dB or what it makes of no sound.
    classes : sequence of str or None
        The class of each support, where they do not tell.
    true_class : str or None
        The query's, where it is known.
    seed : int >= 0
        Of coalitions, masks and noise. Supports do not share in it: each gets the explanation that it would get alone.
    num_threads : int > 0 or None
        CPU threads; None: LibTorch's choice.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Explanation

    Raises
    ------
    ParameterError
        A spectrogram has another shape than the network's or values that are not finite, another front end made it, the
        level of silence is not known, or an option is out of its range.
    AudioError, DatasetError
        A recording cannot be read; there are no supports.
    TrainingError
        The network is not trained.
    ImportError
        scikit-image is needed and missing.
    KeyboardInterrupt
        Ctrl-C; the network stays usable.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    >>> net = sa.SiameseNetwork(encoder).build((16, 20))
    >>> query, cat, dog = np.random.default_rng(0).normal(size=(3, 16, 20))
    >>> explanation = sa.explain(
    ...     net, query, {"cat": cat, "dog": dog}, segmentation=sa.explanation.Grid(bands=2, frames=2), silence=-3,
    ...     progress=False,
    ... )
    >>> explanation.maps.shape, [len(own) for own in explanation.contributions]
    ((2, 16, 20), [4, 4])
    """
    if seed < 0:
        raise ParameterError("seed", seed, "0 or more")
    option = methods.registry.from_dict(methods.registry.to_dict(methods.registry.parse(method)))
    native = net._built()  # pyright: ignore[reportPrivateUsage]
    front_end = net.front_end_
    if isinstance(supports, Features):
        check_front_end(supports, net.front_end_)
        front_end = front_end or supports.front_end
    query_clip = read_clip(query, front_end, "query")
    clips, names = read_supports(supports, classes, front_end)
    stacked = np.stack([clip.spectrogram for clip in clips])
    _check_shapes(net, query_clip.spectrogram, stacked)
    if true_class is not None and true_class not in names:
        raise ParameterError("true_class", true_class, ", ".join(dict.fromkeys(names)))
    segments = segmentations.segment(stacked, segmentation)
    levels = np.zeros(len(clips), np.float32)
    if replacement == "silence":
        levels = silence_levels(stacked, front_end, silence)
    fills = core.replacement_values(
        _with_channels(stacked), segments=segments, replacement=replacement, levels=levels.tolist(), seed=seed
    ).reshape(stacked.shape)
    explainer = core.SupportExplainer(
        native,
        query=_with_channels(query_clip.spectrogram[None])[0],
        supports=_with_channels(stacked),
        fills=_with_channels(fills),
        num_threads=num_threads or 0,
    )
    contributions, maps = contributions_of(
        explainer, option, segments, seed=seed, num_threads=num_threads, progress=progress
    )
    return Explanation(
        contributions=contributions,
        maps=maps,
        segments=segments,
        similarities=np.asarray(explainer.similarities, dtype=np.float32),
        classes=names,
        true_class=true_class,
        method=option,
        segmentation=segmentation if isinstance(segmentation, (str, *segmentations.registry.classes)) else "given",
        replacement=replacement,
        silence=levels if replacement == "silence" else None,
        seed=seed,
        query=query_clip,
        supports=tuple(clips),
        fills=fills,
        front_end=front_end,
        explainer=explainer,
    )


def contributions_of(
    explainer: core.SupportExplainer,
    method: Method,
    segments: npt.NDArray[np.int64],
    *,
    seed: int,
    num_threads: int | None,
    progress: bool,
) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Run a method for all supports.

    Parameters
    ----------
    explainer : core.SupportExplainer
        The query and the supports.
    method : Method
        What to run.
    segments : np.ndarray [shape=(supports, bands, frames), dtype=int64]
        From 0 on without gaps in each.
    seed, num_threads, progress
        As of `explain`.

    Returns
    -------
    contributions : tuple of np.ndarray [shape=(segments,), dtype=float32]
        Of each support.
    maps : np.ndarray [shape=(supports, bands, frames), dtype=float32]
    """
    with tqdm(desc=f"explaining by {method.name}", unit="pass", disable=not progress) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        work = {"num_threads": num_threads or 0, "on_progress": on_progress}
        if isinstance(method, methods.Sinex | methods.Sinexc):
            if isinstance(method, methods.Sinex):
                found = explainer.sinex(segments, replaced=method.replaced, **work)
            else:
                found = explainer.sinexc(
                    segments,
                    replaced=method.replaced,
                    alpha=method.alpha,
                    beta=method.beta,
                    are_shared=method.coalitions == "shared",
                    seed=seed,
                    **work,
                )
            contributions = tuple(own.astype(np.float32) for own in found)
            return contributions, np.stack([own[labels] for own, labels in zip(contributions, segments, strict=True)])
        maps = _map_of(explainer, method, segments.shape[1:], seed, work)
    return tuple(_mean_by_segment(own, labels) for own, labels in zip(maps, segments, strict=True)), maps


def _map_of(
    explainer: core.SupportExplainer,
    method: methods.Rise | methods.Occlusion | methods.Gradient | methods.IntegratedGradients,
    shape: tuple[int, ...],
    seed: int,
    work: dict[str, Any],
) -> FloatArray:
    num_bands, num_frames = shape
    match method:
        case methods.Rise():
            return explainer.rise(
                num_masks=method.num_masks,
                rows=min(method.bands, num_bands),
                columns=min(method.frames, num_frames),
                keep=method.keep,
                seed=seed,
                **work,
            )
        case methods.Occlusion():
            height = max(1, num_bands // 8) if method.bands is None else method.bands
            width = max(1, num_frames // 8) if method.frames is None else method.frames
            if not 0 < method.step <= 1:
                raise ParameterError("method.step", method.step, "above 0, up to 1")
            steps = {"row_step": max(1, round(method.step * height)), "column_step": max(1, round(method.step * width))}
            return explainer.occlusion(height=height, width=width, **steps, **work)
        case methods.Gradient():
            return explainer.gradient_times_input(**work)
        case methods.IntegratedGradients():
            return explainer.integrated_gradients(steps=method.steps, **work)


def _mean_by_segment(values: FloatArray, segments: npt.NDArray[np.int64]) -> FloatArray:
    flat = segments.ravel()
    return (np.bincount(flat, weights=values.ravel()) / np.bincount(flat)).astype(np.float32)


def _with_channels(spectrograms: FloatArray) -> FloatArray:
    """(clips, bands, frames) -> (clips, 1, bands, frames); with channels as it is."""
    return spectrograms[:, None] if spectrograms.ndim == 3 else spectrograms


def _check_shapes(net: SiameseNetwork, query: FloatArray, supports: FloatArray) -> None:
    expected = net.input_shape_
    is_free = net.encoder.takes_any_frames
    for name, shape in (("query", query.shape), ("supports", supports.shape[1:])):
        matches = shape[:-1] == expected[:-1] if is_free else shape == expected
        if not matches:
            accepted = [*map(str, expected[:-1]), "frames" if is_free else str(expected[-1])]
            raise ParameterError(name, f"a spectrogram of shape {shape}", f"({', '.join(accepted)})")
