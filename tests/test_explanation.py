"""Explanations: what the parts of supports contribute, by every method, and what follows from it."""

from __future__ import annotations

import base64
import io
import re
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import siamaudio as sa
from siamaudio import inverse
from siamaudio._engine import core
from siamaudio.explanation import methods
from siamaudio.explanation.inputs import silence_levels

BANDS, FRAMES = 24, 30
GRID = sa.explanation.Grid(bands=6, frames=3)
FAST: dict[str, Any] = {"segmentation": GRID, "silence": -8.0, "num_threads": 1, "progress": False}
METHODS = ("sinex", "sinexc", "rise", "occlusion", "gradient", "integrated_gradients")


@pytest.fixture(scope="module")
def net() -> sa.SiameseNetwork:
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=16),))
    return sa.SiameseNetwork(encoder).build((BANDS, FRAMES), seed=1)


@pytest.fixture(scope="module")
def clips() -> NDArray[np.float32]:
    """A query and three supports."""
    return np.random.default_rng(0).normal(-4, 2, (4, BANDS, FRAMES)).astype(np.float32)


def band_network(first: int, last: int) -> sa.SiameseNetwork:
    """A network whose embedding is the mean level of each frame in some bands, and that compares by distance.

    Its kernel is as high as the spectrogram: zero but for one weight in each of these bands. The other filter is the
    same below 0, so that nothing is lost in the ReLU.
    """
    block = sa.ConvBlock(
        filters=2, kernel_size=(BANDS, 1), batch_norm=False, pooling="none", dropout=0.0, activation="relu"
    )
    encoder = sa.ConvEncoder(input_batch_norm=False, blocks=(block,), dense=())
    net = sa.SiameseNetwork(encoder, distance="euclidean", head=None, loss="contrastive").build((BANDS, FRAMES))
    weights = net.weights()
    kernel = np.zeros_like(weights["encoder.block1.conv.weight"])
    kernel[0, 0, first:last] = 1 / (last - first)
    kernel[1] = -kernel[0]
    return net.set_weights({**weights, "encoder.block1.conv.weight": kernel})


# ---- The methods


def naive(
    net: sa.SiameseNetwork, query: NDArray[np.float32], support: NDArray[np.float32], segments: NDArray[np.int64],
    method: sa.explanation.Sinex | sa.explanation.Sinexc, fill: float, seed: int,
) -> NDArray[np.float64]:  # fmt: skip
    """SINEX and SINEXC as their definitions read: one perturbation and one call of the network at a time."""
    count = int(segments.max()) + 1

    def similarity(spectrogram: NDArray[np.float32]) -> float:
        return float(net.similarity(net.embed(query[None]), net.embed(spectrogram[None]))[0, 0])

    whole = similarity(support)
    if isinstance(method, sa.explanation.Sinexc):
        sets, of_segment = core.draw_coalitions(
            count, alpha=method.alpha, beta=method.beta, are_shared=method.coalitions == "shared", seed=seed
        )
    else:
        sets, of_segment = np.eye(count, dtype=np.uint8), np.arange(count)[:, None]
    values = np.zeros(count)
    for segment in range(count):
        for row in of_segment[segment]:
            active = sets[row][segments].astype(bool)
            gone = active if method.replaced == "members" else ~active
            lost = whole - similarity(np.where(gone, np.float32(fill), support))
            values[segment] += (lost if method.replaced == "members" else -lost) / active.sum() / len(of_segment[0])
    return values


@pytest.mark.parametrize(
    "method",
    [
        sa.explanation.Sinex(),
        sa.explanation.Sinex(replaced="others"),
        sa.explanation.Sinexc(alpha=6),
        sa.explanation.Sinexc(alpha=6, beta=0.4, replaced="others", coalitions="separate"),
    ],
    ids=str,
)  # fmt: skip
def test_contributions_are_those_of_the_definition(
    net: sa.SiameseNetwork, clips: NDArray[np.float32], method: Any
) -> None:
    explanation = sa.explain(net, clips[0], clips[1:], method=method, seed=4, **FAST)
    for support, own in enumerate(explanation.contributions):
        segments = explanation.segments[support]
        expected = naive(net, clips[0], clips[1 + support], segments, method, -8.0, seed=4)
        np.testing.assert_allclose(own * segments.size, expected * segments.size, atol=1e-5)
        np.testing.assert_array_equal(explanation.maps[support], own[segments])


def test_similarities_are_the_networks(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    explanation = sa.explain(net, clips[0], clips[1:], method="gradient", classes=["a", "b", "c"], **FAST)
    embeddings = net.embed(clips)
    np.testing.assert_allclose(explanation.similarities, net.similarity(embeddings[:1], embeddings[1:])[0], atol=1e-6)
    assert explanation.predicted_class == "abc"[explanation.similarities.argmax()]


@pytest.mark.parametrize("replacement", ["silence", "neighbour"])
@pytest.mark.parametrize(
    "method",
    [*METHODS, sa.explanation.Sinex(replaced="others"), sa.explanation.Sinexc(replaced="others")],
    ids=str,
)
def test_a_planted_band_is_found(method: Any, replacement: Any) -> None:
    """The network looks at bands 8 to 11, the third row of the grid, and there only frames 10 to 19 hold sound."""
    rng = np.random.default_rng(1)
    query, *supports = rng.normal(-60, 3, (4, BANDS, FRAMES))
    query[8:12, 10:20] += 40
    for support in supports:  # quieter, so that a gradient shows towards more of it
        support[8:12, 10:20] += 30
    planted = band_network(8, 12)
    options = {**FAST, "silence": -80.0, "replacement": replacement}
    explanation = sa.explain(planted, query, supports, method=method, **options)
    for support in range(3):
        assert explanation.top_segments(support, top=1) == (2 * 3 + 1,)
        outside = np.delete(explanation.contributions[support], np.arange(6, 9))
        if method in ("sinex", "gradient", "integrated_gradients"):  # others take several segments at a time
            assert np.abs(outside).max() < 1e-3 * explanation.contributions[support].max()


@pytest.mark.parametrize("method", METHODS)
def test_a_support_is_explained_alone_as_among_others(
    net: sa.SiameseNetwork, clips: NDArray[np.float32], method: str
) -> None:
    options = {**FAST, "replacement": "noise", "seed": 7}
    among = sa.explain(net, clips[0], clips[1:], method=method, **options)
    alone = sa.explain(net, clips[0], clips[2:3], method=method, **options)
    np.testing.assert_allclose(alone.maps[0], among.maps[1], atol=1e-6)


def test_integrated_gradients_add_up(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    method = sa.explanation.IntegratedGradients(steps=200)
    explanation = sa.explain(net, clips[0], clips[1:], method=method, **FAST)
    silent = net.embed(np.full((1, BANDS, FRAMES), -8.0))
    difference = explanation.similarities - net.similarity(silent, net.embed(clips[:1]))[0, 0]
    np.testing.assert_allclose(explanation.maps.sum((1, 2)), difference, atol=0.01)


@pytest.mark.parametrize("channels", [1, 2])
def test_channels(channels: int) -> None:
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    net = sa.SiameseNetwork(encoder).build((channels, BANDS, FRAMES))
    query, *supports = np.random.default_rng(0).normal(size=(3, channels, BANDS, FRAMES))
    for method in METHODS:
        options = methods.registry.parse(method)
        if method == "rise":
            options = sa.explanation.Rise(num_masks=10)
        explanation = sa.explain(net, query, supports, method=options, **FAST)
        assert explanation.maps.shape == (2, BANDS, FRAMES)
        assert np.isfinite(explanation.maps).all()


def test_any_number_of_frames_where_the_encoder_pools_over_time(clips: NDArray[np.float32]) -> None:
    blocks = (sa.ConvBlock(filters=4, kernel_size=3),)
    encoder = sa.ConvEncoder(blocks=blocks, pooling="global_average", dense=(sa.Dense(units=8),))
    net = sa.SiameseNetwork(encoder).build((BANDS, FRAMES))
    explanation = sa.explain(net, clips[0, :, :20], clips[1:, :, :25], method="sinex", **FAST)
    assert explanation.maps.shape == (3, BANDS, 25)
    with pytest.raises(sa.ParameterError, match="query"):
        sa.explain(net, clips[0, :9], clips[1:], **FAST)


# ---- Edges and wrong input


def test_one_segment_is_the_whole_support(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    options = {**FAST, "segmentation": np.zeros((BANDS, FRAMES), int)}
    explanation = sa.explain(net, clips[0], clips[1:], method="sinexc", **options)
    silent = net.similarity(net.embed(np.full((1, BANDS, FRAMES), -8.0)), net.embed(clips[:1]))[0, 0]
    expected = (explanation.similarities - silent) / (BANDS * FRAMES)
    np.testing.assert_allclose(np.concatenate(explanation.contributions), expected, atol=1e-8)
    with pytest.raises(sa.ParameterError, match=r"segments: got a single one; accepted: two or more"):
        explanation.faithfulness(progress=False)


@pytest.mark.parametrize("method", ["sinex", "sinexc", "occlusion", "gradient", "integrated_gradients"])
def test_silence_contributes_nothing(net: sa.SiameseNetwork, clips: NDArray[np.float32], method: str) -> None:
    silent = np.full((BANDS, FRAMES), -8.0)
    explanation = sa.explain(net, clips[0], [silent], method=method, **FAST)
    np.testing.assert_allclose(explanation.maps, 0, atol=1e-7)
    faithfulness = explanation.faithfulness(num_orders=3, progress=False)
    np.testing.assert_allclose(faithfulness.deletion_areas, explanation.similarities[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": np.full((BANDS, FRAMES), np.nan)}, "query: got NaN or infinite values"),
        ({"supports": np.full((2, BANDS, FRAMES), np.inf)}, "support 1: got NaN or infinite values"),
        ({"query": np.zeros((BANDS, 5))}, r"query: got a spectrogram of shape \(24, 5\); accepted: \(24, 30\)"),
        ({"query": np.zeros((1, 1, BANDS, FRAMES))}, "query: got an array of shape"),
        ({"query": "clip.wav"}, "query: got a recording; accepted: a spectrogram"),
        ({"query": np.zeros(100)}, "query: got samples; accepted: a spectrogram"),
        ({"supports": []}, "supports: got none"),
        ({"supports": [np.zeros((BANDS, FRAMES)), np.zeros((BANDS, 4))]}, "supports: got spectrograms of the shapes"),
        ({"segmentation": np.zeros((BANDS, 4), int)}, "segmentation: got an array of int64 of shape"),
        ({"segmentation": np.zeros((BANDS, FRAMES))}, "segmentation: got an array of float64"),
        ({"segmentation": "squares"}, "segmentation: got squares; accepted: 'felzenszwalb', 'slic', 'grid'"),
        ({"segmentation": sa.explanation.Grid(bands=0)}, "segmentation.bands: got 0; accepted: above 0"),
        ({"segmentation": sa.explanation.Felzenszwalb(sigma=-1)}, "segmentation.sigma: got -1"),
        ({"method": "lime"}, "method: got lime; accepted: 'sinexc', 'sinex', 'rise'"),
        ({"method": sa.explanation.Sinexc(alpha=0)}, "alpha: got 0; accepted: 1 or more"),
        ({"method": sa.explanation.Sinexc(beta=2.0)}, "beta: got 2"),
        ({"method": sa.explanation.Occlusion(bands=99)}, "height: got 99; accepted: 1 to 24"),
        ({"method": sa.explanation.Occlusion(step=0.0)}, "step: got 0"),
        ({"method": sa.explanation.Rise(keep=1.0)}, "keep: got 1"),
        ({"method": sa.explanation.IntegratedGradients(steps=0)}, "steps: got 0"),
        ({"replacement": "zeros"}, "replacement: got zeros; accepted: 'silence', 'mean', 'noise' or 'neighbour'"),
        ({"silence": None}, "silence: got None; accepted: the level of silence"),
        ({"silence": np.nan}, "silence: got nan"),
        ({"classes": ["a"]}, "classes: got 1 of them; accepted: one for each of the 3 supports"),
        ({"true_class": "cat"}, "true_class: got cat; accepted: support 1, support 2, support 3"),
        ({"seed": -1}, "seed: got -1"),
    ],
)
def test_wrong_input_is_named(
    net: sa.SiameseNetwork, clips: NDArray[np.float32], change: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {"query": clips[0], "supports": clips[1:], **FAST, **change}
    with pytest.raises(sa.ParameterError, match=message):
        sa.explain(net, arguments.pop("query"), arguments.pop("supports"), **arguments)


def test_an_untrained_network_is_refused(clips: NDArray[np.float32]) -> None:
    with pytest.raises(sa.TrainingError, match="not trained"):
        sa.explain(sa.SiameseNetwork(), clips[0], clips[1:], **FAST)


def test_progress_is_reported_and_an_exception_stops_the_work(
    net: sa.SiameseNetwork, clips: NDArray[np.float32]
) -> None:
    explanation = sa.explain(net, clips[0], clips[1:], method="sinex", **FAST)
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explanation.explainer.sinexc(
            explanation.segments, replaced="members", alpha=150, beta=0.15, are_shared=True, seed=0, num_threads=1,
            on_progress=stop,
        )  # fmt: skip
    assert len(seen) == 1
    assert 0 < seen[0][0] < seen[0][1]
    assert sa.explain(net, clips[0], clips[1:], method="sinex", **FAST).contributions[0].any()


# ---- Silence and segmentations


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({"log": "db", "ref": "max"}, -80),
        ({"log": "db", "ref": "max", "top_db": 60.0}, -60),
        ({"log": "db", "top_db": None}, -100),
        ({"log": "db", "top_db": None, "ref": 100.0}, -120),
        ({"log": "db", "power": 1.0, "top_db": None}, -100),
        ({"log": "ln"}, np.log(1e-10)),
        ({"log": "ln_offset"}, np.log(1e-3)),
        ({"log": "ln_nonzero"}, 0),
        ({"log": None}, 0),
    ],
)
def test_silence_is_what_the_front_end_makes_of_nothing(options: dict[str, Any], level: float) -> None:
    front_end = sa.LogMel(sr=16000, n_fft=512, hop_length=256, n_mels=20, **options)
    clip = front_end(np.random.default_rng(0).normal(0, 0.1, 4000))
    np.testing.assert_allclose(silence_levels(clip[None], front_end, None), [level], atol=1e-4)


def test_silence_lies_no_lower_than_the_front_end_cuts_off() -> None:
    front_end = sa.LogMel(sr=16000, n_fft=512, hop_length=256, n_mels=20)
    noise = np.random.default_rng(0).normal(0, 0.1, 4000)
    noise[:2000] = 0
    clip = front_end(noise)
    assert silence_levels(clip[None], front_end, None)[0] == clip.min()


def test_segmentations_follow_the_levels_in_any_unit() -> None:
    pytest.importorskip("skimage")
    image = np.zeros((60, 80))
    image[20:40, 30:60] = 1
    image += np.random.default_rng(0).normal(0, 0.02, image.shape)
    for name in ("felzenszwalb", "slic"):
        labels = sa.explanation.segment(image[None], name)[0]
        assert labels.min() == 0
        assert len(np.unique(labels)) == labels.max() + 1 > 1
        inside = np.unique(labels[23:37, 33:57])
        outside = np.unique(labels[image < 0.5][:1000])
        assert not set(inside) & set(outside)
        np.testing.assert_array_equal(sa.explanation.segment(-80 + 80 * image[None], name)[0], labels)
    assert np.bincount(sa.explanation.segment(image[None], "felzenszwalb").ravel()).min() >= 150
    flat = sa.explanation.segment(np.zeros((1, 30, 40)), "felzenszwalb")
    assert flat.max() == 0


def test_labels_may_be_any_numbers() -> None:
    labels = np.array([[7, 7, -3], [7, 12, -3]])
    expected = [[1, 1, 0], [1, 2, 0]]
    found = sa.explanation.segment(np.zeros((2, 2, 3)), labels)
    np.testing.assert_array_equal(found, [expected, expected])
    np.testing.assert_array_equal(sa.explanation.segment(np.zeros((2, 2, 3)), np.stack([labels, labels * 0]))[1], 0)
    fine = sa.explanation.Grid(bands=9, frames=9)
    np.testing.assert_array_equal(sa.explanation.segment(np.zeros((1, 2, 3)), fine)[0], [[0, 1, 2], [3, 4, 5]])


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(ImportError, match=r"siamaudio\[explain\]"):
        sa.explanation.segment(np.zeros((1, 4, 4)), "slic")
    assert sa.explanation.segment(np.zeros((1, 4, 4)), "grid").max() == 15


# ---- Faithfulness, agreement, stability


def naive_curve(
    net: sa.SiameseNetwork, query: NDArray[np.float32], support: NDArray[np.float32], segments: NDArray[np.int64],
    order: NDArray[np.intp], fill: float,
) -> tuple[list[float], list[float]]:  # fmt: skip
    """Deletion, one segment after another."""
    current, shares, values = support.copy(), [0.0], []
    values.append(float(net.similarity(net.embed(query[None]), net.embed(current[None]))[0, 0]))
    for segment in order:
        current[segments == segment] = fill
        shares.append(shares[-1] + float((segments == segment).mean()))
        values.append(float(net.similarity(net.embed(query[None]), net.embed(current[None]))[0, 0]))
    return shares, values


def test_faithfulness_is_its_definition(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    explanation = sa.explain(net, clips[0], clips[1:], method="sinex", **FAST)
    found = explanation.faithfulness(1, num_orders=4, steps=18, progress=False)
    order = np.argsort(-explanation.contributions[1], kind="stable")
    shares, values = naive_curve(net, clips[0], clips[2], explanation.segments[1], order, -8.0)
    np.testing.assert_allclose(found.shares[0], shares, atol=1e-9)
    np.testing.assert_allclose(found.deletion[0], values, atol=1e-5)
    assert found.deletion_area == pytest.approx(np.trapezoid(values, shares), abs=1e-5)
    back, put_back = naive_curve(net, clips[0], clips[2], explanation.segments[1], order[::-1], -8.0)
    np.testing.assert_allclose(found.insertion[0], put_back[::-1], atol=1e-5)
    assert found.insertion_area == pytest.approx(np.trapezoid(put_back, back), abs=1e-5)
    assert found.deletion.shape == (5, 19)
    assert 1 / 5 <= found.deletion_p_value <= 1
    table = found.to_frame()
    assert table.loc["deletion", "random_mean"] == pytest.approx(found.deletion_areas[1:].mean())
    again = explanation.faithfulness(1, num_orders=4, steps=18, progress=False)
    np.testing.assert_array_equal(again.deletion, found.deletion)
    with pytest.raises(sa.ParameterError, match="support"):
        explanation.faithfulness(3, progress=False)


def test_few_steps_pass_over_segments(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    explanation = sa.explain(net, clips[0], clips[1:], method="gradient", **FAST)
    found = explanation.faithfulness(num_orders=2, steps=4, progress=False)
    assert found.shares.shape == (3, 5)
    np.testing.assert_allclose(found.shares[:, [0, -1]], [[0, 1]] * 3, atol=1e-9)


def test_a_planted_band_is_faithful() -> None:
    rng = np.random.default_rng(1)
    query, support = rng.normal(-60, 3, (2, BANDS, FRAMES))
    query[8:12] += 40
    support[8:12] += 40
    explanation = sa.explain(band_network(8, 12), query, [support], **{**FAST, "silence": -80.0})
    found = explanation.faithfulness(num_orders=30, progress=False)
    assert found.deletion_area < found.deletion_areas[1:].min()
    assert found.insertion_area > found.insertion_areas[1:].max()
    assert found.deletion_p_value == pytest.approx(1 / 31)


def test_agreement_is_spearmans(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    from scipy.stats import spearmanr

    a, b = (sa.explain(net, clips[0], clips[1:], method=name, **FAST) for name in ("sinex", "gradient"))
    found = sa.explanation.agreement(a, b)
    expected = [spearmanr(x, y).statistic for x, y in zip(a.contributions, b.contributions, strict=True)]
    np.testing.assert_allclose(found.correlations, expected, atol=1e-12)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.unit == "segments"
    other = sa.explain(net, clips[0], clips[1:], method="sinex", **{**FAST, "segmentation": sa.explanation.Grid()})
    assert sa.explanation.agreement(a, other).unit == "pixels"
    np.testing.assert_allclose(sa.explanation.agreement(a, a).correlations, 1)
    with pytest.raises(sa.ParameterError, match="other supports"):
        sa.explanation.agreement(a, sa.explain(net, clips[0], clips[:3], method="sinex", **FAST))


def test_stability_rises_with_the_coalitions(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    def mean(alpha: int) -> float:
        method = sa.explanation.Sinexc(alpha=alpha)
        explanation = sa.explain(net, clips[0], clips[1:], method=method, **FAST)
        return explanation.stability(num_seeds=3, progress=False).mean

    assert mean(2) < mean(40) <= 1
    fixed = sa.explain(net, clips[0], clips[1:], method="sinex", **FAST).stability(progress=False)
    assert fixed.mean == 1
    assert fixed.correlations.shape == (10, 3)


# ---- To hear


@pytest.fixture(scope="module")
def heard() -> sa.Explanation:
    """Two tones one after the other, of a network that hears the lower bands alone."""
    sr = 16000
    front_end = sa.LogMel(sr=sr, n_fft=1024, hop_length=256, n_mels=40, duration=1.0)
    time = np.arange(sr) / sr
    tones = (np.sin(2 * np.pi * 500 * time) * (time < 0.5) + np.sin(2 * np.pi * 3000 * time) * (time > 0.5)) / 3
    noise = np.random.default_rng(0).normal(0, 1e-3, (2, sr))
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    net = sa.SiameseNetwork(encoder).build(front_end(tones).shape)
    net.front_end_ = front_end
    grid = sa.explanation.Grid(bands=4, frames=4)
    return sa.explain(
        net, tones + noise[0], {"a": tones + noise[1], "b": noise[0]}, method="sinex", segmentation=grid, progress=False
    )


def test_segments_and_rest_add_up_to_the_sound(heard: sa.Explanation) -> None:
    kept, rest = (heard.resynthesise(0, top=5, part=part) for part in ("segments", "rest"))
    np.testing.assert_allclose(kept.samples + rest.samples, heard.supports[0].samples, atol=1e-5)
    np.testing.assert_array_equal(kept.mask, ~rest.mask)


def test_segments_light_up_where_they_came_from(heard: sa.Explanation) -> None:
    """The first tone's segment holds the first tone, and little else."""
    front_end = heard.front_end
    assert front_end is not None
    levels = heard.supports[0].spectrogram
    band = int(levels[:, 20].argmax())
    first = int(heard.segments[0][band, 20])
    sound = heard.resynthesise(0, segments=(first,))
    assert sound.correlation > 0.8
    lit = sound.replayed > sound.replayed.max() - 30
    assert sound.mask[lit].mean() > 0.8
    half = len(sound.samples) // 2
    assert np.square(sound.samples[half + 1024 :]).sum() < 1e-3 * np.square(sound.samples[:half]).sum()
    whole = heard.resynthesise(0, top=16)
    np.testing.assert_allclose(whole.samples, heard.supports[0].samples, atol=3e-3)  # no band reaches 0 Hz
    assert whole.correlation > 0.999


def test_bins_are_kept_as_the_bands_that_they_count_in(heard: sa.Explanation) -> None:
    front_end = heard.front_end
    assert front_end is not None
    weights = inverse.mel_weights(front_end)
    assert weights.shape == (40, 513)
    mel = weights @ np.abs(sa.STFT(n_fft=1024, hop_length=256)(heard.query.samples)) ** 2
    np.testing.assert_allclose(10 * np.log10(np.maximum(mel, 1e-10)), np.asarray(heard.query.spectrogram), atol=1e-3)


def test_wav_files_hold_the_sound(heard: sa.Explanation, tmp_path: Path) -> None:
    sound = heard.resynthesise(0)
    path = sound.save_wav(tmp_path / "new" / "top.wav")
    samples, sr = sa.load(path)
    assert sr == 16000
    np.testing.assert_allclose(samples, sound.samples, atol=1 / 32000)
    loud = sa.explanation.Resynthesis(
        samples=np.array([0.5, -2.0], np.float32), sr=8000, segments=(0,), part="segments",
        mask=sound.mask, replayed=sound.replayed, correlation=1.0,
    )  # fmt: skip
    np.testing.assert_allclose(sa.load(loud.save_wav(tmp_path / "loud.wav"))[0], [0.25, -1], atol=1e-4)


def test_what_cannot_be_heard_is_said(
    heard: sa.Explanation, net: sa.SiameseNetwork, clips: NDArray[np.float32]
) -> None:
    with pytest.raises(sa.ParameterError, match="a spectrogram without samples"):
        sa.explain(net, clips[0], clips[1:], method="sinex", **FAST).resynthesise()
    with pytest.raises(sa.ParameterError, match=r"segments: got \(16,\); accepted: one or more of 0 to 15"):
        heard.resynthesise(0, segments=(16,))
    with pytest.raises(sa.ParameterError, match="part"):
        heard.resynthesise(part="all")  # pyright: ignore[reportArgumentType]


# ---- From files


@pytest.mark.parametrize("given", ["mapping", "features"])
def test_recordings(trained: sa.SiameseNetwork, unseen: sa.Features, given: str) -> None:
    query = unseen.clips.paths[1]
    first = [int(np.flatnonzero(unseen.labels == label)[0]) for label in range(2)]
    by_class = {unseen.class_names[i]: unseen.clips.paths[clip] for i, clip in enumerate(first)}
    supports: Any = by_class
    if given == "features":
        supports = unseen[first]
    explanation = sa.explain(trained, query, supports, method="gradient", segmentation="grid", progress=False)
    np.testing.assert_allclose(explanation.query.spectrogram, unseen[1], atol=1e-3)
    expected = sa.classify_oneshot(trained, by_class, query)
    np.testing.assert_allclose(explanation.similarities, expected.similarities[0], atol=1e-4)
    assert explanation.classes == expected.classes
    assert explanation.silence is not None
    assert (explanation.supports[0].samples is None) == (given == "features")


def test_supports_by_another_front_end_are_refused(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    other = sa.LogMel(sr=16000, n_fft=1024, hop_length=512, n_mels=32, top_db=60.0, duration=1.5)
    features = other.transform(unseen.clips, cache=False, progress=False)
    with pytest.raises(sa.ParameterError, match="features: got made by"):
        sa.explain(trained, unseen.clips.paths[1], features[[0, 8]], method="gradient", progress=False)


# ---- To see


def test_picture(heard: sa.Explanation) -> None:
    import matplotlib.pyplot as plt

    figure = heard.plot()
    texts = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"1", "2", "3"} <= texts
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert any(label.startswith(f"similarity {heard.similarities[0]:.3f}") for label in labels)
    assert "time (s)" in labels
    assert "frequency (Hz)" in [ax.get_ylabel() for ax in figure.axes]
    assert sum("nearest" in label for label in labels) == 1
    plt.close(figure)


def test_the_true_class_is_marked(net: sa.SiameseNetwork, clips: NDArray[np.float32]) -> None:
    import matplotlib.pyplot as plt

    options = {**FAST, "classes": ["a", "b", "c"]}
    probe = sa.explain(net, clips[0], clips[1:], method="sinex", **options)
    wrong = next(name for name in "abc" if name != probe.predicted_class)
    for true_class, words in ((probe.predicted_class, "nearest: right"), (wrong, "nearest: wrong")):
        explanation = sa.explain(net, clips[0], clips[1:], method="rise" if true_class == wrong else "sinex",
                                 true_class=true_class, **options)  # fmt: skip
        figure = explanation.plot()
        labels = [ax.get_xlabel() for ax in figure.axes]
        assert sum(words in label for label in labels) == 1
        assert sum("query's class" in label for label in labels) == (true_class == wrong)
        plt.close(figure)


def test_page(heard: sa.Explanation, tmp_path: Path) -> None:
    path = heard.write_html(tmp_path / "page.html", title="A <title>")
    page = path.read_text(encoding="utf-8")
    assert "A &lt;title&gt;" in page
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    sounds = re.findall(r'src="data:audio/wav;base64,([^"]*)"', page)
    assert len(sounds) == 1 + 2 * 3
    with wave.open(io.BytesIO(base64.b64decode(sounds[0]))) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 16000)
    assert heard.write_html(tmp_path / "again.html", title="A <title>").read_bytes() == path.read_bytes()
    with pytest.raises(sa.ParameterError, match="top"):
        heard.write_html(path, top=0)


def test_page_of_spectrograms_has_no_players(
    net: sa.SiameseNetwork, clips: NDArray[np.float32], tmp_path: Path
) -> None:
    explanation = sa.explain(net, clips[0], clips[1:], method="rise", **FAST)
    assert "<audio" not in explanation.write_html(tmp_path / "page.html").read_text(encoding="utf-8")


def test_in_notebooks_and_tables(heard: sa.Explanation) -> None:
    assert heard._repr_html_().startswith("<p>Explanation(sinex of")
    assert "<audio" in heard.resynthesise(0)._repr_html_()
    faithfulness = heard.faithfulness(0, num_orders=2, progress=False)
    assert "deletion" in faithfulness._repr_html_()
    assert faithfulness.plot().get_xlabel() == "pixels (%)"
    table = heard.to_frame()
    assert len(table) == 32
    own = table[table["support"] == 0].set_index("segment")
    np.testing.assert_array_equal(own.sort_values("rank").index[:3], heard.top_segments(0))
    assert own.loc[0, "band"] == pytest.approx(4.5)
    described = heard.to_dict()
    assert described["method"] == {"type": "sinex", "replaced": "members"}
    assert described["segmentation"]["type"] == "grid"
    assert len(described["supports"][1]["contributions"]) == 16


# ---- Real recordings


def test_segments_of_a_real_recording_light_up_where_they_came_from(shared_data: Path) -> None:
    """A dog's bark: its loudest segments, played through the front end, give back their levels and little else."""
    pytest.importorskip("skimage")
    front_end = sa.LogMel.preset("modern", duration=5.0)
    paths = sa.datasets.esc50(shared_data / "esc50-fold4").paths[:2]
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    net = sa.SiameseNetwork(encoder).build(front_end(np.zeros(160000)).shape)
    net.front_end_ = front_end
    explanation = sa.explain(net, paths[0], {"own": paths[1]}, method="gradient", progress=False)
    labels = explanation.segments[0]
    levels = np.bincount(labels.ravel(), weights=explanation.supports[0].spectrogram.ravel()) / np.bincount(
        labels.ravel()
    )
    loudest = tuple(np.argsort(-levels)[:3].tolist())
    sound = explanation.resynthesise(segments=loudest)
    assert sound.correlation > 0.8
    lit = sound.replayed > sound.replayed.max() - 20
    assert sound.mask[lit].mean() > 0.9
