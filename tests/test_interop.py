"""Keras's files, PyTorch modules and ONNX files; parity/test_keras_files.py asks Keras itself."""

from __future__ import annotations

import copy
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import siamaudio as sa
from interop_networks import NAMES, WITH_SHIFTS, clips_for, has_probabilities, network, pair_similarities
from siamaudio.errors import CheckpointError, ParameterError, TrainingError

# float32 sums of up to 33,000 products in another order, as a share of the largest value above 1: calibrated embeddings
# are longer than others, and their square roots tell numbers apart that are 0 but for rounding.
TOLERANCE = 1e-4


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, atol=TOLERANCE * max(1.0, float(np.abs(expected).max())), rtol=0)


@pytest.fixture(scope="module")
def small() -> sa.SiameseNetwork:
    """A network with every kind of layer and small files."""
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=2, kernel_size=3),), dense=(sa.Dense(units=3),))
    return sa.SiameseNetwork(encoder).build((10, 9), seed=4)


# ---- PyTorch


@pytest.mark.parametrize("name", NAMES)
def test_torch_gives_the_same(name: str) -> None:
    import torch

    net = network(name)
    x = clips_for(net)
    module = sa.interop.to_torch(net)
    with torch.no_grad():
        embeddings = module.embed(torch.from_numpy(x)).numpy()
        similarities = module(torch.from_numpy(x[:3]), torch.from_numpy(x[3:])).numpy()
        assert_close(embeddings, net.embed(x))
        assert_close(similarities, pair_similarities(net, x))
        if has_probabilities(net):
            assert_close(module.classify(torch.from_numpy(x)), net.predict_proba(x))
    assert np.ptp(embeddings, axis=0).max() > 1e-3


def test_torch_takes_any_number_of_frames(rng: np.random.Generator) -> None:
    import torch

    net = network("global_average")  # "same" padding and strides, which depend on the frames
    for frames in (25, 30, 47):
        x = rng.standard_normal((2, 21, frames)).astype(np.float32)
        with torch.no_grad():
            embeddings = sa.interop.to_torch(net).embed(torch.from_numpy(x)).numpy()
        assert_close(embeddings, net.embed(x))


def test_torch_module_trains(small: sa.SiameseNetwork) -> None:
    import torch

    module = sa.interop.to_torch(small).train()
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    x = torch.from_numpy(clips_for(small))
    torch.nn.functional.mse_loss(module(x[:3], x[3:]), torch.ones(3)).backward()
    optimizer.step()
    unmoved = [name for name, value in module.state_dict().items() if torch.equal(value, before[name])]
    assert unmoved == []
    np.testing.assert_array_equal(small.embed(x.numpy()), small.embed(x.numpy()))
    assert not np.shares_memory(module.head.weight.detach().numpy(), small.weights()["head.weight"])


# ---- ONNX


def run_onnx(path: Path, *inputs: Any) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    (output,) = session.run(None, dict(zip(names, inputs, strict=True)))
    return output


@pytest.mark.parametrize("name", NAMES)
def test_onnx_gives_the_same(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    net = network(name)
    x = clips_for(net)
    for part in ("siamese", "encoder", "classifier") if has_probabilities(net) else ("siamese", "encoder"):
        sa.interop.export_onnx(net, tmp_path / f"{part}.onnx", part=part)  # type: ignore[arg-type]
    similarities = run_onnx(tmp_path / "siamese.onnx", x[:3], x[3:])
    assert_close(similarities, pair_similarities(net, x))
    assert_close(run_onnx(tmp_path / "encoder.onnx", x), net.embed(x))
    if has_probabilities(net):
        assert_close(run_onnx(tmp_path / "classifier.onnx", x), net.predict_proba(x))


def test_onnx_takes_any_number_of_clips_and_frames(tmp_path: Path, rng: np.random.Generator) -> None:
    onnx = pytest.importorskip("onnx")
    net = network("global_average")
    sa.interop.export_onnx(net, tmp_path / "pair.onnx")
    left, right = (rng.standard_normal((5, 21, frames)).astype(np.float32) for frames in (30, 41))
    expected = np.diagonal(net.similarity(net.embed(left), net.embed(right)))
    assert_close(run_onnx(tmp_path / "pair.onnx", left, right), expected)
    model = onnx.load(tmp_path / "pair.onnx")
    assert json.loads(model.metadata_props[0].value)["part"] == "siamese"


def test_onnx_says_what_it_was_made_for(trained: sa.SiameseNetwork, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    sa.interop.export_onnx(trained, tmp_path / "a.onnx", part="encoder")
    described = json.loads(onnx.load(tmp_path / "a.onnx").metadata_props[0].value)
    assert described["classes"] == list(trained.train_classes_)
    assert sa.LogMel.from_dict(described["front_end"]) == trained.front_end_


# ---- Keras's files, there and back


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("name", NAMES)
def test_keras_files_there_and_back(name: str, ending: str, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    net = network(name)
    if ending == ".weights.h5" and name in ("calibrated", "flatten, no dense"):
        return  # a file of weights alone has no calibration, and does not say the order of a map
    if name == WITH_SHIFTS:
        with pytest.raises(ParameterError, match="calibrated with shifts"):
            sa.interop.to_keras(net, tmp_path / f"net{ending}")
        return
    if ending == ".h5" and name == "calibrated":
        with pytest.raises(ParameterError, match="no layer for a calibration's power"):
            sa.interop.to_keras(net, tmp_path / "net.h5")
        net.calibrate(sa.Features.from_arrays(clips_for(net, 8), list("aabbaabb")), power=1, shifts=[(0, 0)])
    sa.interop.to_keras(net, tmp_path / f"net{ending}")
    options: dict[str, Any] = {}
    if ending == ".weights.h5":
        fresh = network(name).build(net.input_shape_, num_classes=4 if has_probabilities(net) else None, seed=9)
        options = {"network": fresh}
    back = sa.interop.load_keras(tmp_path / f"net{ending}", **options)
    assert (back.distance, back.head) == (net.distance, net.head)
    assert back.encoder == net.encoder
    assert back.input_shape_ == net.input_shape_
    x = clips_for(net)
    # The same numbers in the same order of axes: the same bits
    np.testing.assert_array_equal(back.embed(x), net.embed(x))
    np.testing.assert_allclose(pair_similarities(back, x), pair_similarities(net, x), atol=1e-7)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(("_cnn", "classifier"))])
def test_classifiers_there_and_back(name: str, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    net = network(name)
    sa.interop.to_keras(net, tmp_path / "net.keras", part="classifier")
    back = sa.interop.load_keras(tmp_path / "net.keras")
    x = clips_for(net)
    if name != "cosine classifier":  # whose scale is no part of a softmax of cosines
        np.testing.assert_array_equal(back.embed(x), net.embed(x))
    assert_close(back.predict_proba(x), net.predict_proba(x))
    assert back.predict(x).tolist() == net.predict_proba(x).argmax(axis=1).astype(str).tolist()
    back.save(tmp_path / "back.siam")
    np.testing.assert_array_equal(sa.SiameseNetwork.load(tmp_path / "back.siam").embed(x), back.embed(x))


def test_an_encoder_is_told_how_to_compare(small: sa.SiameseNetwork, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    sa.interop.to_keras(small, tmp_path / "encoder.keras", part="encoder")
    with pytest.raises(CheckpointError, match="distance='cosine' or distance='euclidean'"):
        sa.interop.load_keras(tmp_path / "encoder.keras")
    back = sa.interop.load_keras(tmp_path / "encoder.keras", distance="euclidean")
    assert (back.distance, back.head) == ("euclidean", None)
    np.testing.assert_array_equal(back.embed(clips_for(small)), small.embed(clips_for(small)))


def as_keras_2(model: dict[str, Any]) -> dict[str, Any]:
    """The description of a model as Keras 2 writes it (compared with what tf_keras 2.21 saves)."""

    def call(node: dict[str, Any]) -> list[Any]:
        (argument,) = node["args"]
        tensors = argument if isinstance(argument, list) else [argument]
        # A model within a model has been called once when it was made, which counts.
        references = [tensor["config"]["keras_history"] for tensor in tensors]
        return [[name, index + (name == "encoder"), number, {}] for name, index, number in references]

    layers = []
    for layer in model["config"]["layers"]:
        config = {key: value for key, value in layer["config"].items() if key != "batch_shape"}
        if layer["class_name"] == "InputLayer":
            config["batch_input_shape"] = layer["config"]["batch_shape"]
        if layer["class_name"] == "BatchNormalization":
            config["axis"] = [3] if "block" in layer["name"] or "input" in layer["name"] else [1]
        new = {"class_name": layer["class_name"], "config": config, "name": layer["name"]}
        if layer["class_name"] == "Functional":
            new = as_keras_2(layer) | {"name": layer["name"]}
        new["inbound_nodes"] = [call(node) for node in layer["inbound_nodes"]]
        if layer["name"] == "difference":  # a function of TensorFlow, called on tensors
            function = {"name": "tf.math.subtract", "trainable": True, "dtype": "float32", "function": "math.subtract"}
            nodes = [["encoder", 1, 0, {"y": ["encoder", 2, 0], "name": None}]]
            new |= {"class_name": "TFOpLambda", "config": function, "inbound_nodes": nodes}
        layers.append(new)
    config = model["config"] | {"layers": layers}
    for end in ("input_layers", "output_layers"):
        listed = config[end]
        config[end] = [listed] if isinstance(listed[0], str) else listed
    return {"class_name": "Functional", "config": config}


def test_files_of_keras_2(small: sa.SiameseNetwork, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "net.h5"
    sa.interop.to_keras(small, path)
    with h5py.File(path, "r+") as file:
        described = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(as_keras_2(described)).encode()
        for group in file["model_weights"].values():
            names = list(group.attrs["weight_names"])
            for name in names:
                group.move(name, f"{name}:0")
            group.attrs["weight_names"] = [f"{name}:0".encode() for name in names]
        layers = [name.encode() for name in file["model_weights"].attrs["layer_names"]]
        del file["model_weights"].attrs["layer_names"]  # long lists are divided
        file["model_weights"].attrs["layer_names0"] = layers[:2]
        file["model_weights"].attrs["layer_names1"] = layers[2:]
    x = clips_for(small)
    for options in ({}, {"network": sa.SiameseNetwork(small.encoder).build((10, 9), seed=11)}):
        back = sa.interop.load_keras(path, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(back.embed(x), small.embed(x))
        np.testing.assert_array_equal(pair_similarities(back, x), pair_similarities(small, x))


def test_other_options_of_batch_norm(small: sa.SiameseNetwork, described: dict[str, Any], tmp_path: Path) -> None:
    import torch

    norm = layers_of(described, "encoder")["block1_norm"]["config"]
    norm["epsilon"] = 0.05
    x = clips_for(small)
    module = sa.interop.to_torch(small)
    module.encoder.blocks[0].norm.eps = 0.05
    with torch.no_grad():
        expected = module.embed(torch.from_numpy(x)).numpy()
    back = sa.interop.load_keras(rewritten(tmp_path, described))
    np.testing.assert_allclose(back.embed(x), expected, atol=1e-6)
    assert np.abs(expected - small.embed(x)).max() > 1e-4


def test_a_loaded_network_goes_on_training(small: sa.SiameseNetwork, tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("h5py")
    sa.interop.to_keras(small, tmp_path / "net.keras")
    back = sa.interop.load_keras(tmp_path / "net.keras")
    features = sa.Features.from_arrays(rng.standard_normal((8, 10, 9)), list("aabbaabb"))
    back.fit(features, epochs=1, warm_start=True, progress=False)
    assert not np.array_equal(back.weights()["head.weight"], small.weights()["head.weight"])


# ---- What is refused


@pytest.fixture
def described(small: sa.SiameseNetwork, tmp_path: Path) -> dict[str, Any]:
    """The description in a file that `load_keras` reads."""
    pytest.importorskip("h5py")
    sa.interop.to_keras(small, tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        return json.loads(archive.read("config.json"))


def layers_of(described: dict[str, Any], model: str = "") -> dict[str, dict[str, Any]]:
    layers = {layer["name"]: layer for layer in described["config"]["layers"]}
    return layers_of(layers[model]) if model else layers


def rewritten(tmp_path: Path, described: Any = None, weights: bytes | None = None, **options: Any) -> Path:
    """Write good.keras anew with another description or other weights."""
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if described is not None:
        members["config.json"] = described if isinstance(described, bytes) else json.dumps(described).encode()
    if weights is not None:
        members["model.weights.h5"] = weights
    with zipfile.ZipFile(tmp_path / "bad.keras", "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return tmp_path / "bad.keras"


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        sa.interop.load_keras(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("layer", "change", "message"),
    [
        ("block1_conv", {"filters": 3}, "layer 'block1_conv' has a kernel of shape (3, 3, 1, 2); the network's"),
        ("block1_conv", {"dilation_rate": [2, 2]}, "dilation_rate"),
        ("block1_conv", {"groups": 2}, "groups"),
        ("block1_conv", {"data_format": "channels_first"}, "data_format"),
        ("block1_conv", {"activation": "relu"}, "comes after the activation"),
        ("block1_conv", {"kernel_size": [20, 20]}, "block1 needs an input larger"),
        ("block1_activation", {"activation": "swish"}, "activation 'swish'"),
        ("block1_pooling", {"padding": "same"}, "padding 'same'"),
        ("block1_pooling", {"strides": [1, 1]}, "strides [1, 1]"),
        ("block1_norm", {"axis": 1}, "axis 1"),
        ("dense1", {"units": 10**12}, "size of 1000000000000"),
        ("dense1", {"units": 2**20}, "layer 'dense1' has a kernel of shape (24, 3)"),
        ("dense1", {"units": -3}, "size of -3"),
        ("dense1", {"units": "3"}, "size of '3'"),
        ("dense1", {"units": True}, "size of True"),
    ],
)  # fmt: skip
def test_other_layers_are_named(
    described: dict[str, Any], tmp_path: Path, layer: str, change: dict[str, Any], message: str
) -> None:
    layers_of(described, "encoder")[layer]["config"].update(change)
    assert message in refusal(rewritten(tmp_path, described))


@pytest.mark.parametrize(
    ("layer", "kind", "message"),
    [
        ("block1_conv", "SeparableConv2D", "layer 'block1_conv' (SeparableConv2D) comes where a convolution"),
        ("block1_dropout", "SpatialDropout2D", "layer 'block1_dropout' (SpatialDropout2D) comes where"),
        ("pooling", "Reshape", "layer 'pooling' (Reshape) comes where"),
        ("block1_norm", "Lambda", "layer 'block1_norm' (Lambda) holds code, which is never run"),
        ("dense1", "MyDense", "layer 'dense1' (MyDense) comes where the end of the encoder is accepted"),
    ],
)
def test_layers_of_other_classes_are_named(
    described: dict[str, Any], tmp_path: Path, layer: str, kind: str, message: str
) -> None:
    layers_of(described, "encoder")[layer]["class_name"] = kind
    assert message in refusal(rewritten(tmp_path, described))


def lambda_that_writes(path: Path) -> dict[str, Any]:
    """The options of a Lambda layer as Keras 2 and 3 write it, with code that leaves a file."""
    import base64
    import marshal

    code = base64.b64encode(marshal.dumps(compile(f"open({str(path)!r}, 'w')", "lambda", "exec"))).decode()
    return {
        "name": "distance",
        "function": {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}},
        "function_type": "lambda",
        "module": "os",
    }


def test_code_is_never_run(described: dict[str, Any], small: sa.SiameseNetwork, tmp_path: Path) -> None:
    layer = layers_of(described)["distance"]
    layer |= {"class_name": "Lambda", "config": lambda_that_writes(tmp_path / "ran")}
    path = rewritten(tmp_path, described)
    assert "layer 'distance' (Lambda) holds code, which is never run" in refusal(path)
    back = sa.interop.load_keras(path, distance="squared")
    assert not (tmp_path / "ran").exists()
    x = clips_for(small)
    np.testing.assert_array_equal(pair_similarities(back, x), pair_similarities(small, x))


def test_subclassed_models_are_refused(described: dict[str, Any], tmp_path: Path) -> None:
    described |= {"class_name": "MyModel", "module": "os", "registered_name": "system"}
    assert "computes by code of its own, which is never run" in refusal(rewritten(tmp_path, described))


def test_pickles_are_refused(tmp_path: Path) -> None:
    import pickle

    pytest.importorskip("h5py")
    (tmp_path / "net.h5").write_bytes(pickle.dumps({"layer": np.zeros(3)}))
    assert "a pickle, which can run code and is never read" in refusal(tmp_path / "net.h5")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"class_name": "Functional"}',
        b'{"class_name": "Functional", "config": {"layers": [], "input_layers": [], "output_layers": []}}',
        b'{"class_name": "Sequential", "config": {"layers": []}}',
        b"[" * 100_000,
        b'{"class_name": "Functional", "config": ' * 2000,
        b"\xff\xfe",
    ],
)
def test_malformed_descriptions(described: dict[str, Any], tmp_path: Path, text: bytes) -> None:
    refusal(rewritten(tmp_path, text))


def test_a_graph_that_goes_in_circles(described: dict[str, Any], tmp_path: Path) -> None:
    layers = layers_of(described, "encoder")
    layers["input_norm"]["inbound_nodes"] = layers["dense1"]["inbound_nodes"]
    refusal(rewritten(tmp_path, described))


def test_models_that_multiply(described: dict[str, Any], tmp_path: Path) -> None:
    """Each model applies the one in it twice: 2**40 layers in 40 descriptions."""

    def reference(name: str, call: int = 0) -> dict[str, Any]:
        config = {"shape": [None], "dtype": "float32", "keras_history": [name, call, 0]}
        return {"args": [{"class_name": "__keras_tensor__", "config": config}], "kwargs": {}}

    model: dict[str, Any] = {"class_name": "Activation", "config": {"name": "m", "activation": "relu"}, "name": "m"}
    for depth in range(40):
        inner = model | {"inbound_nodes": [reference("x"), reference(model["name"])]}
        x = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 3, 3, 1]}, "name": "x"}
        config = {
            "name": f"m{depth}",
            "layers": [x | {"inbound_nodes": []}, inner],
            "input_layers": ["x", 0, 0],
            "output_layers": [model["name"], 1, 0],
        }
        model = {"class_name": "Functional", "config": config, "name": f"m{depth}"}
    assert "more than 10000 layers" in refusal(rewritten(tmp_path, model))


def hdf5(change: Any, tmp_path: Path) -> bytes:
    """Return the weights of good.keras after a change."""
    h5py = pytest.importorskip("h5py")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "r+") as file:
        change(h5py, file)
    return content.getvalue()


KERNEL = "layers/functional/layers/dense/vars/0"


def external_link(h5py: Any, file: Any) -> None:
    file[KERNEL] = h5py.ExternalLink("/tmp/other.h5", "/x")


def soft_link(h5py: Any, file: Any) -> None:
    file[KERNEL] = h5py.SoftLink("/layers/functional/layers/dense/vars/1")


def link_of_a_group(h5py: Any, file: Any) -> None:
    file.move("layers/functional/layers/dense", "layers/other")
    file["layers/functional/layers/dense"] = h5py.SoftLink("/layers/other")
    file["layers/functional/layers/dense/vars/0"] = np.zeros((24, 3), np.float32)


def virtual(h5py: Any, file: Any) -> None:
    layout = h5py.VirtualLayout((24, 3), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (24, 3))
    file.create_virtual_dataset(KERNEL, layout)


def external(h5py: Any, file: Any) -> None:
    file.create_dataset(KERNEL, (24, 3), "f4", external=[("/etc/passwd", 0, 288)])


def bomb(h5py: Any, file: Any) -> None:
    file.create_dataset(KERNEL, (10**6, 10**6), "f4", chunks=(1000, 1000))  # 4 TB, none of it there


def bomb_of_the_right_shape(h5py: Any, file: Any) -> None:
    file.create_dataset(KERNEL, (24, 3), "f4", chunks=(24, 3))


def strings(h5py: Any, file: Any) -> None:
    file.create_dataset(KERNEL, (24, 3), h5py.string_dtype())


def integers(h5py: Any, file: Any) -> None:
    file[KERNEL] = np.zeros((24, 3), np.int64)


def group(h5py: Any, file: Any) -> None:
    file.create_group(KERNEL)


def nothing(h5py: Any, file: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external_link, "is a link"),
        (soft_link, "is a link"),
        (link_of_a_group, "is a link"),
        (virtual, "lies in another file"),
        (external, "lies in another file"),
        (bomb, "claims a shape of (1000000, 1000000)"),
        (bomb_of_the_right_shape, "claims a shape of (24, 3)"),
        (strings, "holds object"),
        (integers, "holds int64"),
        (group, "is no array"),
        (nothing, "has 1 arrays in the file; accepted: 2"),
    ],
)
def test_hostile_arrays(described: dict[str, Any], tmp_path: Path, change: Any, message: str) -> None:
    def replace(h5py: Any, file: Any) -> None:
        del file[KERNEL]
        change(h5py, file)

    if change is nothing:  # one array fewer, and no gap in the numbers

        def replace(h5py: Any, file: Any) -> None:
            del file[KERNEL.replace("/0", "/1")]

    assert message in refusal(rewritten(tmp_path, weights=hdf5(replace, tmp_path)))


def test_archives_that_unpack_to_much(described: dict[str, Any], tmp_path: Path) -> None:
    path = rewritten(tmp_path, weights=bytes(50 << 20), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    assert "model.weights.h5 unpacks to 52428800 bytes" in refusal(path)
    path = rewritten(tmp_path, described=b" " * (17 << 20), compression=zipfile.ZIP_DEFLATED)
    assert "config.json unpacks to" in refusal(path)


def test_nothing_of_an_archive_is_written(
    described: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rewritten(tmp_path)
    (tmp_path / "inner").mkdir()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../outside", "x")
        archive.writestr(str(tmp_path / "absolute"), "x")
    monkeypatch.chdir(tmp_path / "inner")
    before = sorted(tmp_path.rglob("*"))
    sa.interop.load_keras(path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_truncated_files(small: sa.SiameseNetwork, tmp_path: Path, ending: str) -> None:
    pytest.importorskip("h5py")
    path = tmp_path / f"net{ending}"
    sa.interop.to_keras(small, path)
    content = path.read_bytes()
    for length in (0, 1, 8, 100, 1000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        refusal(path)


def test_another_architecture(small: sa.SiameseNetwork, tmp_path: Path) -> None:
    """Weights into a network that they are not of."""
    pytest.importorskip("h5py")
    for ending in (".h5", ".weights.h5", ".keras"):
        sa.interop.to_keras(small, tmp_path / f"net{ending}")
        other = sa.SiameseNetwork.preset("honka2019").build((64, 64))
        message = refusal(tmp_path / f"net{ending}", network=other)
        assert re.search(r"it has 1 convolutions \('.*conv.*'\), the network 3", message)
        encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=2, kernel_size=5),), dense=(sa.Dense(units=3),))
        other = sa.SiameseNetwork(encoder).build((12, 11))
        before = other.weights()
        message = refusal(tmp_path / f"net{ending}", network=other)
        assert "a kernel of shape (3, 3, 1, 2); the network's encoder.block1.conv needs (5, 5, 1, 2)" in message
        for name, array in other.weights().items():
            np.testing.assert_array_equal(array, before[name])


def test_the_order_of_a_flattened_map_is_not_guessed(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    net = network("flatten, no dense")
    sa.interop.to_keras(net, tmp_path / "net.weights.h5")
    assert "in which order a flattened map is" in refusal(tmp_path / "net.weights.h5", network=net)


@pytest.mark.parametrize(
    ("encoder", "distance", "message"),
    [
        ({"activation": "elu"}, "squared", "block1 has activation 'relu' in the file, 'elu' in the network"),
        ({"pooling": "average"}, "squared", "block1 has pooling 'max' in the file, 'average' in the network"),
        ({}, "absolute", "the comparison has distance 'squared' in the file, 'absolute' in the network"),
    ],
)
def test_the_same_shapes_but_something_else(
    small: sa.SiameseNetwork, tmp_path: Path, encoder: dict[str, Any], distance: Any, message: str
) -> None:
    pytest.importorskip("h5py")
    block = sa.ConvBlock(filters=2, kernel_size=3, **encoder)
    options = sa.ConvEncoder(blocks=(block,), dense=(sa.Dense(units=3),))
    other = sa.SiameseNetwork(options, distance=distance).build((10, 9))
    for ending in (".keras", ".h5"):
        sa.interop.to_keras(small, tmp_path / f"net{ending}")
        assert message in refusal(tmp_path / f"net{ending}", network=other)
    sa.interop.to_keras(small, tmp_path / "net.weights.h5")
    sa.interop.load_keras(tmp_path / "net.weights.h5", network=other)  # which cannot know


def test_wrong_use(small: sa.SiameseNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py")
    assert "no such file" in refusal(tmp_path / "absent.keras")
    sa.interop.to_keras(small, tmp_path / "net.weights.h5")
    assert "load_keras(path, network=...)" in refusal(tmp_path / "net.weights.h5")
    with pytest.raises(TrainingError, match="not trained"):
        sa.interop.load_keras(tmp_path / "net.weights.h5", network=sa.SiameseNetwork())
    with pytest.raises(ParameterError, match="distance: got manhattan"):
        sa.interop.load_keras(tmp_path / "net.weights.h5", distance="manhattan")
    with pytest.raises(ParameterError, match=r"path: got net\.pt"):
        sa.interop.to_keras(small, tmp_path / "net.pt")
    for export in (sa.interop.to_keras, sa.interop.export_onnx):
        with pytest.raises(ParameterError, match="part: got head"):
            export(small, tmp_path / "net.keras", part="head")  # type: ignore[arg-type]
        with pytest.raises(TrainingError, match="no classifier"):
            export(small, tmp_path / "net.keras", part="classifier")
        with pytest.raises(TrainingError, match="not trained"):
            export(sa.SiameseNetwork(), tmp_path / "net.keras")
    assert not (tmp_path / "net.keras").exists()
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'needs h5py: `pip install "siamaudio\[keras\]"`'):
        sa.interop.to_keras(small, tmp_path / "net.keras")
    with pytest.raises(ImportError, match=r'needs onnx: `pip install "siamaudio\[onnx\]"`'):
        sa.interop.export_onnx(small, tmp_path / "net.onnx")


MUTATE = """
import random, sys
from pathlib import Path
import siamaudio as sa

path, copy = Path(sys.argv[1]), Path(sys.argv[2])
content, rng, outcomes = path.read_bytes(), random.Random(1), {"read": 0, "refused": 0}
for _ in range(150):
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 2, 5, 20])):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    copy.write_bytes(damaged)
    try:
        sa.interop.load_keras(copy)
        outcomes["read"] += 1
    except sa.CheckpointError:
        outcomes["refused"] += 1
print(*outcomes.values())
"""


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_damaged_bytes(small: sa.SiameseNetwork, tmp_path: Path, ending: str) -> None:
    """A network or a CheckpointError, never a signal; far more were tried by hand."""
    pytest.importorskip("h5py")
    sa.interop.to_keras(small, tmp_path / f"net{ending}")
    command = [sys.executable, "-c", MUTATE, tmp_path / f"net{ending}", tmp_path / f"damaged{ending}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    read, refused = map(int, done.stdout.split())
    assert read + refused == 150
    assert refused > 20
