"""Exact search beside faiss, and what approximate search gains and loses.

benchmarks/README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness import (
    RESULTS,
    BenchmarkError,
    Contender,
    Report,
    Unit,
    aligned,
    alternate,
    describe_machine,
    watch_other_load,
)

OURS = "siamaudio"
THREADS = 2
K = 10
FEW = 8
TOLERANCE = 1e-4  # of inner products of unit vectors, and of their distances; float32 sums in another order
TARGETS = {("inner_product", "many"): 1.0, ("euclidean", "many"): 1.4, ("inner_product", "one"): 3.0}
TARGETS["euclidean", "one"] = TARGETS["inner_product", "one"]
SEED = 0

# Of the clips that make a large index: items, numbers each, added and made so many at a time.
LARGE = (1_000_000, 128, 50_000)
QUICK_LARGE = (20_000, 32, 5_000)

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def noise(num: int, dim: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return unit vectors without any structure."""
    return unit(rng.standard_normal((num, dim), dtype=np.float32))


class Bunches:
    """Unit vectors as networks make them: bunches, one a class, around a mean, in fewer dimensions than they have."""

    def __init__(self, dim: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.basis = rng.standard_normal((48, dim), dtype=np.float32)
        self.centres = rng.standard_normal((200, 48), dtype=np.float32)
        self.mean = rng.standard_normal(dim, dtype=np.float32) * 4

    def __call__(self, num: int) -> npt.NDArray[np.float32]:
        """Draw some."""
        places = self.centres[self.rng.integers(len(self.centres), size=num)]
        places = places + 0.7 * self.rng.standard_normal(places.shape, dtype=np.float32)
        rest = self.rng.standard_normal((num, self.basis.shape[1]), dtype=np.float32)
        return unit(places @ self.basis + 0.5 * rest + self.mean)


def our_index(vectors: npt.NDArray[np.float32], metric: str, storage: str = "float32") -> Any:
    from siamaudio._engine import core

    index = core.NearestIndex(vectors.shape[1], metric, storage)
    index.add(vectors, num_threads=THREADS)
    return index


def exact(report: Report, items: npt.NDArray[np.float32], queries: npt.NDArray[np.float32], data: str) -> None:
    """Compare with faiss's flat indexes: all queries in a call, few, and one."""
    import faiss

    num, dim = items.shape
    for metric, make in (("inner_product", faiss.IndexFlatIP), ("euclidean", faiss.IndexFlatL2)):
        ours, peer = our_index(items, metric), make(dim)
        peer.add(items)

        def as_similarity(found: Any, is_squared: bool = metric == "euclidean") -> npt.NDArray[np.float64]:
            values = found[0].astype(np.float64)
            return -np.sqrt(np.maximum(values, 0)) if is_squared else values

        for count, name in ((len(queries), "many"), (FEW, "few"), (1, "one")):
            asked = queries[:count]
            report.compare(
                Contender(
                    OURS,
                    lambda ours=ours, asked=asked: ours.search(asked, K, num_threads=THREADS),
                    threads=THREADS,
                    comparable=lambda found: found[1].astype(np.float64),
                ),
                [
                    Contender(
                        f"faiss {make.__name__}",
                        lambda peer=peer, asked=asked: peer.search(asked, K),
                        threads=THREADS,
                        comparable=as_similarity,
                        target=TARGETS.get((metric, name)),
                    )
                ],
                area=f"exact, {metric.replace('_', ' ')}",
                work=f"{count} of {num:,} x {dim}, {data}",
                threads=THREADS,
                unit=Unit("ms", 1e3),
                tolerance=TOLERANCE,
            )
        same = ours.search(queries, K, num_threads=THREADS)[0] == peer.search(queries, K)[1]
        report.extras.setdefault("same_positions", {})[f"{metric}, {data}"] = float(same.mean())


def stores(report: Report, items: npt.NDArray[np.float32], queries: npt.NDArray[np.float32]) -> list[dict[str, Any]]:
    """Time our storages beside each other, and say what rounding costs."""
    indexes = {storage: our_index(items, "inner_product", storage) for storage in ("float32", "float16", "int8")}
    truth = indexes["float32"].search(queries, K)[0]
    points = []
    for storage, index in indexes.items():
        times = [
            alternate(
                [Contender(storage, lambda index=index, asked=asked: index.search(asked, K, num_threads=THREADS))],
                rounds=report.rounds,
                min_seconds=report.min_seconds,
            )[0]
            for asked in (queries, queries[:1])
        ]
        points.append(
            {
                "storage": storage,
                "bytes_per_vector": index.num_bytes / len(index),
                "recall": recall(index.search(queries, K)[0], truth),
                "seconds_of_all": times[0],
                "seconds_of_one": times[1],
            }
        )
    return points


def recall(found: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> float:
    """Return the share of the true neighbours that were found."""
    return float(np.mean([len(set(row) & set(true)) / len(true) for row, true in zip(found, truth, strict=True)]))


def approximate(
    report: Report, items: npt.NDArray[np.float32], queries: npt.NDArray[np.float32], folder: Path
) -> list[dict[str, Any]]:
    """Time approximate indexes and Milvus beside our exact search, and count what they find of the truth."""
    ours = our_index(items, "inner_product")
    truth = ours.search(queries, K)[0]
    points = []
    for name, seconds, search in approximate_indexes(items, folder, report):
        report.compare(
            Contender(OURS, lambda: ours.search(queries, K, num_threads=THREADS), threads=THREADS),
            [Contender(name, lambda search=search: search(queries), threads=THREADS)],
            area="approximate",
            work=f"{len(queries)} of {len(items):,} x {items.shape[1]}",
            threads=THREADS,
            unit=Unit("ms", 1e3),
            tolerance=None,
        )
        row = report.rows[-1]
        points.append(
            {
                "index": name,
                "build_seconds": seconds,
                "recall": recall(search(queries), truth),
                "seconds": statistics.median(row.peer_seconds),
            }
        )
    return points


def best_blas_kernels() -> str | None:
    """Return the OpenBLAS kernels that suit this processor.

    The OpenBLAS inside faiss is older than the newest processors, and takes its plainest kernels for those that it does
    not know: the peer would be four times as slow as it can be.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return None
    return "SkylakeX" if " avx512bw " in flags else "Haswell" if " avx2 " in flags else None


Search = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.int64]]


def approximate_indexes(
    items: npt.NDArray[np.float32], folder: Path, report: Report
) -> Iterator[tuple[str, float, Search]]:
    """Build one after the other: its name, the seconds that took, and how to search it."""
    import faiss

    faiss.omp_set_num_threads(THREADS)
    num, dim = items.shape
    start = time.perf_counter()
    graph = faiss.IndexHNSWFlat(dim, 32, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 80
    graph.add(items)
    seconds = time.perf_counter() - start
    for effort in (16, 64, 256):
        graph.hnsw.efSearch = effort
        yield f"faiss HNSW, efSearch {effort}", seconds, lambda queries, graph=graph: graph.search(queries, K)[1]
    del graph

    start = time.perf_counter()
    lists = max(16, int(4 * num**0.5))
    quantiser = faiss.IndexFlatIP(dim)
    cells = faiss.IndexIVFPQ(quantiser, dim, lists, dim // 8, 8, faiss.METRIC_INNER_PRODUCT)
    cells.train(items[: 64 * lists])
    cells.add(items)
    seconds = time.perf_counter() - start
    for probes in (8, 32):
        cells.nprobe = probes
        yield (
            f"faiss IVF-PQ, {probes} of {lists} lists",
            seconds,
            lambda queries, cells=cells: cells.search(queries, K)[1],
        )
    del cells

    if importlib.util.find_spec("pymilvus") is None or importlib.util.find_spec("milvus_lite") is None:
        report.skipped["Milvus"] = "pymilvus or milvus-lite is not installed"
        return
    yield from milvus(items, folder)


def milvus(items: npt.NDArray[np.float32], folder: Path) -> Iterator[tuple[str, float, Search]]:
    """Build a collection in an embedded Milvus."""
    from pymilvus import DataType, MilvusClient

    start = time.perf_counter()
    client = MilvusClient(str(folder / "search.db"))
    try:
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=items.shape[1])
        kind = client.prepare_index_params()
        kind.add_index("vector", index_type="FLAT", metric_type="IP")
        client.create_collection("clips", schema=schema, index_params=kind)
        for first in range(0, len(items), 5000):
            rows = [{"id": first + i, "vector": row} for i, row in enumerate(items[first : first + 5000])]
            client.insert("clips", rows)
        client.load_collection("clips")

        def search(queries: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
            found = client.search("clips", data=list(queries), limit=K)
            return np.array([[hit["id"] for hit in hits] for hits in found], dtype=np.int64)

        search(items[:1])
        yield "Milvus, embedded, FLAT", time.perf_counter() - start, search
    finally:
        client.close()


def large(num: int, dim: int, block: int, storage: str, rounds: int) -> dict[str, Any]:
    """Make a large index in this process, block by block, and say what it took."""
    from siamaudio._engine import core

    make = Bunches(dim, np.random.default_rng(SEED))
    queries = make(256)
    index = core.NearestIndex(dim, "inner_product", storage)
    warm = core.NearestIndex(dim, "inner_product", storage)
    warm.add(make(block), num_threads=THREADS)
    warm.search(queries, K, num_threads=THREADS)
    del warm
    loaded = resident()
    adding = 0.0
    for _ in range(num // block):
        vectors = make(block)
        start = time.perf_counter()
        index.add(vectors, num_threads=THREADS)
        adding += time.perf_counter() - start
    del vectors
    filled = resident()
    many, one = (
        alternate(
            [Contender(OURS, lambda asked=asked: index.search(asked, K, num_threads=THREADS))],
            rounds=rounds,
            min_seconds=0.0,
        )[0]
        for asked in (queries, queries[:1])
    )
    return {
        "storage": storage,
        "items": num,
        "dim": dim,
        "vector_bytes": num * dim * 4,
        "index_bytes": index.num_bytes,
        "loaded_bytes": loaded,
        "filled_bytes": filled,
        "peak_bytes": resident("VmHWM"),
        "seconds_of_adding": adding,
        "seconds_of_256": many,
        "seconds_of_one": one,
    }


def resident(which: str = "VmRSS") -> int:
    """Return the bytes that this process has resident now, or "VmHWM": the most that it had.

    The system's own count of the most, in getrusage, starts with what the parent process had.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{which}:")[1].split()[0]) * 1024


def in_its_own_process(num: int, dim: int, block: int, storage: str, rounds: int) -> dict[str, Any]:
    arguments = [str(value) for value in (num, dim, block, storage, rounds)]
    done = subprocess.run(
        [sys.executable, __file__, "--large", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"the large index failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def print_stores(points: list[dict[str, Any]]) -> None:
    heading = ("our storages", "bytes/vector", "recall", "all queries, ms", "one query, ms")
    lines: list[tuple[str, ...]] = [heading]
    for point in points:
        times = [f"{1e3 * statistics.median(point[name]):.2f}" for name in ("seconds_of_all", "seconds_of_one")]
        lines.append((point["storage"], f"{point['bytes_per_vector']:,.0f}", f"{point['recall']:.1%}", *times))
    print("\n" + aligned(lines, right=range(1, len(heading))))


def print_approximate(points: list[dict[str, Any]]) -> None:
    heading = ("approximate", "recall", "ms", "built in, s")
    lines: list[tuple[str, ...]] = [heading]
    for point in points:
        lines.append(
            (point["index"], f"{point['recall']:.1%}", f"{1e3 * point['seconds']:.1f}", f"{point['build_seconds']:.1f}")
        )
    print("\n" + aligned(lines, right=range(1, len(heading))))


def print_large(points: list[dict[str, Any]]) -> None:
    heading = ("large index", "items", "vectors, MB", "index, MB", "peak, MB", "adding, s", "256, ms", "one, ms")
    lines: list[tuple[str, ...]] = [heading]
    for point in points:
        sizes = [f"{point[name] / 1e6:,.0f}" for name in ("vector_bytes", "index_bytes", "peak_bytes")]
        times = [f"{1e3 * statistics.median(point[name]):.2f}" for name in ("seconds_of_256", "seconds_of_one")]
        what = f"{point['items']:,} x {point['dim']}"
        lines.append((point["storage"], what, *sizes, f"{point['seconds_of_adding']:.2f}", *times))
    print("\n" + aligned(lines, right=range(1, len(heading))))


def run(options: argparse.Namespace) -> None:
    quick = options.quick
    num, dim, count, rounds = (3000, 32, 16, 2) if quick else (100_000, 512, 256, options.rounds)
    settings = {"quick": quick, "items": num, "dim": dim, "queries": count, "k": K, "few": FEW}
    packages = ["numpy", "faiss-cpu", "torch", "threadpoolctl"]
    for name in ("pymilvus", "milvus-lite"):
        if importlib.util.find_spec(name.replace("-", "_")) is not None:
            packages.append(name)
    import faiss  # noqa: F401  so that its BLAS shows

    import siamaudio._engine  # noqa: F401

    report = Report("search", rounds, 0.0 if quick else 0.02, settings, describe_machine(packages))
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder, watch_other_load() as load:
        items, queries = noise(num, dim, rng), noise(count, dim, rng)
        exact(report, items, queries, "noise")
        make = Bunches(dim, rng)
        items, queries = make(num), make(count)
        exact(report, items, queries, "bunches")
        report.extras["storages"] = stores(report, items, queries)
        report.extras["approximate"] = approximate(report, items, queries, Path(folder))
        del items
        report.extras["large"] = [
            in_its_own_process(*(QUICK_LARGE if quick else LARGE), storage, rounds)
            for storage in ("float32", "float16", "int8")
        ]
    report.environment |= load
    report.write(options.out or RESULTS / ("search-quick.json" if quick else "search.json"))
    print(report)
    print_stores(report.extras["storages"])
    print_approximate(report.extras["approximate"])
    print_large(report.extras["large"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few short vectors: shows that it runs")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument("--out", type=Path, help="JSON file (default: results/search.json)")
    parser.add_argument("--large", nargs=5, metavar="X", help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.large:
        num, dim, block, storage, rounds = options.large
        print(json.dumps(large(int(num), int(dim), int(block), storage, int(rounds))))
        return
    if "OPENBLAS_CORETYPE" not in os.environ and (kernels := best_blas_kernels()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"OPENBLAS_CORETYPE": kernels})
    try:
        run(options)
    except BenchmarkError as error:
        sys.exit(f"bench_search: {error}")
    except ImportError as error:
        sys.exit(f'bench_search: {error}: `pip install "siamaudio[search]"`')


if __name__ == "__main__":
    main()
