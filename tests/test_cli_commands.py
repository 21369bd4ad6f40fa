"""The commands around training and measuring do what their functions do in Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli_cases
import siamaudio as sa
from siamaudio import cli

pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory, trained: sa.SiameseNetwork, synthetic_features: sa.Features
) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    cli_cases.make_files(folder, trained, synthetic_features)
    return folder


@pytest.fixture(autouse=True)
def there(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def run_command(*arguments: object) -> str:
        with pytest.raises(SystemExit) as caught:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert caught.value.code == 0, printed.err
        return printed.out

    return run_command


@pytest.fixture
def net(files: Path) -> sa.SiameseNetwork:
    return sa.SiameseNetwork.load(files / "net.siam")


@pytest.fixture
def data(files: Path) -> sa.Features:
    return sa.Features.load(files / "f.zarr")


def test_calibrate(run, net: sa.SiameseNetwork, data: sa.Features) -> None:
    said = run("calibrate", "net.siam", "f.zarr", "-o", "c.siam", "--power", 1, "--shifts", "0,0", "-1,2")
    assert said == "c.siam: calibrated on 64 clips of 8 classes\n"
    net.calibrate(data.select_classes(net.train_classes_), power=1.0, shifts=[(0, 0), (-1, 2)])
    np.testing.assert_array_equal(sa.SiameseNetwork.load("c.siam").embed(data), net.embed(data))


def test_embed(run, net: sa.SiameseNetwork, data: sa.Features) -> None:
    vectors = net.embed(data)
    for suffix in ("npy", "npz", "parquet", "zarr"):
        assert run("embed", "net.siam", "f.zarr", "-o", f"v.{suffix}") == f"v.{suffix}: 96 vectors of 32 numbers\n"
    np.testing.assert_array_equal(np.load("v.npy"), vectors)
    arrays = np.load("v.npz")
    np.testing.assert_array_equal(arrays["embeddings"], vectors)
    table = pd.read_parquet("v.parquet")
    np.testing.assert_array_equal(np.stack(table["embedding"].tolist()), vectors)
    kept = sa.Features.load("v.zarr")
    np.testing.assert_array_equal(kept.array[:, 0], vectors)
    classes = [data.class_names[label] for label in data.labels]
    assert table["class"].tolist() == arrays["class_name"].tolist() == classes
    assert (kept.sources, table["source"].tolist()) == (data.sources, list(data.sources))


def test_embedding_map(run, data: sa.Features) -> None:
    names = data.class_names[:3]
    arguments = ("embedding-map", "net.siam", "f.zarr", "-o", "m.html", "--method", "pca", "--classes", *names)
    assert run(*arguments, "--title", "All of them") == "m.html: a map of 24 clips of 3 classes\n"
    page = Path("m.html").read_text(encoding="utf-8")
    assert "All of them" in page
    assert all(name in page for name in names)
    assert len(json.loads(run(*arguments, "--no-sounds", "--no-thumbnails", "--json"))["clips"]) == 24
    assert Path("m.html").stat().st_size < len(page) / 2


def test_embedding_report(run, net: sa.SiameseNetwork, data: sa.Features) -> None:
    train, test = data.select_classes(data.class_names[:3]), data.select_classes(data.class_names[:3])
    train.save("train.zarr")
    expected = sa.embedding_report(net, train, test, classifiers=["knn", "svm_linear"], neighbours=[1, 3], maps=False)
    arguments = ("embedding-report", "net.siam", "train.zarr", "train.zarr", "--classifiers", "knn", "svm_linear",
                 "--neighbours", 1, 3, "--no-maps")  # fmt: skip
    assert sa.EmbeddingReport.from_json(run(*arguments, "--json")).to_frame().equals(expected.to_frame())
    assert run(*arguments).startswith(str(expected))


def test_evaluate_retrieval(run, net: sa.SiameseNetwork, data: sa.Features) -> None:
    unseen = data.select_classes(net.split_.test) if net.split_ else data
    names = [name for name in data.class_names if name not in {*net.train_classes_, *net.validation_classes_}]
    unseen = data.select_classes(names)
    kinds = {names[0]: "one", names[1]: "other"}
    Path("kinds.json").write_text(json.dumps(kinds))
    expected = sa.evaluate_retrieval(net, unseen, superclasses=kinds, k=[1, 2], policy="source-disjoint")
    arguments = ("evaluate-retrieval", "net.siam", "f.zarr", "--superclasses", "kinds.json", "-k", 1, 2,
                 "--policy", "source-disjoint")  # fmt: skip
    assert json.loads(run(*arguments, "--json")) == json.loads(expected.to_json())
    assert f"{expected.accuracy:.1%}" in run(*arguments)


def test_linear_separability(run, net: sa.SiameseNetwork, data: sa.Features) -> None:
    names = data.class_names[:3]
    clips = data.select_classes(names)
    expected = sa.evaluation.linear_separability(
        net.embed(clips), [clips.class_names[label] for label in clips.labels], folds=4, pca=5, c=0.5
    )
    arguments = ("linear-separability", "net.siam", "f.zarr", "--classes", *names, "--folds", 4, "--pca", 5, "--c", 0.5)
    assert json.loads(run(*arguments, "--json"))["accuracy"] == expected.accuracy
    assert f"{expected.accuracy['linear_svm']:.1%}" in run(*arguments)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_export_and_import_again(run, net: sa.SiameseNetwork, data: sa.Features, suffix: str) -> None:
    assert run("export", "net.siam", "-o", f"out/e{suffix}").startswith(f"out/e{suffix}: the siamese of net.siam, ")
    run("import-keras", f"out/e{suffix}", "-o", "again.siam", "--distance", net.distance, "--features", "f.zarr")
    again = sa.SiameseNetwork.load("again.siam")
    np.testing.assert_allclose(again.embed(data), net.embed(data), atol=1e-6)
    assert again.front_end_ == data.front_end
    assert run("classify", "again.siam", "--supports", "supports", "query.wav").startswith("query.wav: ")


@pytest.mark.slow
def test_export_for_onnx_and_torch(run, net: sa.SiameseNetwork, data: sa.Features) -> None:
    import torch

    run("export", "net.siam", "-o", "net.pt")
    module = sa.interop.to_torch(sa.SiameseNetwork(net.encoder).build(net.input_shape_))
    module.load_state_dict(torch.load("net.pt", weights_only=True))
    with torch.no_grad():
        np.testing.assert_allclose(module.embed(torch.from_numpy(data.array[:4])), net.embed(data[:4]), atol=1e-4)
    onnxruntime = pytest.importorskip("onnxruntime")
    run("export", "net.siam", "-o", "net.onnx", "--part", "encoder")
    (embedded,) = onnxruntime.InferenceSession("net.onnx").run(None, {"spectrograms": data.array[:4]})
    np.testing.assert_allclose(embedded, net.embed(data[:4]), atol=1e-4)


def test_synthetic(run) -> None:
    arguments = ("synthetic", "-o", "sounds", "--num-classes", 2, "--clips-per-class", 3, "--seed", 5)
    assert run(*arguments, "--duration", 0.5) == "sounds: 6 clips of 2 classes\n"
    assert sa.info(str(next(Path("sounds").rglob("*.wav")))).frames == 8000
    assert len(sa.datasets.folder("sounds")) == 6


def test_split_by_each(run, data: sa.Features, files: Path) -> None:
    made: dict[str, Any] = {
        "--by classes --train 6 --validation 2 --test 3 --seed 4": data.split_classes(6, 2, 3, seed=4)[0],
        "--by clips --train 3 --test 2 --seed 1": data.split(sa.split_clips(data.clips, 3, 0, 2, seed=1))[0],
        "--by sources --test 0.25": data.split(sa.split_sources(data.clips, test=0.25, seed=0))[0],
        "--by folds --train 0": data,
    }
    for options, train in made.items():
        said = json.loads(run("split", "f.zarr", "-o", "s.json", *options.split(), "--json"))
        assert data.split(sa.load_split("s.json"))[0].clips.paths == train.clips.paths
        assert said["clips"][0] == len(train)
    run("split", "f.zarr", "-o", "s.json", "--train", 4, "--validation", 2, "--seed", 3)
    planned = json.loads(
        run("train", "f.zarr", "-o", "n.siam", "--preset", "modern", "--split", "s.json", "--dry-run", "--json")
    )
    assert planned["split"] == sa.load_split("s.json").to_dict()


def test_recordings_out_of_an_index(run) -> None:
    run("index", "data", "-o", "s.db", "--model", "net.siam")
    with sa.SearchIndex.open("s.db") as index:
        table = index.to_frame()
    label = table["label"][0]
    assert run("index-remove", "s.db", "--label", label, "--dry-run") == "s.db: 2 items would be removed, 2 left\n"
    path = table["path"][table["label"] == label].iloc[0]
    assert run("index-remove", "s.db", path, "--dry-run") == "s.db: 1 items would be removed, 3 left\n"
    assert run("index-remove", "s.db", path) == "s.db: 1 items removed, 3 left\n"
    assert run("index-remove", "s.db", "--label", label, "--compact") == "s.db: 1 items removed, 2 left\n"
    with sa.SearchIndex.open("s.db") as index:
        assert label not in set(index.to_frame()["label"])


def test_a_plan_of_an_index_counts_what_is_new(run) -> None:
    shutil.copytree("data", "more")
    run("index", "more", "-o", "t.db", "--model", "net.siam")
    shutil.copytree("data", "more/again")
    assert (
        run("index", "more", "-o", "t.db", "--dry-run") == "t.db: would hold 4 more recordings, 4 are there already\n"
    )
    assert json.loads(run("index", "more", "-o", "t.db", "--json"))["added"] == 4


def test_an_autoencoder_embeds_where_a_network_does(run, data: sa.Features) -> None:
    arguments = ("train-autoencoder", "f.zarr", "-o", "v.siam", "--latent-dim", 4, "--filters", 4, 8, "--epochs", 1)
    assert run(*arguments, "--split", "8/2/2").startswith("v.siam: trained on 64 clips, epoch 1 of 1 kept, loss ")
    vae = sa.VariationalAutoencoder.load("v.siam")
    assert vae.history_["validation_loss"][0] > 0
    run("train-autoencoder", "f.zarr", "-o", "w.siam", "--warm-start", "v.siam", "--epochs", 1, "--seed", 1)
    assert sa.VariationalAutoencoder.load("w.siam").latent_dim == 4
    run("embed", "v.siam", "f.zarr", "-o", "v.npy")
    np.testing.assert_array_equal(np.load("v.npy"), vae.embed(data))
    assert run("classify", "v.siam", "--supports", "supports", "query.wav").startswith("query.wav: ")
    run("index", "data", "-o", "v.db", "--model", "v.siam")
    assert run("search", "v.db", "query.wav", "-k", 1).startswith("query.wav\n")


def test_a_training_goes_on_from_another(run) -> None:
    small = ("--split", "8/2/2", "--epochs", 1, "--steps-per-epoch", 1)
    run("train", "f.zarr", "-o", "a.siam", *small, "--warm-start", "net.siam", "--set", "optimizer.lr=1e-9")
    before, after = (sa.SiameseNetwork.load(name) for name in ("net.siam", "a.siam"))
    assert after.optimizer.lr == 1e-9
    for name, weight in after.weights().items():
        if name.endswith("kernel"):
            np.testing.assert_allclose(weight, before.weights()[name], atol=1e-6)


def test_classes_of_the_model_itself(run, synthetic_features: sa.Features) -> None:
    train = synthetic_features.select_classes(synthetic_features.class_names[:2])
    net = sa.SiameseNetwork(sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),), dense=()), distance="cosine", head=None,
                            loss="cross_entropy")  # fmt: skip
    net.fit(train, epochs=1, progress=False).save("classes.siam")
    query = train.clips.paths[0]
    assert run("classify", "classes.siam", query) == f"{query}: {net.predict(train)[0]}\n"
    assert json.loads(run("classify", "classes.siam", query, "--json"))[0]["prediction"] == net.predict(train)[0]


@pytest.mark.parametrize("name", ["out.png", "out.svg", "out.pdf"])
def test_pictures_of_what_there_is(run, name: str) -> None:
    for source in ("query.wav", "net.siam", "result.json"):
        assert source in run("plot", source, "-o", name, "--title", "A title")
        assert Path(name).stat().st_size > 1000


@pytest.mark.slow
def test_every_result_can_be_drawn(run) -> None:
    names = ("--ways", 2)
    for command in (
        ("evaluate-pairs", "net.siam", "f.zarr"), ("evaluate-retrieval", "net.siam", "f.zarr"),
        ("leaks", "f.zarr", *names), ("compare", "result.json", "result.json"),
        ("embedding-report", "net.siam", "f.zarr", "--classifiers", "knn"),
    ):  # fmt: skip
        Path("r.json").write_text(run(*command, "--json"))
        run("plot", "r.json", "-o", "r.png")
        assert Path("r.png").stat().st_size > 1000


def test_what_files_hold(run, net: sa.SiameseNetwork, data: sa.Features) -> None:
    facts = json.loads(run("info", "query.wav", "net.siam", "f.zarr", "sounds.db", "--json"))
    assert facts["query.wav"] | {"seconds": 1.5, "sr": 16000, "channels": 1, "frames": 24000} == facts["query.wav"]
    assert facts["net.siam"]["parameters"] == net.num_parameters()
    assert facts["net.siam"]["trained on"] == list(net.train_classes_)
    assert facts["f.zarr"]["shape"] == list(data.shape)
    assert facts["sounds.db"]["items"] == 4
    shown = run("info", "query.wav", "net.siam")
    assert "\n\nnet.siam\n" in shown


def test_layouts_of_data_sets(run, rng: np.random.Generator) -> None:
    np.savez(
        "clips.npz", spectrograms=rng.random((4, 8, 6)), class_name=["a", "a", "b", "b"], kind=["x", "x", "x", "y"]
    )
    run("features", "clips.npz", "-o", "n.zarr", "--layout", "npz", "--classes", "kind")
    assert sa.Features.load("n.zarr").class_names == ("x", "y")
    np.savez("few.npz", images=rng.integers(0, 255, (3, 8, 8)).astype(np.uint8), labels=[4, 2, 4])
    assert "3 clips of 8 x 8, 2 classes" in run(
        "features", "few.npz", "-o", "i.zarr", "--layout", "images", "--dry-run"
    )
    one = Path("fold")
    for number, name in enumerate(("1-7", "2-7", "1-8", "2-9")):
        place = one / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.wav").write_bytes(Path("query.wav").read_bytes())
    run(
        "features",
        one,
        "-o",
        "p.zarr",
        "--layout",
        "folder",
        "--pattern",
        r"(?P<fold>\d)-(?P<source>\d)",
        "--n-mels",
        8,
    )
    made = sa.Features.load("p.zarr")
    assert (sorted(set(made.sources)), sorted(set(made.clips.folds))) == (["7", "8", "9"], [1, 2])


@pytest.mark.slow
def test_yamnet_wherever_a_model_is(run, shared_data: Path) -> None:
    weights = shared_data / "yamnet" / "yamnet.tflite"
    yamnet = sa.models.Yamnet.from_tflite(weights, class_map=shared_data / "yamnet" / "yamnet_class_map.csv")
    yamnet.save("y.safetensors")
    assert run("classify", "y.safetensors", "query.wav").split(": ")[1].strip() in yamnet.class_names
    assert run("classify", "y.safetensors", "--supports", "supports", "query.wav").startswith("query.wav: ")
    run("features", "data", "-o", "y.zarr", "--front-end", "yamnet", "--duration", 3)
    run("embed", weights, "y.zarr", "-o", "y-vectors.zarr")
    assert sa.Features.load("y-vectors.zarr").shape == (4, 1, 1024)
    run("index", "data", "-o", "y.db", "--model", "y.safetensors")
    assert len(run("search", "y.db", "query.wav", "-k", 2).splitlines()) == 3
