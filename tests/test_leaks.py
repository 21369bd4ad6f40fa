"""Leaks: clips that share a source, and planted copies that must be found."""

from __future__ import annotations

import collections
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import siamaudio as sa
from siamaudio.evaluation.fingerprints import Fingerprints

RATE = 16000
Signal = npt.NDArray[np.float32]


def _similarity_at_every_shift(a: npt.NDArray, b: npt.NDArray) -> tuple[float, int]:
    """Highest normalised correlation of two fingerprints over the overlap, by a loop."""
    num_steps = a.shape[1]
    best, best_shift = 0.0, 0
    for shift in range(-(num_steps // 2), num_steps // 2 + 1):
        over_a = a[:, max(0, shift) : num_steps + min(0, shift)]
        over_b = b[:, max(0, -shift) : num_steps - max(0, shift)]
        share = min((over_a**2).sum() / (a**2).sum(), (over_b**2).sum() / (b**2).sum())
        if share >= 0.25:
            value = (over_a * over_b).sum() / np.sqrt((over_a**2).sum() * (over_b**2).sum())
            if value > best:
                best, best_shift = float(value), shift
    return best, best_shift


def _features(rng: np.random.Generator, num_clips: int, *, bands: int = 16, frames: int = 40) -> npt.NDArray:
    return rng.standard_normal((num_clips, bands, frames)).astype(np.float32)


@pytest.mark.parametrize("frames", [40, 41, 300])
def test_pairs_are_those_of_a_loop(rng: np.random.Generator, frames: int) -> None:
    array = _features(rng, 7, frames=frames)
    array[5, :, 6:] = array[1, :, :-6] * 0.1 + 3
    array[6, :, : frames - 9] = array[2, :, 9:] + 0.3 * array[3, :, 9:]
    features = sa.Features.from_arrays(array, list("aabbccc"))
    fingerprints = Fingerprints.of(features)
    found = {pair[:2]: pair[2:] for pair in fingerprints.similar_pairs(0.3)}
    assert {(1, 5), (2, 6)} <= set(found)
    for (first, second), (similarity, shift) in found.items():
        expected, steps = _similarity_at_every_shift(fingerprints.signs[first], fingerprints.signs[second])
        assert similarity == pytest.approx(expected, abs=1e-4)
        assert shift == steps * fingerprints.frames_per_step
    assert found[1, 5][1] == -6
    assert found[2, 6][1] == 9
    for first in range(7):
        for second in range(first + 1, 7):
            if (first, second) not in found:
                signs = fingerprints.signs
                assert _similarity_at_every_shift(signs[first], signs[second])[0] < 0.5


def test_blocks_do_not_matter(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    from siamaudio.evaluation import fingerprints

    array = np.repeat(_features(rng, 6, bands=32), 3, axis=0) + 0.3 * _features(rng, 18, bands=32)
    taken = Fingerprints.of(sa.Features.from_arrays(array, ["a", "b"] * 9))
    whole = taken.similar_pairs(0.3)
    assert [pair[:2] for pair in sorted(whole)] == [
        (3 * i + j, 3 * i + k) for i in range(6) for j, k in ((0, 1), (0, 2), (1, 2))
    ]
    monkeypatch.setattr(fingerprints, "_BLOCK_CLIPS", 5)
    blockwise = taken.similar_pairs(0.3)
    assert {pair[:2]: pair[3] for pair in blockwise} == {pair[:2]: pair[3] for pair in whole}


def test_silence_is_like_nothing(rng: np.random.Generator) -> None:
    array = _features(rng, 4)
    array[:2] = -80.0
    report = sa.leak_report(sa.Features.from_arrays(array, list("aabb")), ways=2)
    assert report.num_silent == 2
    assert report.near_duplicates == ()


def test_channels_and_stores(rng: np.random.Generator, tmp_path: Path) -> None:
    array = np.repeat(_features(rng, 4), 2, axis=0)
    flat = sa.Features.from_arrays(array, ["a", "a", "b", "b"] * 2)
    flat.save(tmp_path / "features.zarr")
    with_channels = sa.Features.from_arrays(np.stack([array, array], axis=1), ["a", "a", "b", "b"] * 2)
    wanted = Fingerprints.of(flat).similar_pairs(0.3)
    assert len(wanted) == 4
    assert Fingerprints.of(with_channels).similar_pairs(0.3) == wanted
    assert Fingerprints.of(sa.Features.load(tmp_path / "features.zarr")).similar_pairs(0.3) == wanted


def test_sources_of_copies_become_one(rng: np.random.Generator) -> None:
    array = _features(rng, 8)
    array[5] = array[0]  # of another class
    array[7] = array[6]
    sources = ["s", "s", "t", "u", "v", "w", "x", "x"]
    report = sa.leak_report(sa.Features.from_arrays(array, list("aaaabbbb"), sources=sources), ways=2)
    assert report.independent_sources == ("s", "s", "t", "u", "v", "s", "x", "x")
    assert (report.num_clips, report.num_sources, report.num_sharing) == (8, 6, 4)
    found = {(pair.first, pair.second): pair for pair in report.near_duplicates}
    assert set(found) == {(0, 5), (6, 7)}
    assert found[0, 5].classes == ("a", "b")
    assert not found[0, 5].same_source
    assert found[6, 7].same_source
    assert found[0, 5].similarity == pytest.approx(1, abs=1e-5)
    assert "2 pairs of near-duplicates, 1 of them of different sources, 1 of different classes" in str(report)


def test_gain_is_what_sources_and_copies_give(rng: np.random.Generator) -> None:
    """Noise of which most clips have a copy: with copies a query is recognised, without there is only guessing."""
    array = np.repeat(_features(rng, 12), 2, axis=0) + 0.1 * _features(rng, 24)
    array = np.concatenate([array, _features(rng, 6)])
    names = [*np.repeat(["a", "b", "c"], 8), *"aabbcc"]
    sources = [f"{i // 2}" for i in range(24)] + [f"other {i}" for i in range(6)]
    known = sa.leak_report(sa.Features.from_arrays(array, names, sources=sources), ways=3)
    assert list(known.accuracies) == ["standard", "source-disjoint"]
    unknown = sa.leak_report(sa.Features.from_arrays(array, names), ways=3)
    assert list(unknown.accuracies) == ["standard", "copy-disjoint"]
    assert unknown.accuracies["standard"] == known.accuracies["standard"]
    assert unknown.accuracies["copy-disjoint"] == pytest.approx(known.accuracies["source-disjoint"], abs=1e-12)
    assert known.gain == unknown.gain == known.accuracies["standard"] - known.accuracies["source-disjoint"]
    assert known.gain > 0.05
    vectors = array.reshape(len(array), -1)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    disjoint = sa.evaluate_oneshot(embeddings=vectors, labels=names, sources=sources, source_disjoint=True, ways=3)
    assert known.accuracies["source-disjoint"] == pytest.approx(disjoint.accuracy, abs=1e-12)


def test_all_accuracies_are_of_the_same_classes(rng: np.random.Generator) -> None:
    """A class of a single recording has no source-disjoint tasks."""
    array = np.repeat(_features(rng, 9), 2, axis=0) + 0.5 * _features(rng, 18)
    names = np.repeat(["a", "b", "c"], 6)
    sources = [*(f"{i // 2}" for i in range(12)), *["one"] * 6]
    report = sa.leak_report(sa.Features.from_arrays(array, names, sources=sources), ways=2)
    without = sa.leak_report(sa.Features.from_arrays(array[:12], names[:12], sources=sources[:12]), ways=2)
    assert report.left_out == ("c",)
    assert without.left_out == ()
    assert report.accuracies == pytest.approx(without.accuracies, abs=1e-12)
    too_few = sa.leak_report(sa.Features.from_arrays(array, names, sources=sources), ways=3)
    assert (list(too_few.accuracies), too_few.gain, too_few.left_out) == (["standard"], 0.0, ())


def test_network(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    report = sa.leak_report(unseen, trained, ways=2)
    assert report.accuracies["standard"] == pytest.approx(sa.evaluate_oneshot(trained, unseen, ways=2).accuracy)
    assert report.compared_by == "the network"
    raw = sa.leak_report(unseen, ways=2)
    assert raw.accuracies["standard"] == pytest.approx(
        sa.evaluate_oneshot(trained, unseen, ways=2).baselines["raw spectrogram"], abs=1e-12
    )


def test_report_object(rng: np.random.Generator) -> None:
    array = np.repeat(_features(rng, 4), 2, axis=0)
    report = sa.leak_report(sa.Features.from_arrays(array, list("aaaabbbb")), ways=2)
    again = sa.LeakReport.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert again.near_duplicates == report.near_duplicates
    frame = report.to_frame()
    assert list(frame["path"]) == ["clip 0", "clip 2", "clip 4", "clip 6"]
    assert list(frame["other_path"]) == ["clip 1", "clip 3", "clip 5", "clip 7"]
    assert "LeakReport" in repr(report)
    assert "<table" in report._repr_html_()
    with pytest.raises(AttributeError):
        report.gain = 1.0


def test_bad_input_is_named(rng: np.random.Generator) -> None:
    features = sa.Features.from_arrays(_features(rng, 4), list("aabb"))
    nan = _features(rng, 4)
    nan[2, 3, 4] = np.nan
    for arguments, error, message in (
        ({"features": features, "min_similarity": 0}, sa.ParameterError, "min_similarity: got 0"),
        ({"features": features, "ways": 3}, sa.ParameterError, "ways: got 3"),
        ({"features": sa.Features.from_arrays(nan, list("aabb"))}, sa.ParameterError, "NaN or infinite"),
        ({"features": features[[0, 2]]}, sa.ParameterError, "two or more classes"),
        (
            {"features": sa.Features.from_arrays(np.zeros((4, 3, 9)), list("aabb"))},
            sa.ParameterError,
            "3 bands x 9 frames; accepted: 4 or more",
        ),
    ):
        with pytest.raises(error, match=message):
            sa.leak_report(**{"ways": 2, **arguments})


# ---- Real recordings


def _shifted(y: Signal, seconds: float) -> Signal:
    count = round(seconds * RATE)
    return (
        np.r_[y[count:], np.zeros(count, np.float32)] if count > 0 else np.r_[np.zeros(-count, np.float32), y[:count]]
    )


def _coded(y: Signal, container: str, subtype: str) -> Signal:
    file = io.BytesIO()
    soundfile.write(file, y, RATE, format=container, subtype=subtype, compression_level=0.9)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return np.pad(decoded, (0, max(0, len(y) - len(decoded))))[: len(y)]


def _noisy(y: Signal, snr_db: float) -> Signal:
    noise = np.random.default_rng(len(y)).standard_normal(len(y)).astype(np.float32)
    return y + noise * np.sqrt(np.mean(y**2)) * 10 ** (-snr_db / 20)


# Kind of copy, how it is made, and the least share that must be found.
COPIES: dict[str, tuple[Callable[[Signal], Signal], float]] = {
    "a fifth as loud": (lambda y: 0.2 * y, 0.97),
    "half a second sooner": (lambda y: _shifted(y, 0.517), 0.97),
    "one and a half seconds later": (lambda y: _shifted(y, -1.537), 0.97),
    "MP3": (lambda y: _coded(y, "MP3", "MPEG_LAYER_III"), 0.97),
    "noise at 20 dB": (lambda y: _noisy(y, 20), 0.97),
    "noise at 10 dB": (lambda y: _noisy(y, 10), 0.85),
    "softer, sooner and Vorbis": (lambda y: _coded(0.3 * _shifted(y, 0.313), "OGG", "VORBIS"), 0.85),
}


def test_planted_copies_are_found(shared_data: Path) -> None:
    """Recall by kind of copy, and precision, among the 400 recordings of a fold."""
    clips = sa.datasets.esc50(shared_data / "esc50-fold4")
    front_end = sa.LogMel(sr=RATE, n_fft=1024, hop_length=512, n_mels=32)
    originals = [sa.resample(y, orig_sr=rate, target_sr=RATE) for y, rate in map(sa.load, clips.paths)]
    chosen = range(0, 400, 8)
    copies = [(kind, index) for kind in COPIES for index in chosen]
    array = np.stack(
        [front_end(y) for y in originals] + [front_end(COPIES[kind][0](originals[index])) for kind, index in copies]
    )
    origin = [*range(400), *(index for _, index in copies)]
    features = sa.Features.from_arrays(array, np.array(clips.class_names)[clips.labels[origin]])
    found = [(first, second) for first, second, *_ in Fingerprints.of(features).similar_pairs(0.3)]

    for number, (kind, (_, least)) in enumerate(COPIES.items()):
        first_copy = 400 + number * len(chosen)
        hits = sum((index, first_copy + place) in found for place, index in enumerate(chosen))
        assert hits >= least * len(chosen), f"{kind}: {hits} of {len(chosen)}"
    sources = np.array(clips.sources)[origin]
    wrong = [pair for pair in found if sources[pair[0]] != sources[pair[1]]]
    assert len(wrong) <= 0.01 * len(found), wrong


def test_all_clips_of_esc50(shared_data: Path) -> None:
    """Ten pairs among two millions, five of them of different Freesound uploads, and none across classes."""
    with np.load(shared_data / "esc50-logspec-128.npz") as file:
        sources = [clip.split("-")[1] for clip in file["clip"]]
        features = sa.Features.from_arrays(file["spectrograms"], file["class_name"], sources=sources)
        names = file["clip"]
    found = Fingerprints.of(features).similar_pairs(0.3)
    assert all(features.labels[first] == features.labels[second] for first, second, *_ in found)
    across = {(str(names[first]), str(names[second])) for first, second, *_ in found
              if sources[first] != sources[second]}  # fmt: skip
    # Uploads that follow each other, of the same class.
    assert {("1-23222-A", "1-24524-C"), ("2-28314-A", "2-30322-A"), ("5-212054-A", "5-212059-A")} <= across
    assert len(found) <= 15


def test_gain_on_esc50(shared_data: Path) -> None:
    """Takes of one recording help even the nearest raw spectrogram."""
    with np.load(shared_data / "esc50-logspec-128.npz") as file:
        sources = [clip.split("-")[1] for clip in file["clip"]]
        pooled = file["spectrograms"].reshape(2000, 32, 4, 32, 4).mean((2, 4), dtype=np.float32)
        features = sa.Features.from_arrays(pooled, file["class_name"], sources=sources)
    report = sa.leak_report(features)
    takes = collections.Counter(zip(features.labels.tolist(), sources, strict=True))
    assert report.num_sharing == sum(count for count in takes.values() if count > 1)
    assert report.num_sharing / 2000 == pytest.approx(0.39, abs=0.01)  # what is known of ESC-50
    vectors = pooled.reshape(2000, -1)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    labels = np.array(features.class_names)[features.labels]
    for name, sources in (("source-disjoint", features.sources), ("copy-disjoint", report.independent_sources)):
        result = sa.evaluate_oneshot(embeddings=vectors, labels=labels, sources=sources, source_disjoint=True)
        assert report.accuracies[name] == pytest.approx(result.accuracy, abs=1e-12)
    assert report.accuracies["standard"] > report.accuracies["source-disjoint"] > report.accuracies["copy-disjoint"]
    assert report.gain > 0.002
