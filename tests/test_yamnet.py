"""YAMNet: its own published outputs, files of its weights, and what is built on it."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

import siamaudio as sa
from siamaudio.models import yamnet_weights
from siamaudio.models.yamnet_features import num_patches, padded_length
from yamnet_files import published_h5, random_norms, random_weights

FloatArray = NDArray[np.float32]


@pytest.fixture(scope="module")
def untrained() -> sa.models.Yamnet:
    """A network with random weights."""
    return sa.models.Yamnet(random_weights(), class_names=list("abcde"))


@pytest.fixture(scope="module")
def yamnet(shared_data: Path) -> sa.models.Yamnet:
    """The published network."""
    folder = shared_data / "yamnet"
    return sa.models.Yamnet.from_tflite(folder / "yamnet.tflite", class_map=folder / "yamnet_class_map.csv")


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> dict[str, NDArray[Any]]:
    """Outputs of a float implementation that agrees with TensorFlow's."""
    with np.load(shared_data / "yamnet" / "golden.npz") as file:
        return dict(file)


def golden_clips(shared_data: Path, golden: dict[str, NDArray[Any]]) -> FloatArray:
    """The signals of the golden clips at 44.1 kHz [shape=(clips, samples)]."""
    folder = shared_data / "esc50-fold4" / "audio"
    return np.stack([sa.load(folder / Path(str(name)).with_suffix(".flac"))[0] for name in golden["names"]])


def resampled_as_golden(clips: FloatArray) -> FloatArray:
    """At 16 kHz by SciPy's filter, which lets through what libsoxr's cuts off near 8 kHz."""
    return resample_poly(clips.astype(np.float64), 160, 441, axis=-1)


# ---- Against published outputs


def cosines(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.sum(a * b, axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


SIGNALS = ("tone1k", "chirp", "noise", "short")


def test_log_mel(shared_data: Path, golden: dict[str, NDArray[Any]]) -> None:
    spectrograms = sa.models.yamnet_log_mel(resampled_as_golden(golden_clips(shared_data, golden)))
    assert spectrograms.shape == (12, 64, 528)
    np.testing.assert_allclose(spectrograms[:, :, :96], golden["float_logmel0"].transpose(0, 2, 1), atol=1e-3)


@pytest.mark.parametrize("signal", SIGNALS)
def test_log_mel_of_synthetic_signals(golden: dict[str, NDArray[Any]], signal: str) -> None:
    patches = sa.patches(sa.models.yamnet_log_mel(golden[f"syn_{signal}"]))
    expected = golden[f"syn_{signal}_float_logmel"].transpose(0, 2, 1)
    assert patches.shape == expected.shape  # among them half a second, which is padded to one patch
    # Pure tones leave bands almost silent, in which float32's rounding of the tone is what the logarithm shows.
    rounding = 1e-7 * np.exp(expected).max()
    assert (np.abs(np.exp(patches) - np.exp(expected)) <= 1e-3 * np.exp(expected) + rounding).all()
    if signal == "noise":
        np.testing.assert_allclose(patches, expected, atol=1e-5)


def test_network_on_given_log_mel(yamnet: sa.models.Yamnet, golden: dict[str, NDArray[Any]]) -> None:
    patches = golden["float_logmel0"].transpose(0, 2, 1)
    np.testing.assert_allclose(yamnet.embed_patches(patches)[:, 0], golden["float_emb"][:, 0], atol=1e-4)
    np.testing.assert_allclose(yamnet.scores(patches)[:, 0], golden["float_scores"][:, 0], atol=1e-4)
    for signal in SIGNALS:
        patches = golden[f"syn_{signal}_float_logmel"].transpose(0, 2, 1)
        np.testing.assert_allclose(yamnet.embed_patches(patches)[:, 0], golden[f"syn_{signal}_float_emb"], atol=1e-4)
        np.testing.assert_allclose(yamnet.scores(patches)[:, 0], golden[f"syn_{signal}_float_scores"], atol=1e-4)


def test_network_on_the_log_mel_of_tflite(yamnet: sa.models.Yamnet, golden: dict[str, NDArray[Any]]) -> None:
    embeddings = yamnet.embed_patches(golden["xnn_logmel0"].transpose(0, 2, 1))[:, 0]
    assert cosines(embeddings, golden["xnn_emb"][:, 0]).min() >= 0.999


def test_end_to_end(shared_data: Path, yamnet: sa.models.Yamnet, golden: dict[str, NDArray[Any]]) -> None:
    clips = golden_clips(shared_data, golden)
    features = sa.models.yamnet_log_mel(resampled_as_golden(clips))
    embeddings = yamnet.embed_patches(features)
    assert embeddings.shape == golden["float_emb"].shape
    assert cosines(embeddings, golden["float_emb"]).min() >= 0.9999
    scores = yamnet.scores(features)
    np.testing.assert_allclose(scores, golden["float_scores"], atol=1e-3)
    # Of clips of one length, `predict` is the class of the mean score.
    expected = np.array(yamnet.class_names)[golden["float_scores"].mean(axis=1).argmax(axis=1)]
    assert (yamnet.predict(features) == expected).all()
    # With our own resampling.
    ours = sa.models.yamnet_log_mel(sa.resample(clips, orig_sr=44100, target_sr=16000))
    vectors = yamnet.embed(ours)
    assert cosines(vectors, golden["float_emb"].mean(axis=1)).min() >= 0.999
    assert (yamnet.predict(ours) == expected).mean() >= 11 / 12


def test_class_names(yamnet: sa.models.Yamnet) -> None:
    assert len(yamnet.class_names) == 521
    assert yamnet.class_names[:2] == ("Speech", "Child speech, kid speaking")


# ---- What YAMNet hears


def test_padded_length() -> None:
    samples = np.arange(0, 60000)
    expected = [next(n for n in range(15600, 10**6, 7680) if n >= size) for size in samples]
    assert [padded_length(int(size)) for size in samples] == expected


def test_num_patches() -> None:
    """As many as there are after padding, but for signals that end less than a hop after the last whole patch."""
    front_end = sa.LogMel.preset("yamnet")
    for size in (1, 15600, 15601 + 160, 23280, 23280 + 160, 80000):
        frames = max(0, front_end.num_frames(size))
        padded = front_end.num_frames(padded_length(size))
        assert num_patches(frames) == 1 + (padded - 96) // 48


def test_scale_minmax(rng: np.random.Generator) -> None:
    y = rng.uniform(-0.3, 0.1, (2, 20000)).astype(np.float32)
    scaled = (y - y.min(axis=1, keepdims=True)) / np.ptp(y, axis=1, keepdims=True)
    own = sa.models.yamnet_log_mel(y, scale="minmax")
    np.testing.assert_allclose(own, sa.models.yamnet_log_mel(scaled), atol=1e-3)
    np.testing.assert_array_equal(
        sa.models.yamnet_log_mel(np.full(16000, 0.5), scale="minmax"), sa.models.yamnet_log_mel(np.zeros(16000))
    )
    with pytest.raises(sa.ParameterError, match="scale"):
        sa.models.yamnet_log_mel(y, scale="max")  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [None, "minmax"])
def test_features_of_clips(scale: Any) -> None:
    clips = sa.datasets.synthetic(2, 2)
    features = sa.models.yamnet_features(clips, scale=scale, cache=False, progress=False)
    for index, path in enumerate(clips.paths):
        y, _ = sa.load(path, sr=16000)
        expected = sa.models.yamnet_log_mel(y, scale=scale)
        np.testing.assert_allclose(features.array[index], expected, atol=1e-4)
    np.testing.assert_array_equal(features.lengths, 148)
    shorter = sa.models.yamnet_features(clips, duration=0.5, scale=scale, cache=False, progress=False)
    assert shorter.shape == (4, 64, 96)
    with pytest.raises(sa.ParameterError, match="duration"):
        sa.models.yamnet_features(clips, duration=0.0)


# ---- Vectors of clips


def test_embed_and_patches(untrained: sa.models.Yamnet, rng: np.random.Generator) -> None:
    spectrograms = rng.standard_normal((3, 64, 96 + 48 + 20)).astype(np.float32)
    patches = untrained.embed_patches(spectrograms)
    assert patches.shape == (3, 2, 1024)
    alone = untrained.embed_patches(spectrograms[1:2, :, 48:144])[:, 0]
    np.testing.assert_allclose(patches[1:2, 1], alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(untrained.embed(spectrograms), sa.models.clip_vectors(patches, "mean"))
    both = untrained.embed(spectrograms, vectors="std+delta", num_threads=1)
    np.testing.assert_allclose(both, sa.models.clip_vectors(patches, "std+delta"), atol=1e-5)
    scores = untrained.scores(spectrograms)
    assert scores.shape == (3, 2, 5)
    best = scores.mean(axis=1).argmax(axis=1)
    assert list(untrained.predict(spectrograms)) == [untrained.class_names[i] for i in best]


def test_patches_after_the_signal_are_left_out(untrained: sa.models.Yamnet, rng: np.random.Generator) -> None:
    spectrograms = rng.standard_normal((3, 64, 240)).astype(np.float32)  # 4 patches
    features = sa.Features.from_arrays(spectrograms, ["a", "a", "b"], lengths=[240, 97, 3])
    patches = untrained.embed_patches(features)
    expected = [patches[0].mean(axis=0), patches[1, :2].mean(axis=0), patches[2, 0]]
    np.testing.assert_allclose(untrained.embed(features), expected, atol=1e-5)
    scores = untrained.scores(features)
    best = [scores[0].mean(axis=0).argmax(), scores[1, :2].mean(axis=0).argmax(), scores[2, 0].argmax()]
    assert list(untrained.predict(features)) == [untrained.class_names[i] for i in best]


def naive_slope(values: FloatArray, width: int) -> FloatArray:
    """Slope of the line through `width` values around each, by least squares; at the ends that of the outermost."""
    half = width // 2
    slopes = []
    for i in range(len(values)):
        middle = min(max(i, half), len(values) - 1 - half)
        window = values[middle - half : middle + half + 1]
        slopes.append(np.polyfit(np.arange(width), window, 1)[0])
    return np.array(slopes)


def test_clip_vectors(rng: np.random.Generator) -> None:
    patches = rng.standard_normal((2, 11, 16)).astype(np.float32)
    vectors = sa.models.clip_vectors(patches, "mean+std+delta+delta_time")
    assert vectors.dtype == np.float32
    for clip, vector in zip(patches, vectors, strict=True):
        mean, std, delta, delta_time = vector.reshape(4, 16)
        np.testing.assert_allclose(mean, sum(clip) / 11, atol=1e-6)
        np.testing.assert_allclose(std, np.sqrt(sum((row - mean) ** 2 for row in clip) / 11), atol=1e-6)
        along_features = np.mean([naive_slope(row, 9) for row in clip], axis=0)
        np.testing.assert_allclose(delta, along_features, atol=1e-6)
        along_time = [naive_slope(clip[:, feature], 9).mean() for feature in range(16)]
        np.testing.assert_allclose(delta_time, along_time, atol=1e-6)


def test_clip_vectors_of_few_patches(rng: np.random.Generator) -> None:
    clips = [rng.standard_normal((count, 16)).astype(np.float32) for count in (1, 2, 5, 12)]
    vectors = sa.models.clip_vectors(clips, "std+delta_time")
    assert vectors.shape == (4, 32)
    assert not vectors[0].any()
    np.testing.assert_allclose(vectors[1, 16:], clips[1][1] - clips[1][0], atol=1e-6)
    slope = np.polyfit(np.arange(5), clips[2], 1)[0]
    np.testing.assert_allclose(vectors[2, 16:], slope, atol=1e-6)
    np.testing.assert_allclose(vectors[3], sa.models.clip_vectors(clips[3][None], "std+delta_time")[0], atol=1e-6)


def test_librosa_agrees_on_delta(rng: np.random.Generator) -> None:
    librosa = pytest.importorskip("librosa")
    patches = rng.standard_normal((1, 10, 32)).astype(np.float32)
    expected = librosa.feature.delta(patches[0]).mean(axis=0)
    np.testing.assert_allclose(sa.models.clip_vectors(patches, "delta")[0], expected, atol=1e-6)


@pytest.mark.parametrize("vectors", ["", "max", "mean+", "mean+mean", "Mean", None])
def test_unknown_vectors(vectors: Any) -> None:
    with pytest.raises(sa.ParameterError, match="delta_time"):
        sa.models.clip_vectors(np.zeros((1, 2, 16)), vectors)


@pytest.mark.parametrize(
    "embeddings",
    [np.zeros((2, 16)), np.zeros((2, 0, 16)), [], [np.zeros((1, 16)), np.zeros((1, 15))], [np.zeros((0, 16))]],
)
def test_unusable_patches(embeddings: Any) -> None:
    with pytest.raises(sa.ParameterError, match="patches"):
        sa.models.clip_vectors(embeddings)


def test_unusable_spectrograms(untrained: sa.models.Yamnet) -> None:
    for shape in ((64, 96), (2, 64, 95), (2, 63, 96), (2, 1, 64, 96)):
        with pytest.raises(sa.ParameterError, match="frames"):
            untrained.embed(np.zeros(shape))
    other = sa.LogMel(sr=16000, n_mels=64, hop_length=160).transform(
        sa.datasets.synthetic(2, 2), cache=False, progress=False
    )
    with pytest.raises(sa.ParameterError, match="yamnet"):
        untrained.embed(other)
    assert untrained.embed(np.zeros((0, 64, 96))).shape == (0, 1024)


# ---- Files


def test_save_and_load(untrained: sa.models.Yamnet, rng: np.random.Generator, tmp_path: Path) -> None:
    untrained.save(tmp_path / "own.safetensors")
    loaded = sa.models.Yamnet.load(tmp_path / "own.safetensors", vectors="mean+std")
    assert loaded.class_names == untrained.class_names
    spectrograms = rng.standard_normal((2, 64, 96)).astype(np.float32)
    np.testing.assert_array_equal(loaded.scores(spectrograms), untrained.scores(spectrograms))
    assert loaded.fingerprint() != untrained.fingerprint()
    assert sa.models.Yamnet.load(tmp_path / "own.safetensors").fingerprint() == untrained.fingerprint()
    others = random_weights(seed=1)
    assert sa.models.Yamnet(others).fingerprint() != untrained.fingerprint()


def test_from_keras_folds_batch_norm(rng: np.random.Generator, tmp_path: Path) -> None:
    weights = random_weights()
    norms = random_norms(weights, rng)
    norms["layer2/depthwise_conv"]["moving_variance"][:] = 1e-4  # where the epsilon counts most
    published_h5(tmp_path / "yamnet.h5", weights, norms)
    loaded = sa.models.Yamnet.from_keras(tmp_path / "yamnet.h5").weights()
    assert set(loaded) == set(weights)
    for name, values in weights.items():
        layer = name.rsplit(".", 1)[0].replace(".", "/")
        if layer == "dense":
            np.testing.assert_array_equal(loaded[name], values)
            continue
        norm = {variable: array.astype(np.float64) for variable, array in norms[layer].items()}
        deviation = np.sqrt(norm["moving_variance"] + 1e-4)
        if name.endswith(".bias"):
            expected = norm["beta"] - norm["moving_mean"] / deviation
        else:
            expected = values / deviation[:, None, None, None]
        np.testing.assert_allclose(loaded[name], expected, rtol=1e-6, atol=1e-7)


def test_files_of_other_models(shared_data: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    load, from_keras, from_tflite = sa.models.Yamnet.load, sa.models.Yamnet.from_keras, sa.models.Yamnet.from_tflite
    blocks = (sa.ConvBlock(filters=2, kernel_size=3),)
    sa.SiameseNetwork(sa.ConvEncoder(blocks=blocks)).build((8, 8)).save(tmp_path / "net.siam")
    with pytest.raises(sa.CheckpointError, match="is a siamese network, not a YAMNet"):
        load(tmp_path / "net.siam")
    sa.models.Yamnet(random_weights()).save(tmp_path / "own.safetensors")
    with pytest.raises(sa.CheckpointError, match="is a YAMNet, not a siamese network"):
        sa.SiameseNetwork.load(tmp_path / "own.safetensors")
    with pytest.raises(sa.CheckpointError, match="from_tflite reads it"):
        load(shared_data / "yamnet" / "yamnet.tflite")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        group = file.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        group["dense/kernel:0"], group["dense/bias:0"] = np.zeros((4, 2)), np.zeros(2)
    with pytest.raises(sa.CheckpointError, match=r"holds no YAMNet: layer1\.conv\.weight is missing"):
        from_keras(tmp_path / "other.h5")
    with pytest.raises(sa.CheckpointError, match="from_keras reads it"):
        load(tmp_path / "other.h5")
    for read in (load, from_keras, from_tflite):
        with pytest.raises(sa.CheckpointError, match="no such file"):
            read(tmp_path / "none")
        (tmp_path / "text").write_text("no weights")
        with pytest.raises(sa.CheckpointError, match="text"):
            read(tmp_path / "text")


@pytest.mark.parametrize("change", ["missing", "shape", "nan", "unknown"])
def test_weights_of_another_model(change: str) -> None:
    weights = random_weights()
    if change == "missing":
        del weights["layer7.pointwise_conv.bias"]
    elif change == "shape":
        weights["layer7.pointwise_conv.bias"] = np.zeros(511, np.float32)
    elif change == "nan":
        weights["layer7.pointwise_conv.bias"][3] = np.nan
    else:
        weights["layer15.conv.bias"] = np.zeros(3, np.float32)
    with pytest.raises(sa.CheckpointError, match="layer15" if change == "unknown" else "layer7.pointwise_conv.bias"):
        sa.models.Yamnet(weights)


def test_cut_short_files(shared_data: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    content = (shared_data / "yamnet" / "yamnet.tflite").read_bytes()
    weights = random_weights()
    published_h5(tmp_path / "whole.h5", weights, random_norms(weights, rng))
    sa.models.Yamnet(weights).save(tmp_path / "whole.safetensors")
    contents = {
        "from_tflite": content,
        "from_keras": (tmp_path / "whole.h5").read_bytes(),
        "load": (tmp_path / "whole.safetensors").read_bytes(),
    }
    for method, whole in contents.items():
        for share in (0.0, 0.001, 0.3, 0.9):
            path = tmp_path / "cut"
            path.write_bytes(whole[: max(4, int(share * len(whole)))])
            with pytest.raises(sa.CheckpointError, match="cut"):
                getattr(sa.models.Yamnet, method)(path)


def test_damaged_tflite(shared_data: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    """Whatever bytes are changed: weights come out, or a CheckpointError."""
    content = (shared_data / "yamnet" / "yamnet.tflite").read_bytes()
    path = tmp_path / "damaged.tflite"
    for trial in range(30):
        damaged = bytearray(content)
        places = rng.integers(8, 64, 3) if trial % 2 else rng.integers(len(content) - 100_000, len(content), 300)
        for place in places:
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            yamnet_weights.read_tflite(path)
        except sa.CheckpointError as error:
            assert str(path) in str(error)  # noqa: PT017


def test_class_map(tmp_path: Path, shared_data: Path) -> None:
    tflite = shared_data / "yamnet" / "yamnet.tflite"
    (tmp_path / "few.csv").write_text("index,mid,display_name\n0,/m/1,Bark\n1,/m/2,Meow\n")
    with pytest.raises(sa.CheckpointError, match="names 2 classes, and the network has 521"):
        sa.models.Yamnet.from_tflite(tflite, class_map=tmp_path / "few.csv")
    for text in ("", "index,name\n0,Bark\n", "index,mid,display_name\n1,/m/1,Bark\n"):
        (tmp_path / "wrong.csv").write_text(text)
        with pytest.raises(sa.CheckpointError, match="no class map"):
            sa.models.Yamnet.from_tflite(tflite, class_map=tmp_path / "wrong.csv")
    with pytest.raises(sa.CheckpointError, match="no such file"):
        sa.models.Yamnet.from_tflite(tflite, class_map=tmp_path / "none.csv")
    with pytest.raises(sa.ParameterError, match="class_map"):
        sa.models.Yamnet(random_weights()).predict(np.zeros((1, 64, 96)))
    with pytest.raises(sa.ParameterError, match="5, one a class"):
        sa.models.Yamnet(random_weights(), class_names=["a"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server for a folder: its address, and the folder."""
    pytest.importorskip("pooch")
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, directory=str(folder), **options)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()
        thread.join()


def test_fetch(server: tuple[str, Path], rng: np.random.Generator) -> None:
    address, folder = server
    weights = random_weights()
    published_h5(folder / "yamnet.h5", weights, random_norms(weights, rng))
    expected = sa.models.Yamnet.from_keras(folder / "yamnet.h5").fingerprint()
    digest = hashlib.sha256((folder / "yamnet.h5").read_bytes()).hexdigest()
    fetch = sa.models.Yamnet.download
    with pytest.raises(sa.DatasetError, match="not the file that was expected"):
        fetch(f"{address}/yamnet.h5", checksum=f"sha256:{'0' * 64}", progress=False)
    assert fetch(f"{address}/yamnet.h5", checksum=f"sha256:{digest}", progress=False).fingerprint() == expected
    (folder / "yamnet.h5").unlink()
    assert fetch(f"{address}/yamnet.h5", checksum=f"sha256:{digest}", progress=False).fingerprint() == expected
    sa.models.Yamnet(weights).save(folder / "own.safetensors")
    with pytest.warns(UserWarning, match="was not checked"):
        own = fetch(f"{address}/own.safetensors", progress=False)
    assert own.fingerprint() == sa.models.Yamnet(weights).fingerprint()


# ---- In a siamese network


def two_tones(num_clips: int, *, seed: int) -> sa.Features:
    """Spectrograms of two classes: energy in low or in high bands."""
    rng = np.random.default_rng(seed)
    spectrograms = rng.normal(-5, 0.5, (2 * num_clips, 64, 144)).astype(np.float32)
    spectrograms[:num_clips, 5:15] += 4
    spectrograms[num_clips:, 40:50] += 4
    return sa.Features.from_arrays(spectrograms, ["low"] * num_clips + ["high"] * num_clips)


def small_network(weights: str | None, *, trainable: bool = False, **options: Any) -> sa.SiameseNetwork:
    encoder = sa.YamnetEncoder(
        weights=weights, trainable=trainable, dense=(sa.Dense(units=6, batch_norm=False, dropout=0.0),)
    )
    return sa.SiameseNetwork(
        encoder,
        distance="cosine",
        head=None,
        loss=sa.losses.SupervisedContrastive(),
        sampler=sa.samplers.Balanced(batch_size=8, clips_per_class=4),
        **options,
    )


@pytest.fixture(scope="module")
def weight_file(untrained: sa.models.Yamnet, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "yamnet.safetensors"
    untrained.save(path)
    return str(path)


def yamnet_part(net: sa.SiameseNetwork) -> dict[str, FloatArray]:
    start = "encoder.yamnet."
    return {name.removeprefix(start): values for name, values in net.weights().items() if name.startswith(start)}


def test_encoder_has_the_weights_of_its_file(weight_file: str, untrained: sa.models.Yamnet) -> None:
    net = small_network(weight_file).build((64, 144))
    pretrained = untrained.weights()
    assert set(yamnet_part(net)) | {"dense.weight", "dense.bias"} == set(pretrained)
    for name, values in yamnet_part(net).items():
        np.testing.assert_array_equal(values, pretrained[name])
    assert net.num_parameters() == 6 * 1024 + 6
    features = two_tones(2, seed=0)
    weights = net.weights()
    sums = untrained.embed(features) @ weights["encoder.dense1.weight"].T + weights["encoder.dense1.bias"]
    np.testing.assert_allclose(net.embed(features), 1 / (1 + np.exp(-sums)), atol=1e-5)
    assert net.embed(features.array[:, :, :100]).shape == (4, 6)
    assert any(layer.name == "encoder.yamnet.layer14.pointwise_conv" for layer in net.summary().layers)
    assert net.summary().num_parameters == net.num_parameters()


@pytest.mark.parametrize("trainable", [False, True])
def test_fine_tuning_changes_yamnet_and_freezing_does_not(weight_file: str, trainable: bool) -> None:
    net = small_network(weight_file, trainable=trainable).build((64, 144))
    before = net.weights()
    net.fit(two_tones(4, seed=0), epochs=1, batch_size=8, warm_start=True, progress=False, num_threads=1)
    after = net.weights()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    expected = set(before) if trainable else {"encoder.dense1.weight", "encoder.dense1.bias"}
    assert changed == expected


def test_frozen_yamnet_runs_once_over_the_clips(weight_file: str) -> None:
    """Training on spectrograms is training dense layers on the vectors that YAMNet makes of them, bit for bit."""
    features = two_tones(4, seed=0)
    net = small_network(weight_file)
    net.fit(features, validation=None, epochs=3, seed=5, progress=False, num_threads=1)
    vectors = sa.models.Yamnet.load(weight_file).transform(features, num_threads=1)
    encoder = sa.ConvEncoder(blocks=(), input_batch_norm=False, dense=net.encoder.dense)
    head = sa.SiameseNetwork(**{**net.get_params(deep=False), "encoder": encoder}).build(vectors.shape[1:])
    first = small_network(weight_file).build(features.shape[1:], seed=5).weights()
    head.set_weights({name: first[name] for name in head.weights()})
    head.fit(vectors, epochs=3, seed=5, warm_start=True, progress=False, num_threads=1)
    for name, values in head.weights().items():
        np.testing.assert_allclose(net.weights()[name], values, atol=1e-6)
    np.testing.assert_allclose(net.history_["loss"], head.history_["loss"], rtol=1e-5)


def test_frozen_yamnet_with_augmentation_and_validation(weight_file: str) -> None:
    train, test = two_tones(4, seed=0), two_tones(4, seed=1)
    test = sa.Features.from_arrays(test.array, ["other low"] * 4 + ["other high"] * 4)
    net = small_network(weight_file, augment=(sa.augment.SpecAugment(max_time_frames=10, max_bands=4),))
    net.fit(train, validation=test, epochs=2, progress=False, num_threads=1)
    assert len(net.history_) == 2
    assert net.history_["validation_accuracy"][0] > 0.5


def test_saved_networks_need_no_weight_file(weight_file: str, untrained: sa.models.Yamnet, tmp_path: Path) -> None:
    untrained.save(tmp_path / "own.safetensors")
    features = two_tones(4, seed=0)
    net = small_network(str(tmp_path / "own.safetensors"))
    net.fit(features, epochs=1, progress=False, num_threads=1)
    net.calibrate(features)
    net.save(tmp_path / "net.siam")
    (tmp_path / "own.safetensors").unlink()
    loaded = sa.SiameseNetwork.load(tmp_path / "net.siam")
    assert loaded.encoder == net.encoder
    np.testing.assert_array_equal(loaded.embed(features), net.embed(features))
    with pytest.raises(sa.CheckpointError, match="no such file"):
        loaded.fit(features, epochs=1, progress=False)
    with pytest.raises(sa.ParameterError, match="ConvEncoder"):
        sa.interop.to_torch(loaded)


def test_refused_encoders(weight_file: str, tmp_path: Path) -> None:
    with pytest.raises(sa.ParameterError, match=r"encoder\.weights"):
        small_network(None).build((64, 144))
    small_network(None, trainable=True).build((64, 144))
    with pytest.raises(sa.CheckpointError, match="no such file"):
        small_network(str(tmp_path / "none")).build((64, 144))
    for shape in ((64, 95), (63, 144), (2, 64, 144)):
        with pytest.raises(sa.ParameterError, match="96 frames or more"):
            small_network(weight_file).build(shape)
    nothing = sa.SiameseNetwork(
        sa.YamnetEncoder(weights=weight_file), distance="cosine", head=None, loss="supervised_contrastive"
    )
    with pytest.raises(sa.ParameterError, match="nothing to train"):
        nothing.fit(two_tones(4, seed=0), epochs=1, progress=False)


def test_encoder_options() -> None:
    encoder = sa.YamnetEncoder(weights="a", trainable=True, dense=(sa.Dense(units=3),), l2_normalize=True)
    assert sa.YamnetEncoder.from_dict(encoder.to_dict()) == encoder
    assert encoder.to_dict()["type"] == "yamnet"
    assert encoder.embedding_size((1, 64, 96)) == 3
    net = sa.SiameseNetwork(sa.YamnetEncoder()).set_from_text({"encoder.weights": "b", "encoder.trainable": "true"})
    assert net.encoder == sa.YamnetEncoder(weights="b", trainable=True)


def test_head_preset() -> None:
    """It tells classes apart better than the vectors that it is trained on."""
    rng = np.random.default_rng(0)
    centres = np.abs(rng.standard_normal((24, 1, 1, 1024)))
    shared = 0.5 * rng.standard_normal((1, 5, 1024))  # what differs within classes, the same way in all
    clips = centres + rng.standard_normal((24, 8, 1, 5)) @ shared
    features = sa.Features.from_arrays(clips.reshape(-1, 1, 1024), np.repeat([f"{i:02}" for i in range(24)], 8))
    train, _, test = features.split_classes(18, 0, 6, seed=0)
    net = sa.SiameseNetwork.preset("yamnet_head").fit(train, epochs=20, progress=False, num_threads=1)
    plain = sa.evaluate_oneshot(embeddings=test.array[:, 0], labels=test.labels).accuracy
    assert sa.evaluate_oneshot(net, test).accuracy > plain + 0.3
