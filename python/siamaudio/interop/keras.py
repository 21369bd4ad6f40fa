"""Siamese networks from and to Keras's files, without Keras."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.encoders import native_encoder
from siamaudio.errors import CheckpointError, ParameterError, SiamaudioError
from siamaudio.files import replace_file
from siamaudio.interop.architecture import Architecture, Part, check_part
from siamaudio.interop.keras_arrays import (
    LayerArrays,
    WeightFile,
    attribute,
    from_keras,
    in_file_order,
    to_keras_arrays,
)
from siamaudio.interop.keras_config import description, layer_name
from siamaudio.interop.keras_graph import Graph, UnreadableError, read_graph
from siamaudio.interop.keras_match import Match, match
from siamaudio.losses import BinaryCrossentropy, Contrastive, CrossEntropy
from siamaudio.network import SiameseNetwork
from siamaudio.optional import require

__all__ = ["load_keras", "to_keras"]

FloatArray = npt.NDArray[np.float32]

_ENDINGS = (".weights.h5", ".h5", ".hdf5", ".keras")
_KERAS_VERSION = "3.0.0"  # the first that reads what is written here
# What changes no shape of a weight; dropout changes nothing that is read here
_OPTIONS = ("pooling", "l2_normalize", "stride", "padding", "activation", "pool_size", "distance", "head")
_MOST_DESCRIPTION_BYTES = 16 << 20
_MOST_COMPRESSION = 100  # of a weight file in an archive; Keras stores it as it is
_WEIGHTS_MEMBER, _CONFIG_MEMBER = "model.weights.h5", "config.json"


def load_keras(
    path: str | os.PathLike[str],
    *,
    network: SiameseNetwork | None = None,
    distance: str | None = None,
    input_shape: Sequence[int] | None = None,
) -> SiameseNetwork:
    """Read a network from a Keras file; nothing of the file is run, and Keras is not needed.

    Parameters
    ----------
    path : path-like
        A ``.keras`` file, a whole model as ``.h5``, or weights alone as ``.weights.h5`` (or ``.h5``), of Keras 2 or 3:
        a siamese pair of two inputs, an encoder, or a classifier.
    network : SiameseNetwork or None
        A built network that takes the weights, the only way for files of weights alone: each kind of layer
        (convolutions, batch norms, dense layers) in the order of the file. Shapes are checked, and other options where
        the file describes a model that can be recognised.
        A calibration that it had is cleared; a classifier that the file has not stays.
    distance : {"squared", "absolute", "product", "euclidean", "cosine"} or None
        What a ``Lambda`` layer between the two embeddings computes: its code is never run. For an encoder alone,
        "euclidean" or "cosine", by which embeddings are compared.
    input_shape : sequence of int or None
        (bands, frames) or (channels, bands, frames), where the model leaves sizes open.

    Returns
    -------
    SiameseNetwork
        `network`, or a new one. Keras's rows of an input are bands, its columns frames; the classes of a classifier are
        named "0", "1", and so on. Rates of dropout are kept; loss, optimizer and the momentum of batch norm are not.

    Raises
    ------
    ImportError
        The package h5py is not installed (``siamaudio[keras]``).
    CheckpointError
        There is no such file, it is damaged, or it holds something else than such a network: says which layer does not
        fit, and which shapes.
    ParameterError
        An argument is none of those accepted.

    Examples
    --------
    >>> import siamaudio as sa
    >>> net = sa.interop.load_keras("honka.h5", distance="squared")  # doctest: +SKIP
    >>> net = sa.SiameseNetwork.preset("honka2019").build((128, 431))
    >>> net = sa.interop.load_keras("honka.weights.h5", network=net)  # doctest: +SKIP
    """
    if distance not in (None, "squared", "absolute", "product", "euclidean", "cosine"):
        raise ParameterError("distance", distance, "'squared', 'absolute', 'product', 'euclidean' or 'cosine'")
    h5py = require("h5py", extra="keras", purpose="reading and writing Keras's files")
    place = Path(path)
    if network is not None:
        network.weights()  # says where it has none yet
    if not place.is_file():
        raise CheckpointError(f"{place}: no such file; accepted: {', '.join(_ENDINGS)}")
    try:
        with _opened(h5py, place) as (described, file):
            if network is not None:
                return _fill(network, described, WeightFile(h5py, file))
            if described is None:
                raise UnreadableError(
                    "it holds weights alone, without what they are of; accepted: load_keras(path, network=...) with a "
                    "built network"
                )
            graph = read_graph(described)
            return _network(match(graph, distance=distance, input_shape=input_shape), graph, WeightFile(h5py, file))
    except UnreadableError as error:
        raise CheckpointError(f"{place}: {error}") from None
    except SiamaudioError as error:
        raise CheckpointError(f"{place}: its network cannot be made: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, AssertionError) as error:
        raise CheckpointError(f"{place}: its description is malformed ({type(error).__name__}: {error})") from error
    except (OSError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(f"{place} is damaged, or no file of Keras ({error})") from error


def to_keras(net: SiameseNetwork, path: str | os.PathLike[str], *, part: Part = "siamese") -> None:
    """Write a network as a Keras file, which ``keras.models.load_model`` reads in its safe mode.

    Parameters
    ----------
    net : SiameseNetwork
        Built, trained or loaded.
    path : path-like
        ``*.keras``, or ``*.h5`` for the older form, or ``*.weights.h5`` for weights alone; written whole or not at all.
    part : {"siamese", "encoder", "classifier"}
        - "siamese": two inputs (clips, bands, frames, channels) -> their similarity (clips, 1), as
          `SiameseNetwork.similarity` gives it.
        - "encoder": one input -> embeddings, calibrated where the network is.
        - "classifier": one input -> probabilities of the training classes.

        The Keras model takes the network's own number of frames only.

    Raises
    ------
    ImportError
        The package h5py is not installed (``siamaudio[keras]``).
    ParameterError
        The file name ends in something else, there is no such part, or the network is calibrated with shifts, which
        Keras has no layer for.
    TrainingError
        The network has no weights, or no classifier where that is asked for.

    Examples
    --------
    >>> import siamaudio as sa
    >>> net = sa.SiameseNetwork.preset("honka2019").build((64, 64))
    >>> sa.interop.to_keras(net, "honka.keras")  # doctest: +SKIP
    """
    place = Path(path)
    if not place.name.endswith((".keras", ".h5")):
        raise ParameterError("path", place.name, "a name that ends in .keras, .h5 or .weights.h5")
    architecture = Architecture.of(net)
    check_part(part, architecture)
    if architecture.shifts != ((0, 0),):
        raise ParameterError(
            "net", "one calibrated with shifts", "one calibrated without, by calibrate(train, shifts=[(0, 0)])"
        )
    h5py = require("h5py", extra="keras", purpose="reading and writing Keras's files")
    is_legacy = place.name.endswith(".h5") and not place.name.endswith(".weights.h5")
    weights = net.weights()
    power = float(weights.get("calibration.power", 1.0))
    if is_legacy and power != 1 and part != "classifier":
        raise ParameterError(
            "path", place.name, "a name that ends in .keras: .h5 has no layer for a calibration's power"
        )
    described = description(architecture, part, power=power, is_legacy=is_legacy)
    arrays = _keras_arrays(weights, architecture, part)
    graph = read_graph(described)
    if is_legacy:
        replace_file(place, _legacy_file(h5py, described, graph, arrays))
        return
    content = _numbered_file(h5py, graph, arrays)
    if place.name.endswith(".weights.h5"):
        replace_file(place, content)
        return
    described |= {"build_config": {"input_shape": None}, "compile_config": {}}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("metadata.json", json.dumps({"keras_version": _KERAS_VERSION}))
        members.writestr(_CONFIG_MEMBER, json.dumps(described))
        members.writestr(_WEIGHTS_MEMBER, content)
    replace_file(place, archive.getvalue())


# ---- Reading


@contextlib.contextmanager
def _opened(h5py: Any, path: Path) -> Generator[tuple[Any, Any]]:
    """Open a file; yield the model's description, or None, and the HDF5 file of its weights."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            described = json.loads(_member(archive, _CONFIG_MEMBER, _MOST_DESCRIPTION_BYTES))
            content = _member(archive, _WEIGHTS_MEMBER, None)
        with h5py.File(io.BytesIO(content), "r") as file:
            yield described, file
        return
    if not h5py.is_hdf5(path):
        with path.open("rb") as file:
            is_pickle = file.read(1) == b"\x80"
        what = "a pickle, which can run code and is never read" if is_pickle else "no HDF5 file or archive"
        raise UnreadableError(f"it is {what}; accepted: {', '.join(_ENDINGS)}")
    with h5py.File(path, "r") as file:
        text = attribute(file, "model_config")
        yield None if text is None else json.loads(text), file


def _member(archive: zipfile.ZipFile, name: str, most_bytes: int | None) -> bytes:
    """Read a member of an archive, in memory."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise UnreadableError(f"the archive has no {name}; accepted: what Keras 3 saves as .keras") from None
    most = _MOST_COMPRESSION * info.compress_size if most_bytes is None else most_bytes
    if info.file_size > most:
        raise UnreadableError(f"its {name} unpacks to {info.file_size} bytes; accepted: {most} at most")
    return archive.read(info)


def _network(found: Match, graph: Graph, file: WeightFile) -> SiameseNetwork:
    """Make a network; nothing of its size is allocated before its shapes are those of the file."""
    architecture = found.architecture
    core.embedding_size(native_encoder(architecture.encoder), input_shape=architecture.input_shape)  # that it fits
    layers = {name: file.layer(node, graph.groups) for name, node in found.layers.items()}
    calibration = {name: layers.pop(name) for name in list(layers) if name.startswith("calibration.")}
    weights = from_keras(layers, architecture, is_channels_first=found.is_channels_first)
    if "head.weight" in weights:  # of scale * distance + offset
        weights["head.bias"] = weights["head.bias"] + weights["head.weight"].sum() * np.float32(found.head_offset)
        weights["head.weight"] = weights["head.weight"] * np.float32(found.head_scale)
    if calibration:
        weights |= _calibration(calibration, architecture.embedding_size())
        weights["calibration.power"] = np.array(found.power, dtype=np.float32)
        weights["calibration.shifts"] = np.zeros((1, 2), dtype=np.float32)
    if architecture.num_classes is not None:
        loss: Any = CrossEntropy()
    else:
        loss = Contrastive() if architecture.head is None else BinaryCrossentropy()
    net = SiameseNetwork(
        architecture.encoder,
        distance=architecture.distance,  # type: ignore[arg-type]
        head="dense" if architecture.head else None,
        loss=loss,
    )
    channels, *sides = architecture.input_shape
    net.build(sides if channels == 1 else (channels, *sides), num_classes=architecture.num_classes)
    if architecture.num_classes is not None:
        net.train_classes_ = tuple(map(str, range(architecture.num_classes)))  # Keras has numbers for them
    return net.set_weights(weights)


def _calibration(layers: Mapping[str, LayerArrays], size: int) -> dict[str, FloatArray]:
    found = {
        "calibration.mean": layers["calibration.mean"].arrays["moving_mean"],
        "calibration.matrix": layers["calibration.matrix"].arrays["kernel"],
    }
    for (name, array), shape in zip(found.items(), ((size,), (size, size)), strict=True):
        if array.shape != shape:
            raise UnreadableError(f"layer {layers[name].name!r} has a shape of {array.shape}; {name} needs {shape}")
    return {name: np.asarray(array, dtype=np.float32) for name, array in found.items()}


def _fill(net: SiameseNetwork, described: Any, file: WeightFile) -> SiameseNetwork:
    """Put the weights of a file into a network, kind by kind."""
    architecture = Architecture.of(net)
    if architecture.encoder.pooling == "flatten" and not architecture.encoder.dense:
        raise UnreadableError(
            "weights alone do not say in which order a flattened map is, and the network has no dense layer after it; "
            "accepted: a whole model"
        )
    layers = file.layers()
    wanted = list(architecture.weighted_layers())
    if wanted[-1].name == "classifier" and sum(each.kind == "dense" for each in layers) < sum(
        each.kind == "dense" for each in wanted
    ):
        wanted.pop()
    weights = from_keras(in_file_order(layers, wanted), architecture)
    if described is not None:
        _check_options(described, net)
    kept = {name: array for name, array in net.weights().items() if not name.startswith("calibration.")}
    return net.set_weights(kept | weights)


def _check_options(described: Any, net: SiameseNetwork) -> None:
    """Refuse a model whose layers have the network's shapes, but compute something else."""
    try:
        graph = read_graph(described)
        found = match(graph, distance=net.distance, input_shape=net.input_shape_).architecture
    except UnreadableError:
        return  # what cannot be recognised cannot be compared: the caller says that the weights fit
    own = Architecture.of(net).encoder
    blocks = zip(found.encoder.blocks, own.blocks, strict=False)
    dense = zip(found.encoder.dense, own.dense, strict=False)
    pairs: list[tuple[str, Any, Any]] = [("the encoder", found.encoder, own)]
    pairs += [(f"block{number}", *both) for number, both in enumerate(blocks, start=1)]
    pairs += [(f"dense{number}", *both) for number, both in enumerate(dense, start=1)]
    if len(graph.inputs) == 2:
        pairs.append(("the comparison", found, net))
    for where, theirs, ours in pairs:
        for option in _OPTIONS:
            own = getattr(ours, option, None)
            if hasattr(theirs, option) and getattr(theirs, option) != own:
                value = getattr(theirs, option)
                raise UnreadableError(f"{where} has {option} {value!r} in the file, {own!r} in the network")


# ---- Writing


def _keras_arrays(
    weights: dict[str, FloatArray], architecture: Architecture, part: Part
) -> dict[str, dict[str, FloatArray]]:
    """Return the weights of a part by the names of Keras's layers."""
    if architecture.has_cosine_classifier:
        rows = weights["classifier.weight"]
        weights["classifier.weight"] = rows / np.sqrt(np.maximum(np.square(rows).sum(1, keepdims=True), 1e-12))
    arrays = {layer_name(name): own for name, own in to_keras_arrays(weights, architecture).items()}
    if part != "classifier":
        arrays.pop("classifier", None)
    if part != "siamese" or not architecture.uses_head:
        arrays.pop("head", None)
    if architecture.is_calibrated:
        mean = weights["calibration.mean"]
        # A batch norm that divides by 1
        variance = np.full_like(mean, 1 - 1e-3)
        arrays["calibration_mean"] = {"moving_mean": mean, "moving_variance": variance}
        arrays["calibration_matrix"] = {"kernel": weights["calibration.matrix"]}
    return arrays


def _numbered_file(h5py: Any, graph: Graph, arrays: Mapping[str, Mapping[str, FloatArray]]) -> bytes:
    """Return a file of weights in Keras 3's form."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, group in graph.groups.items():
            variables = file.create_group("/".join(f"layers/{word}" for word in group) + "/vars")
            variables.attrs["name"] = path[-1]
            for number, array in enumerate(arrays.get(path[-1], {}).values()):
                variables[str(number)] = array
    return content.getvalue()


def _legacy_file(
    h5py: Any, described: dict[str, Any], graph: Graph, arrays: Mapping[str, Mapping[str, FloatArray]]
) -> bytes:
    """Return a whole model in the older form."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        versions = {"keras_version": _KERAS_VERSION, "backend": "tensorflow"}
        file.attrs.update({**versions, "model_config": json.dumps(described)})
        root = file.create_group("model_weights")
        root.attrs.update({**versions, "layer_names": [path[-1] for path in graph.groups if len(path) == 1]})
        for (top,) in [path for path in graph.groups if len(path) == 1]:
            group = root.create_group(top)
            inner = [own[-1] for own in graph.groups if own[:1] == (top,) and own[-1] in arrays]
            names = [f"{layer}/{variable}" for layer in inner for variable in arrays[layer]]
            names.sort(key=lambda name: "/moving_" in name)  # what training changes comes first
            for name in names:
                layer, variable = name.split("/")
                group[name] = arrays[layer][variable]
            group.attrs["weight_names"] = names or np.zeros(0)
    return content.getvalue()
