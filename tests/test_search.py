"""The search index: what it finds is what brute force finds, and what it cannot do is said."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import siamaudio as sa
from siamaudio.datasets import Clips

Vectors = np.ndarray[Any, np.dtype[np.float64]]


def brute_force(items: Vectors, queries: Vectors, metric: str) -> Vectors:
    """Similarities (queries, items) in double precision, one pair at a time."""
    table = np.empty((len(queries), len(items)))
    for q, query in enumerate(queries):
        for i, item in enumerate(items):
            if metric == "euclidean":
                table[q, i] = -np.sqrt(np.sum((query - item) ** 2))
            else:
                table[q, i] = np.dot(query, item)
                if metric == "cosine":
                    table[q, i] /= np.sqrt(np.dot(query, query) * np.dot(item, item))
    return table


@pytest.fixture(scope="module")
def made(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> sa.SearchIndex:
    """All recordings of the synthetic data set; nobody may change it."""
    index = sa.SearchIndex(trained)
    index.add(synthetic_features.clips, num_threads=2, progress=False)
    return index


def paths_of(result: sa.SearchResult, query: int = 0) -> list[str]:
    return [hit.path for hit in result.hits[query]]


# ---- What is found


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "inner_product"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_finds_what_brute_force_finds(rng: np.random.Generator, metric: Any, dtype: Any) -> None:
    items, queries = rng.normal(size=(60, 12)), rng.normal(size=(5, 12))
    items[41] = items[7]  # a tie: the first that was added comes first
    queries[0] = items[7]
    index = sa.SearchIndex(None, metric=metric, dtype=dtype)
    index.add(embeddings=items[:40], metadata={"path": [str(i) for i in range(40)]})
    index.add(embeddings=items[40:], metadata={"path": [str(i) for i in range(40, 60)]})
    kept = index.embeddings()
    np.testing.assert_allclose(kept / np.linalg.norm(kept, axis=1)[:, None],
                               items / np.linalg.norm(items, axis=1)[:, None], atol=0.01)  # fmt: skip
    expected = brute_force(kept.astype(np.float64), queries.astype(np.float32).astype(np.float64), metric)
    result = index.query(embeddings=queries, k=60)
    for q in range(5):
        order = np.argsort(-expected[q], kind="stable")
        np.testing.assert_allclose([hit.similarity for hit in result.hits[q]], expected[q][order], atol=2e-5)
    ranks = paths_of(result)
    assert ranks.index("7") + 1 == ranks.index("41")
    assert (len(index), index.dim) == (60, 12)


def test_recordings_are_found_by_their_embeddings(
    made: sa.SearchIndex, trained: sa.SiameseNetwork, synthetic_features: sa.Features
) -> None:
    vectors = trained.embed(synthetic_features).astype(np.float64)
    expected = brute_force(vectors, vectors[[3, 50]], "cosine")
    result = made.query([synthetic_features.clips.paths[3], synthetic_features.clips.paths[50]], k=5)
    for q in range(2):
        best = np.argsort(-expected[q], kind="stable")[:5]
        np.testing.assert_allclose([hit.similarity for hit in result.hits[q]], expected[q][best], atol=1e-4)
    first = result.hits[0][0]
    clip = synthetic_features.clips[3]
    assert (first.path, first.label, first.metadata["source"]) == (clip.path, clip.class_name, clip.source)
    assert (first.start_seconds, first.end_seconds) == (0.0, 1.5)


def test_every_way_to_ask_is_the_same(made: sa.SearchIndex, synthetic_features: sa.Features) -> None:
    path = synthetic_features.clips.paths[20]
    expected = made.query(path, k=7)
    assert expected.queries == (path,)
    assert expected.num_items == 96
    samples, sr = sa.load(path)
    for asked in (
        made.query(Path(path), k=7),
        made.query(samples, sr=sr, k=7),
        made.query(synthetic_features[20], k=7),
        made.query(synthetic_features[20:21].array, k=7),
        made.query(synthetic_features[20:21], k=7),
        made.query(embeddings=made.embedder.embed(synthetic_features[20:21]), k=7),
        made.query(embeddings=made.embedder.embed(synthetic_features[20:21])[0], k=7),
    ):
        assert paths_of(asked) == paths_of(expected)
        np.testing.assert_allclose(
            [hit.similarity for hit in asked.hits[0]], [hit.similarity for hit in expected.hits[0]], atol=1e-4
        )


def test_adding_in_any_form_makes_the_same_index(
    made: sa.SearchIndex, trained: sa.SiameseNetwork, synthetic_features: sa.Features
) -> None:
    clips = synthetic_features.clips
    folder = Path(clips.paths[0]).parents[1]
    for given in (synthetic_features, folder, list(clips.paths), iter(clips.paths)):
        index = sa.SearchIndex(trained)
        added = index.add(given, progress=False)
        assert (added.num_added, added.num_items, len(index)) == (96, 96, 96)
        order = np.argsort([str(path) for path in index.to_frame().path])
        np.testing.assert_allclose(
            index.embeddings()[order], made.embeddings()[np.argsort(made.to_frame().path)], atol=1e-4
        )
    labels = dict(zip(clips.paths, [clip.class_name for clip in clips], strict=True))
    from_folder = sa.SearchIndex(trained)
    from_folder.add(folder, progress=False)
    assert dict(zip(from_folder.to_frame().path, from_folder.to_frame().label, strict=True)) == labels


def test_k_defaults_to_ten_or_all(made: sa.SearchIndex, trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    assert len(made.query(unseen.clips.paths[0]).hits[0]) == 10
    index = sa.SearchIndex(trained)
    index.add(list(unseen.clips.paths[:3]), progress=False)
    assert len(index.query(unseen.clips.paths[0]).hits[0]) == 3


# ---- Filters


def test_filters_agree_with_the_table(made: sa.SearchIndex, rng: np.random.Generator) -> None:
    table = made.to_frame()
    vector = made.embeddings()[5]
    similar = pd.Series(made.query(embeddings=vector, k=96).to_frame().set_index("path").similarity)
    names = sorted(set(table.label))
    for arguments, wanted in (
        ({"label": names[3]}, table.label == names[3]),
        ({"label": names[:2]}, table.label.isin(names[:2])),
        ({"where": {"source": table.source[10]}}, table.source == table.source[10]),
        ({"where": {"source": list(table.source[:9]), "label": names[0]}},
         table.source.isin(table.source[:9]) & (table.label == names[0])),
        ({"where": {"path": table.path[4]}}, table.index == 4),
        ({"where": lambda rows: rows.path.str.endswith("3.wav")}, table.path.str.endswith("3.wav")),
        ({"where": {"start_seconds": 0.0}, "label": names[1]}, table.label == names[1]),
    ):  # fmt: skip
        found = paths_of(made.query(embeddings=vector, k=90, **arguments))
        assert found == list(similar[similar.index.isin(table.path[wanted])].index)[:90]
    assert made.query(embeddings=vector, where={"label": names[0], "path": table.path[95]}).hits == ((),)


def test_an_unknown_filter_is_named(made: sa.SearchIndex) -> None:
    vector = made.embeddings()[0]
    for arguments, message in (
        ({"label": "doog"}, r"label: got doog; accepted: bell, "),
        ({"where": {"colour": 1}}, r"where: got colour; accepted: end_seconds, label, path, source, start_seconds"),
        ({"where": lambda rows: rows.path}, r"where: got a callable that returned .*; accepted: 96 truth values"),
        ({"where": lambda rows: np.ones(3, dtype=bool)}, r"returned bool of shape \(3,\)"),
    ):
        with pytest.raises(sa.ParameterError, match=message):
            made.query(embeddings=vector, **arguments)


# ---- Adding and removing


def test_adding_again_adds_what_is_missing(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    clips = synthetic_features.clips
    index = sa.SearchIndex(trained)
    embedded = []
    embed = trained.embed
    index.embedder = _Spy(trained, embedded, embed)
    assert index.add(clips[:30], progress=False) == sa.search.Added(30, 0, 30)
    assert index.add(clips[20:50], progress=False) == sa.search.Added(20, 10, 20)
    assert index.add(clips[:50], progress=False) == sa.search.Added(0, 50, 0)
    assert sum(embedded) == 50
    assert len(index) == 50
    assert index.remove(clips.paths[7]) == 1
    assert index.add(clips[:50], progress=False) == sa.search.Added(1, 49, 1)
    assert sorted(index.to_frame().path) == sorted(clips.paths[:50])


class _Spy:
    """An embedder that writes down how many it is given."""

    def __init__(self, net: sa.SiameseNetwork, embedded: list[int], embed: Any) -> None:
        self._net, self._embedded, self.front_end_, self._embed = net, embedded, net.front_end_, embed

    def fingerprint(self) -> str:
        return self._net.fingerprint()

    def embed(self, features: Any, *, num_threads: int | None = None) -> Any:
        self._embedded.append(len(features))
        return self._embed(features, num_threads=num_threads)


@pytest.mark.parametrize("options", [{}, {"window_seconds": 0.5}])
def test_what_was_committed_stays(
    trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path, options: Any
) -> None:
    """A recording that cannot be read ends the addition, after every third was committed."""
    paths = [*unseen.clips.paths[:8], tmp_path / "gone.wav", *unseen.clips.paths[8:]]
    index = sa.SearchIndex(trained, tmp_path / "s.db", **options)
    with pytest.raises(sa.AudioError, match=r"gone\.wav"):
        index.add(paths, commit_every=3, progress=False)
    for found in (index, sa.SearchIndex.open(tmp_path / "s.db")):
        assert list(dict.fromkeys(found.to_frame().path)) == list(unseen.clips.paths[:6])
    with pytest.warns(UserWarning, match="gone"):
        assert index.add(paths, on_error="skip", progress=False).num_added == 10


def test_a_changed_file_is_replaced(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path) -> None:
    first, second = unseen.clips.paths[0], unseen.clips.paths[-1]
    path = tmp_path / "a.wav"
    shutil.copy(first, path)
    index = sa.SearchIndex(trained)
    index.add(path, progress=False)
    before = index.embeddings()
    shutil.copy(second, path)
    assert index.add(path, progress=False).num_added == 1
    assert len(index) == 1
    assert np.abs(index.embeddings() - before).max() > 1e-3
    relabelled = Clips(paths=[path], class_of_clip=["new"])
    index.add(relabelled, progress=False)
    assert index.to_frame().label.tolist() == ["new"]
    # The features of a file take its place, too; those of no file are what they are.
    features = sa.Features(unseen[:1].array, clips=relabelled, front_end=unseen.front_end)
    index.add(features, progress=False)
    assert len(index) == 1
    for _ in range(2):
        index.add(sa.Features.from_arrays(unseen.array[:2], ["x", "y"]), progress=False)
    index.add(sa.Features.from_arrays(unseen.array[2:4], ["x", "y"]), progress=False)
    assert len(index) == 5


def test_equal_embeddings_are_items_of_their_own() -> None:
    index = sa.SearchIndex(None)
    vectors = np.ones((3, 4))
    columns = {"path": ["same.wav"] * 3, "n": [1, 1, 2]}
    assert index.add(embeddings=vectors, metadata=columns).num_added == 3
    assert index.add(embeddings=vectors, metadata=pd.DataFrame(columns)).num_added == 0
    assert index.add(embeddings=vectors, metadata={"path": ["same.wav"] * 3, "n": [2, 2, 2]}).num_added == 2
    assert index.to_frame()["n"].tolist() == [1, 1, 2, 2, 2]


def test_metadata_of_every_kind_comes_back() -> None:
    index = sa.SearchIndex(None)
    columns = {
        "path": ["a", "b\udcff"], "label": ["犬", None], "start_seconds": [1.5, None], "end_seconds": [2.0, None],
        "n": np.array([1, 2]), "share": [0.5, float("nan")], "ok": [True, False], "text": ["x", None],
    }  # fmt: skip
    index.add(embeddings=np.eye(2), metadata=columns)
    one, two = index.query(embeddings=[1.0, 0.5]).hits[0]
    assert one.metadata == {"n": 1, "share": 0.5, "ok": True, "text": "x"}
    assert (one.label, one.start_seconds, one.end_seconds) == ("犬", 1.5, 2.0)
    assert (two.path, two.label, two.start_seconds, two.metadata["share"]) == ("b\udcff", None, None, None)


def test_removing(made: sa.SearchIndex, trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    index = sa.SearchIndex(trained)
    index.add(synthetic_features.clips[:40], progress=False)
    table = index.to_frame()
    names = sorted(set(table.label))
    vector = index.embeddings()[0]
    assert index.remove(label=names[0]) == 8
    assert index.remove([Path(table.path[9]), table.path[10]]) == 2
    assert index.remove(where=lambda rows: rows.path == table.path[11]) == 1
    assert index.remove(label=names[1], where={"path": table.path[20]}) == 0
    assert len(index) == 29
    left = set(table.path[8:]) - set(table.path[9:12])
    assert set(paths_of(index.query(embeddings=vector, k=29))) == left
    before = index.query(embeddings=vector, k=29)
    index.compact()
    assert index.query(embeddings=vector, k=29).to_dict() == before.to_dict()
    with pytest.raises(sa.ParameterError, match="remove: got nothing; accepted: paths, label or where"):
        index.remove()
    with pytest.raises(sa.ParameterError, match=r"paths: got .*gone\.wav"):
        index.remove("gone.wav")
    with pytest.raises(sa.ParameterError, match=r"k: got 30; accepted: 1 to 29, the items of the index"):
        index.query(embeddings=vector, k=30)


# ---- Windows


def test_a_hit_tells_the_second(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path) -> None:
    """A sound planted in recordings longer than what is read at a time, at two rates."""
    import soundfile

    planted, _ = sa.load(unseen.clips.paths[0])
    rng = np.random.default_rng(0)
    signal = 0.002 * rng.normal(size=16000 * 130).astype(np.float32)
    signal[16000 * 83 + 8000 :][: len(planted)] += planted
    soundfile.write(tmp_path / "slow.wav", signal, 16000, subtype="FLOAT")
    fast = sa.resample(signal, orig_sr=16000, target_sr=22050)
    soundfile.write(tmp_path / "fast.wav", fast, 22050, subtype="FLOAT")
    index = sa.SearchIndex(trained, window_seconds=1.5, hop_seconds=0.5)
    assert index.add(tmp_path, progress=False).num_items == 2 * 258
    result = index.query(unseen.clips.paths[0], k=6)
    assert {(Path(hit.path).name, hit.start_seconds, hit.end_seconds) for hit in result.hits[0][:2]} == {
        ("slow.wav", 83.5, 85.0),
        ("fast.wav", 83.5, 85.0),
    }
    assert result.hits[0][1].similarity > result.hits[0][2].similarity + 1e-3
    times = index.to_frame()[index.to_frame().path.str.endswith("slow.wav")]
    np.testing.assert_allclose(times.start_seconds, np.arange(258) * 0.5)
    # Each window is embedded as if it were a file of its own.
    clip = signal[16000 * 61 : 16000 * 61 + 24000]
    own = trained.embed(unseen.front_end(clip)[None])
    np.testing.assert_allclose(index.embeddings()[258 + 122], own[0], atol=1e-4)


@pytest.mark.parametrize("seconds", [0.05, 0.9, 1.0, 1.01, 1.25, 2.0, 2.3, 59.9, 60.0, 60.4, 61.01])
def test_windows_cover_a_recording(
    trained: sa.SiameseNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """They begin every hop, the last ends with the recording, whatever is read at a time."""
    import soundfile

    from siamaudio.search import windows

    count = round(16000 * seconds)
    signal = 0.1 * np.random.default_rng(1).normal(size=count).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", signal, 16000, subtype="FLOAT")
    starts = list(np.arange(0, max(1, count - 16000 + 1), 8000))
    if count > 16000 and starts[-1] != count - 16000:
        starts.append(count - 16000)
    vectors = []
    for block_seconds in (60.0, 2.2):
        monkeypatch.setattr(windows, "_BLOCK_SECONDS", block_seconds)
        index = sa.SearchIndex(trained, window_seconds=1.0)
        index.add(tmp_path / "a.wav", progress=False)
        table = index.to_frame()
        np.testing.assert_allclose(table.start_seconds, np.array(starts) / 16000)
        np.testing.assert_allclose(table.end_seconds, np.minimum(np.array(starts) + 16000, count) / 16000)
        vectors.append(index.embeddings())
    np.testing.assert_allclose(*vectors, atol=1e-4)
    windowed = [np.pad(signal[start : start + 16000], (0, 24000))[:24000] for start in starts]
    np.testing.assert_allclose(vectors[0], trained.embed(trained.front_end_(np.stack(windowed))), atol=1e-4)
    best = index.query(signal, sr=16000, k=1).hits[0][0]
    assert best.similarity == pytest.approx(1, abs=1e-4)


def test_an_item_counts_by_the_window_it_is_most_like(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    index = sa.SearchIndex(trained, window_seconds=1.5)
    index.add(list(unseen.clips.paths), progress=False)
    joined = np.concatenate([sa.load(path)[0] for path in unseen.clips.paths[:2]])
    hits = index.query(joined, sr=16000, k=4).hits[0]
    assert {hit.path for hit in hits[:2]} == set(unseen.clips.paths[:2])
    assert [hit.similarity for hit in hits[:2]] == pytest.approx([1, 1], abs=1e-4)
    assert len({(hit.path, hit.start_seconds) for hit in hits}) == 4


class _AnyLength:
    """An embedder of spectrograms of any length: the mean of each band."""

    front_end_ = sa.LogMel(sr=16000, n_fft=512, hop_length=256, n_mels=16)

    def fingerprint(self) -> str:
        return "mean of each band"

    def embed(self, features: Any, *, num_threads: int | None = None) -> Any:
        return np.asarray(features, dtype=np.float32).mean(axis=-1)


def test_an_embedder_of_any_length(unseen: sa.Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings are embedded as a whole, each in its own length."""
    import soundfile

    from siamaudio.search import windows

    embedder = _AnyLength()
    lengths = (3000, 16000, 16000, 40000)
    rng = np.random.default_rng(0)
    for number, length in enumerate(lengths):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * rng.normal(size=length), 16000)
    expected = [embedder.embed(embedder.front_end_(sa.load(tmp_path / f"{n}.wav")[0])) for n in range(4)]
    for block_seconds in (60.0, 2.0):
        monkeypatch.setattr(windows, "_BLOCK_SECONDS", block_seconds)
        index = sa.SearchIndex(embedder)
        index.add(tmp_path, progress=False)
        np.testing.assert_allclose(index.embeddings(), expected, rtol=1e-4)
        np.testing.assert_allclose(index.to_frame().end_seconds, np.array(lengths) / 16000)
    assert index.query(tmp_path / "2.wav", k=1).hits[0][0].path.endswith("2.wav")


# ---- What goes wrong


def test_unreadable_recordings(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path) -> None:
    shutil.copy(unseen.clips.paths[0], tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("no sound")
    shutil.copy(unseen.clips.paths[1], tmp_path / "c.wav")
    for options in ({}, {"window_seconds": 1.0}):
        index = sa.SearchIndex(trained, **options)
        with pytest.raises(sa.AudioError, match=r"b\.wav: is not an audio file"):
            index.add(tmp_path, progress=False)
        with pytest.warns(UserWarning, match=r"left out .*(b\.wav: is not an audio file|gone\.wav: no such file)"):
            added = index.add([*sorted(tmp_path.iterdir()), tmp_path / "gone.wav"], on_error="skip", progress=False)
        assert [Path(skip.path).name for skip in added.skipped] == ["b.wav", "gone.wav"]
        assert sorted({Path(path).name for path in index.to_frame().path}) == ["a.wav", "c.wav"]
        with pytest.raises(sa.AudioError, match=r"b\.wav"):
            index.query(tmp_path / "b.wav")


def test_a_recording_that_is_damaged_further_on(trained: sa.SiameseNetwork, tmp_path: Path) -> None:
    """Nothing of it is taken, though its first blocks could be read."""
    import soundfile

    signal = 0.1 * np.random.default_rng(0).normal(size=16000 * 200).astype(np.float32)
    signal[16000 * 150] = np.nan
    soundfile.write(tmp_path / "a.wav", signal, 16000, subtype="FLOAT")
    index = sa.SearchIndex(trained, window_seconds=1.0)
    with pytest.warns(UserWarning, match="values that are not finite"):
        assert index.add(tmp_path, on_error="skip", progress=False).num_added == 0
    assert len(index) == 0


def test_bad_input_is_named(made: sa.SearchIndex, trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    empty = sa.SearchIndex(None)
    plain = sa.SearchIndex(None)
    plain.add(embeddings=np.eye(4))
    nan = np.full((2, 4), np.nan)
    other = {"embeddings": np.eye(3)}
    for call, message in (
        (lambda: plain.add(**other), r"embeddings: got embeddings of 3 numbers; accepted: 4 numbers"),
        (lambda: plain.query(embeddings=np.ones(5)), r"query: got embeddings of 5 numbers; accepted: 4 numbers each"),
        (lambda: plain.add(embeddings=nan), r"embeddings: got NaN or infinite numbers in row 0"),
        (lambda: plain.query(embeddings=nan[0]), r"embeddings: got NaN or infinite numbers"),
        (lambda: plain.query(embeddings=np.ones(4), k=5), r"k: got 5; accepted: 1 to 4, the items of the index"),
        (lambda: plain.query(embeddings=np.ones(4), k=0), r"k: got 0; accepted: 1 to 4"),
        (lambda: empty.query(embeddings=np.ones(4), k=1), r"k: got 1; accepted: nothing: the index is empty"),
        (lambda: plain.query("a.wav"), r"embedder: got None; accepted: one, to embed sounds"),
        (lambda: plain.query(), r"query: got neither; accepted: sounds, or embeddings"),
        (lambda: plain.add(unseen, embeddings=np.eye(4)), r"add: got both; accepted: clips, or embeddings"),
        (lambda: plain.add(embeddings=np.ones(4)), r"embeddings: got shape \(4,\)"),
        (lambda: plain.add(embeddings=np.eye(4), metadata={"n": [1]}), r"1 values of 'n'; accepted: .* 4 items"),
        (lambda: plain.add(embeddings=np.eye(4), metadata={"similarity": [1] * 4}), r"a column 'similarity'"),
        (lambda: plain.add(embeddings=np.eye(4), commit_every=0), "commit_every: got 0"),
        (lambda: made.query(np.zeros(16000)), r"sr: got None; accepted: the sample rate"),
        (lambda: made.query(np.zeros((2, 2, 2, 2, 2))), r"query: got shape \(2, 2, 2, 2, 2\)"),
        (lambda: made.query({"a": 1}), r"query: got an object of type dict"),
        (lambda: made.query(np.zeros((5, 5))), r"features: got shape"),
        (lambda: made.add(unseen, metadata={"label": ["x"] * len(unseen)}), r"a column 'label'"),
        (lambda: made.add(unseen, on_error="ignore"), "on_error: got ignore"),
        (lambda: sa.SearchIndex(None, metric="manhattan"), "metric: got manhattan; accepted: 'cosine', 'euclidean'"),
        (lambda: sa.SearchIndex(None, dtype="float64"), "dtype: got float64"),
        (lambda: sa.SearchIndex(None, backend="annoy"), "backend: got annoy; accepted: 'exact', 'faiss-hnsw'"),
        (lambda: sa.SearchIndex(trained, window_seconds=2.0), r"window_seconds: got 2.0; accepted: at most 1.5"),
        (lambda: sa.SearchIndex(trained, window_seconds=0), "window_seconds: got 0"),
        (lambda: sa.SearchIndex(trained, hop_seconds=1), "hop_seconds: got 1; accepted: None without"),
        (lambda: sa.SearchIndex(trained, window_seconds=1, hop_seconds=1.2), "hop_seconds: got 1.2; accepted: at most"),
        (lambda: sa.search.FaissHNSW(neighbours=1), "neighbours: got 1; accepted: 2 or more"),
    ):  # fmt: skip
        with pytest.raises(sa.ParameterError, match=message):
            call()
    with pytest.raises(sa.DatasetError, match="no audio files found"):
        made.add(Path(__file__).parent / "cpp", progress=False)
    with pytest.raises(sa.AudioError, match=r"gone\.wav: no such file"):
        made.add("gone.wav", progress=False)
    large = sa.SearchIndex(None, metric="inner_product", dtype="float16")
    with pytest.raises(sa.ParameterError, match=r"float16 for values beyond 65504"):
        large.add(embeddings=[[1e6, 0.0]])
    assert len(large) == 0
    assert len(plain) == 4


def test_an_embedder_that_gives_nan_is_told_by_the_recording(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    class Broken(_AnyLength):
        def embed(self, features: Any, *, num_threads: int | None = None) -> Any:
            return super().embed(features) * np.nan

    index = sa.SearchIndex(Broken())
    with pytest.raises(sa.ParameterError, match=r"embeddings: got NaN or infinite numbers for .*\.wav"):
        index.add(unseen.clips.paths[0], progress=False)
    assert len(index) == 0


def test_the_networks_own_distance(unseen: sa.Features) -> None:
    encoder = sa.ConvEncoder(blocks=(), dense=(sa.Dense(units=4),))
    metric_net = sa.SiameseNetwork(encoder, distance="euclidean", head=None, loss="contrastive")
    metric_net.fit(unseen, epochs=1, progress=False)
    assert sa.SearchIndex(metric_net).metric == "euclidean"
    assert sa.SearchIndex(metric_net, metric="cosine").metric == "cosine"
    index = sa.SearchIndex(metric_net)
    index.add(unseen, progress=False)
    metric_net.calibrate(unseen)
    assert sa.SearchIndex(metric_net).metric == "cosine"
    for given in (unseen, list(unseen.clips.paths)):
        with pytest.raises(
            sa.StoreError, match=r"the index holds embeddings by SiameseNetwork .*, and the embedder is"
        ):
            index.add(given, progress=False)


# ---- The result


def test_result_is_shown(made: sa.SearchIndex, synthetic_features: sa.Features) -> None:
    clip = synthetic_features.clips[0]
    result = made.query(clip.path, k=3)
    table = result.to_frame()
    assert list(table.columns) == ["path", "label", "similarity", "start_seconds", "end_seconds", "source"]
    assert table.path[0] == clip.path
    assert repr(result).startswith(f"SearchResult({clip.path}: 3 hits among 96 items; nearest: {clip.class_name} 1.0")
    assert "<table" in result._repr_html_()
    assert result.to_dict()["results"][0]["hits"][0]["label"] == clip.class_name
    two = made.query([clip.path, clip.path], k=2)
    assert two.to_frame()["query"].tolist() == [clip.path] * 4
    assert (len(two), len(list(two))) == (2, 2)
    ax = result.plot()
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([hit.similarity for hit in result.hits[0]])
    assert ax.yaxis_inverted()
    assert clip.class_name in ax.get_yticklabels()[0].get_text()
    with pytest.raises(sa.ParameterError, match="query: got 1; accepted: 0 to 0"):
        result.plot(1)


def test_fingerprint(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path) -> None:
    trained.save(tmp_path / "a.siam")
    loaded = sa.SiameseNetwork.load(tmp_path / "a.siam")
    assert loaded.fingerprint() == trained.fingerprint()
    assert len(loaded.fingerprint()) == 64
    assert loaded.set_params(optimizer__lr=0.5).fingerprint() == trained.fingerprint()
    weights = loaded.weights()
    name = sorted(weights)[0]
    changed = {**weights, name: weights[name] + np.float32(1e-6)}
    assert loaded.set_weights(changed).fingerprint() != trained.fingerprint()
    assert loaded.set_weights(weights).fingerprint() == trained.fingerprint()
    loaded.calibrate(unseen)
    assert loaded.fingerprint() != trained.fingerprint()
    with pytest.raises(sa.TrainingError, match="not trained"):
        sa.SiameseNetwork().fingerprint()


def test_nothing_is_warned_about(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index = sa.SearchIndex(trained)
        index.add(unseen.clips, progress=False)
        index.query(unseen.clips.paths[0])
