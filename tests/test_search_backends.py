"""faiss and Milvus behind a search index: the collection is the truth, and exact search the oracle."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import siamaudio as sa
from siamaudio.search import adding, faiss_engine

DIM = 16
SMALL_LISTS = sa.search.FaissIVFPQ(lists=32)


@pytest.fixture(scope="module")
def clusters() -> tuple[Any, Any]:
    """4,800 items in clusters, and queries near some of them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, DIM))
    items = np.repeat(centres, 80, axis=0) + 0.35 * rng.normal(size=(4800, DIM))
    queries = centres[:30] + 0.35 * rng.normal(size=(30, DIM))
    return rng.permutation(items).astype(np.float32), queries.astype(np.float32)


@pytest.fixture(autouse=True)
def _trained_on_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that 1,024 items are enough for lists of codes, though faiss warns on stderr."""
    monkeypatch.setattr(faiss_engine, "_TRAINED_PER_CENTROID", 4)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Pymilvus logs at every opening."""
    logger = logging.getLogger("pymilvus")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)


def needs(backend: Any) -> None:
    name = backend if isinstance(backend, str) else backend.name
    for module in ("pymilvus", "milvus_lite") if name == "milvus" else ("faiss",):
        pytest.importorskip(module, reason=f"{module} is absent: the backend {name} is not tried")


def fill(index: sa.SearchIndex, items: Any) -> sa.search.Added:
    names = {"path": [f"{i}.wav" for i in range(len(items))], "label": [f"c{i % 100}" for i in range(len(items))]}
    return index.add(embeddings=items, metadata=names, commit_every=5000)


def found(index: sa.SearchIndex, queries: Any, k: int = 10, **filters: Any) -> list[set[str]]:
    return [{hit.path for hit in hits} for hits in index.query(embeddings=queries, k=k, **filters).hits]


def recall(some: list[set[str]], of_all: list[set[str]]) -> float:
    return float(np.mean([len(own & other) / len(other) for own, other in zip(some, of_all, strict=True)]))


@pytest.fixture(scope="module", params=["cosine", "euclidean", "inner_product"])
def exact(request: pytest.FixtureRequest, clusters: tuple[Any, Any]) -> sa.SearchIndex:
    index = sa.SearchIndex(None, metric=request.param)
    fill(index, clusters[0])
    return index


@pytest.mark.parametrize("backend", ["faiss-hnsw", SMALL_LISTS])
def test_faiss_finds_what_is_nearest(exact: sa.SearchIndex, clusters: tuple[Any, Any], backend: Any) -> None:
    needs(backend)
    items, queries = clusters
    index = sa.SearchIndex(None, metric=exact.metric, backend=backend)
    fill(index, items)
    expected = exact.query(embeddings=queries, k=10)
    result = index.query(embeddings=queries, k=10)
    least = 0.9 if exact.metric != "inner_product" else 0.6  # for which neither structure is made
    assert recall(found(index, queries), found(exact, queries)) >= least
    # Similarities are those of exact search, in falling order.
    known = {hit.path: hit.similarity for hit in exact.query(embeddings=queries[:1], k=4800).hits[0]}
    assert [hit.similarity for hit in result.hits[0]] == [known[hit.path] for hit in result.hits[0]]
    assert all(np.diff([hit.similarity for hit in hits]).max() <= 0 for hits in result.hits)
    assert expected.num_items == result.num_items == 4800


@pytest.mark.parametrize("backend", ["faiss-hnsw", SMALL_LISTS, "milvus"])
def test_filters_never_find_too_few(clusters: tuple[Any, Any], tmp_path: Path, backend: Any) -> None:
    """Of a rare class, of half of all, of nearly all, and after removals."""
    needs(backend)
    items, queries = clusters[0][:4000], clusters[1][:5]
    exact = sa.SearchIndex(None)
    fill(exact, items)
    with sa.SearchIndex(None, tmp_path / "s.db", backend=backend) as index:
        fill(index, items)
        for filters in (
            {"label": "c7"},
            {"label": [f"c{i}" for i in range(60)]},
            {"where": lambda rows: rows.label != "c1"},
        ):
            for k in (1, 10, 30):
                own, expected = found(index, queries, k, **filters), found(exact, queries, k, **filters)
                assert [len(hits) for hits in own] == [k] * 5
                assert recall(own, expected) >= 0.9
        nearest = sorted(set.union(*found(exact, queries, 50)))
        for changed in (index, exact):
            changed.remove(nearest)
        own = found(index, queries, 40)
        assert not any(hits & set(nearest) for hits in own)
        assert recall(own, found(exact, queries, 40)) >= 0.9
        assert [len(hits) for hits in found(index, queries[:1], len(index))] == [len(index)]


@pytest.mark.parametrize("backend", ["faiss-hnsw", SMALL_LISTS, "milvus"])
def test_a_copy_that_is_behind_is_mended(clusters: tuple[Any, Any], tmp_path: Path, backend: Any) -> None:
    """The collection is changed by an index that searches exactly; the backend's copy follows at the next opening."""
    needs(backend)
    items, queries = clusters[0][:2600], clusters[1][:4]
    path = tmp_path / "s.db"
    with sa.SearchIndex(None, path, backend=backend) as index:
        fill(index, items[:1500])
    other = sa.SearchIndex.open(path, backend="exact")
    fill(other, items)
    other.remove([f"{i}.wav" for i in range(100, 300)])
    expected = found(other, queries)
    with sa.SearchIndex.open(path, backend=backend) as index:
        assert recall(found(index, queries), expected) >= 0.9
    other.compact()
    with sa.SearchIndex.open(path, backend=backend) as index:
        assert recall(found(index, queries), expected) >= 0.9
        assert fill(index, items).num_added == 200  # and from now on it is the index's backend
    reopened = sa.SearchIndex.open(path)
    assert reopened.backend == sa.search.options.registry.parse(backend)
    assert len(reopened) == 2600
    reopened.close()


def test_a_damaged_faiss_file_is_made_anew(clusters: tuple[Any, Any], tmp_path: Path) -> None:
    needs("faiss-hnsw")
    items, queries = clusters[0][:500], clusters[1][:4]
    path = tmp_path / "s.db"
    index = sa.SearchIndex(None, path, backend="faiss-hnsw")
    fill(index, items)
    expected = index.query(embeddings=queries).to_dict()
    whole = (path / "faiss.index").read_bytes()
    for damaged in (b"", b"junk", whole[:-1], whole[:1000] + b"x" + whole[1001:], None):
        if damaged is None:
            (path / "faiss.index").unlink()
        else:
            (path / "faiss.index").write_bytes(damaged)
        assert sa.SearchIndex.open(path).query(embeddings=queries).to_dict() == expected
        assert (path / "faiss.index").read_bytes() == whole
    # Another index's file is not taken for this one's.
    other = sa.SearchIndex(None, tmp_path / "o.db", backend="faiss-hnsw")
    fill(other, -items)
    (tmp_path / "o.db" / "faiss.index").write_bytes(whole)
    best = sa.SearchIndex.open(tmp_path / "o.db").query(embeddings=-items[:1], k=1).hits[0][0]
    assert best.similarity == pytest.approx(1)


def test_few_items_are_searched_exactly_until_codes_can_be_trained(clusters: tuple[Any, Any]) -> None:
    needs(SMALL_LISTS)
    items, queries = clusters
    index = sa.SearchIndex(None, backend=sa.search.FaissIVFPQ(probes=1))
    exact = sa.SearchIndex(None)
    for some in (index, exact):
        fill(some, items[:1023])
    assert index.query(embeddings=queries).to_dict() == exact.query(embeddings=queries).to_dict()
    for some in (index, exact):
        fill(some, items)
    assert 0.1 < recall(found(index, queries), found(exact, queries)) < 1
    with pytest.raises(sa.ParameterError, match=r"code_bytes: got 5; accepted: a divisor of the embeddings' 16 num"):
        fill(sa.SearchIndex(None, backend=sa.search.FaissIVFPQ(code_bytes=5)), items)


def test_milvus_is_told_of_everything(tmp_path: Path) -> None:
    needs("milvus")
    from pymilvus import MilvusClient

    path = tmp_path / "s.db"
    vectors = np.random.default_rng(0).normal(size=(30, DIM)).astype(np.float32)
    with sa.SearchIndex(None, path, backend="milvus", metric="euclidean") as index:
        fill(index, vectors)
        index.remove("3.wav")
        expected = index.query(embeddings=vectors[5], k=29).to_dict()
        plain = sa.SearchIndex.open(path, backend="exact")
        assert plain.query(embeddings=vectors[5], k=29).to_dict() == expected
    client = MilvusClient(str(path / "milvus.db"))
    (name,) = client.list_collections()
    rows = client.query(name, filter="id >= 0", output_fields=["path", "label"], limit=100)
    assert {row["path"]: row["label"] for row in rows} == {f"{i}.wav": f"c{i}" for i in range(30) if i != 3}
    # Whatever happens to the mirror, the collection mends it.
    client.delete(name, ids=[7, 8])
    client.insert(name, [{"id": 77, "vector": vectors[5], "path": "strange", "label": ""}])
    client.close()
    with sa.SearchIndex.open(path) as index:
        assert index.query(embeddings=vectors[5], k=29).to_dict() == expected
    client = MilvusClient(str(path / "milvus.db"))
    client.drop_collection(name)
    client.close()
    with sa.SearchIndex.open(path) as index:
        assert index.query(embeddings=vectors[5], k=29).to_dict() == expected


def test_what_milvus_was_not_sent_yet_is_found(tmp_path: Path) -> None:
    """After an addition that was broken off: what was committed counts."""
    needs("milvus")
    vectors = np.random.default_rng(0).normal(size=(30, DIM)).astype(np.float32)
    with sa.SearchIndex(None, tmp_path / "s.db", backend="milvus") as index:
        fill(index, vectors[:10])
        broken = np.concatenate([vectors[:25], np.ones((1, DIM), dtype=np.float32)])

        def put(self: Any, addition: Any, put: Any = adding.Committer.put) -> None:
            if addition.recording.path == "25.wav":
                raise KeyboardInterrupt
            put(self, addition)

        names = {"path": [f"{i}.wav" for i in range(26)]}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(adding.Committer, "put", put)
            with pytest.raises(KeyboardInterrupt):
                index.add(embeddings=broken, metadata=names, commit_every=4)
        assert len(index) == 34  # with other labels than before they are items of their own
        for k in (1, 34):
            hits = index.query(embeddings=vectors[20], k=k).hits[0]
            assert (len(hits), hits[0].path) == (k, "20.wav")
            assert len({hit.similarity for hit in hits if hit.path == "20.wav"}) == 1
        fill(index, vectors)
        assert len(found(index, vectors[:1], len(index))[0]) == 30


@pytest.fixture
def milvus_server(tmp_path: Path) -> Iterator[str]:
    """The address of a Milvus that another process serves on loopback."""
    needs("milvus")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "milvus_lite", "server", "--data-dir", tmp_path / "served"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if server.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert server.poll() is None, (tmp_path / "server.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def test_a_milvus_server_serves_two_indexes(milvus_server: str, clusters: tuple[Any, Any], tmp_path: Path) -> None:
    """Over the network: additions, removals, filters and reopening, beside exact search in memory."""
    items, queries = clusters[0][:1500], clusters[1][:5]
    backend = sa.search.Milvus(uri=milvus_server)
    plain = sa.SearchIndex(None, metric="euclidean")
    fill(plain, items)
    with sa.SearchIndex(None, tmp_path / "a.db", metric="euclidean", backend=backend) as index:
        fill(index, items)
        assert not (tmp_path / "a.db" / "milvus.db").exists()
        with sa.SearchIndex(None, tmp_path / "b.db", backend=backend) as other:
            fill(other, -items[:10])
            assert len(found(other, queries, 10)[0]) == 10
        nearest = sorted(set.union(*found(plain, queries, 3)))
        for changed in (index, plain):
            changed.remove(nearest)
    with sa.SearchIndex.open(tmp_path / "a.db") as index:
        assert index.backend == backend
        assert recall(found(index, queries), found(plain, queries)) >= 0.9
        assert recall(found(index, queries, label="c7"), found(plain, queries, label="c7")) == 1
        known = {hit.path: hit.similarity for hit in plain.query(embeddings=queries[:1], k=len(plain)).hits[0]}
        hits = index.query(embeddings=queries[:1]).hits[0]
        assert [hit.similarity for hit in hits] == [known[hit.path] for hit in hits]


def test_what_milvus_cannot_do(tmp_path: Path) -> None:
    needs("milvus")
    with pytest.raises(sa.ParameterError, match="path: got None; accepted: a folder"):
        sa.SearchIndex(None, backend="milvus")
    away = sa.search.Milvus(uri="http://127.0.0.1:9", token="secret")
    assert "secret" not in repr(away)
    with pytest.raises(sa.StoreError, match=r"Milvus failed for .*s\.db"):
        sa.SearchIndex(None, tmp_path / "s.db", backend=away)
    assert "secret" not in (tmp_path / "s.db" / "index.json").read_text()
    index = sa.SearchIndex.open(tmp_path / "s.db", backend="exact")
    index.add(embeddings=np.eye(3))
    assert len(sa.SearchIndex.open(tmp_path / "s.db")) == 3


@pytest.mark.parametrize(
    ("backend", "module"), [("faiss-hnsw", "faiss"), ("milvus", "pymilvus"), ("milvus", "milvus_lite")]
)
def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Any, module: str) -> None:
    if module == "milvus_lite":
        pytest.importorskip("pymilvus")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'ilvus needs {module}: `pip install "siamaudio\[search\]"`|needs faiss'):
        sa.SearchIndex(None, tmp_path / "s.db", backend=backend)
