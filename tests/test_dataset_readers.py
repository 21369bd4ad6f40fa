"""AudioMNIST, Speech Commands, Parquet tables, images and spectrograms: small made ones, and the real ones."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import siamaudio as sa
from siamaudio.errors import DatasetError, ParameterError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


# ---- AudioMNIST


def test_audiomnist_for_real(shared_data: Path) -> None:
    root = shared_data / "audiomnist-test"
    files = sorted(path for path in root.glob("*/*.flac"))
    speakers = sa.datasets.audiomnist(root)
    assert sorted(speakers.paths) == [str(path) for path in files]
    assert speakers.class_names == ("04", "27", "46", "55", "56")
    assert [clip.class_name for clip in speakers] == [Path(clip.path).parent.name for clip in speakers]
    assert len(set(speakers.sources)) == 500
    digits = sa.datasets.audiomnist(root, classes="digit")
    assert Counter(clip.class_name for clip in digits) == Counter({str(digit): 50 for digit in range(10)})
    assert all(Path(clip.path).name[0] == clip.class_name for clip in digits)
    assert all(clip.source == f"speaker {Path(clip.path).name.split('_')[1]}" for clip in digits)
    assert list(sa.datasets.from_path(root)) == list(speakers)


def test_audiomnist_release_layout(tmp_path: Path) -> None:
    touch(tmp_path, "data/01/0_01_0.wav", "data/02/9_02_49.wav", "data/audioMNIST_meta.txt", "models/x/y.wav")
    clips = sa.datasets.audiomnist(tmp_path)
    assert clips.class_names == ("01", "02")
    assert len(clips) == 2


@pytest.mark.parametrize("name", ["01/10_01_0.wav", "01/0_02_0.wav", "01/0_01.wav", "01/zero_01_0.wav"])
def test_other_names_than_audiomnist(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="not named as in AudioMNIST"):
        sa.datasets.audiomnist(touch(tmp_path, "02/1_02_0.wav", name))


def test_audiomnist_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no AudioMNIST found"):
        sa.datasets.audiomnist(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        sa.datasets.audiomnist(tmp_path / "x")
    with pytest.raises(ParameterError, match="classes: got gender; accepted: 'speaker' or 'digit'"):
        sa.datasets.audiomnist(tmp_path, classes="gender")  # type: ignore[arg-type]


# ---- ESC-10 within ESC-50


def test_esc10_is_the_same_in_both_releases(shared_data: Path) -> None:
    """The present release's marks against the original release of ESC-10 itself, in the fold that both have here."""
    present = sa.datasets.esc50(shared_data / "esc50-fold4", esc10=True)
    original = sa.datasets.esc50(shared_data / "esc10")
    assert len(present.class_names) == 10
    assert sorted(present.sources) == sorted(original[original.folds == 4].sources)
    assert set(present.paths) < set(sa.datasets.esc50(shared_data / "esc50-fold4").paths)


def test_esc10_that_nothing_marks(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the present release of ESC-50"):
        sa.datasets.esc50(shared_data / "esc10", esc10=True)
    touch(tmp_path, "audio/1-2-A-0.wav", "meta/esc50.csv")
    (tmp_path / "meta" / "esc50.csv").write_text("filename,fold,category,src_file\n1-2-A-0.wav,1,dog,2\n")
    with pytest.raises(DatasetError, match="no column 'esc10'"):
        sa.datasets.esc50(tmp_path, esc10=True)


# ---- Speech Commands


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    return touch(
        tmp_path,
        "yes/0a7c2a8d_nohash_0.wav",
        "yes/0a7c2a8d_nohash_1.wav",
        "yes/bb_nohash_0.wav",
        "no/0a7c2a8d_nohash_0.wav",
        "no/cc_nohash_2.flac",
        "_background_noise_/white_noise.wav",
    )


def test_speech_commands(commands: Path) -> None:
    clips = sa.datasets.speech_commands(commands)
    assert [(clip.class_name, clip.source, clip.fold) for clip in clips] == [
        ("no", "0a7c2a8d", 0),
        ("no", "cc", 0),
        ("yes", "0a7c2a8d", 0),
        ("yes", "0a7c2a8d", 0),
        ("yes", "bb", 0),
    ]
    assert list(sa.datasets.from_path(commands)) == list(clips)


def test_speech_commands_parts(commands: Path) -> None:
    (commands / "validation_list.txt").write_text("yes/bb_nohash_0.wav\n")
    (commands / "testing_list.txt").write_text("no/cc_nohash_2.wav\nno/0a7c2a8d_nohash_0.wav")
    assert sa.datasets.speech_commands(commands).folds.tolist() == [3, 3, 1, 1, 2]


def test_speech_commands_wrong_use(commands: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (commands / "testing_list.txt").write_text("no/dd_nohash_0.wav")
    with pytest.raises(DatasetError, match=r"testing_list\.txt: no/dd_nohash_0\.wav is not in the folder"):
        sa.datasets.speech_commands(commands)
    (commands / "testing_list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match="a list of files in UTF-8"):
        sa.datasets.speech_commands(commands)
    touch(commands, "no/loud.wav")
    with pytest.raises(DatasetError, match="not named as in Speech Commands"):
        sa.datasets.speech_commands(commands)
    with pytest.raises(DatasetError, match="no Speech Commands found"):
        sa.datasets.speech_commands(tmp_path_factory.mktemp("empty"))


# ---- Parquet


def test_parquet_for_real(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    meta = shared_data / "esc50-fold4" / "meta" / "esc50.csv"
    pd.read_csv(meta).to_parquet(tmp_path / "esc50.parquet")  # folds and sources are numbers there
    audio = shared_data / "esc50-fold4" / "audio"
    expected = sa.datasets.table(meta, root=audio)
    got = sa.datasets.table(tmp_path / "esc50.parquet", root=audio)
    assert list(got) == list(expected)
    assert len(got) == 400


def test_parquet_with_gaps(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    touch(tmp_path, "a.wav", "b.wav")
    frame = {
        "path": ["a.wav", "b.wav"],
        "class": [1, 2],
        "fold": [3.0, None],
        "source": [None, " x "],
        "image": [b"1", b""],
    }
    pd.DataFrame(frame).to_parquet(tmp_path / "t.parquet")
    clips = sa.datasets.from_path(tmp_path / "t.parquet")
    assert [(clip.class_name, clip.fold) for clip in clips] == [("1", 3), ("2", 0)]
    assert clips.sources == (str(tmp_path / "a.wav"), "x")


def test_parquet_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    def refusal(frame: dict[str, Any] | bytes | None) -> str:
        path = tmp_path / "t.parquet"
        if isinstance(frame, dict):
            pd.DataFrame(frame).to_parquet(path)
        elif frame is not None:
            path.write_bytes(frame)
        with pytest.raises(DatasetError) as caught:
            sa.datasets.table(path)
        assert str(caught.value).startswith(str(path))
        return str(caught.value)

    assert "no such file" in refusal(None)
    assert "not readable" in refusal(b"")
    assert "not readable" in refusal(b"PAR1" + bytes(100) + b"PAR1")
    assert "no rows" in refusal({"path": [], "class": []})
    assert "no column 'class'" in refusal({"path": ["a.wav"], "kind": ["x"]})
    assert "row 1: the column 'class' is empty" in refusal({"path": ["a.wav"], "class": [None]}).replace("line", "row")
    assert "is missing" in refusal({"path": ["a.wav"], "class": ["x"]}).replace("are missing", "is missing")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"siamaudio\[parquet\]"):
        sa.datasets.table(tmp_path / "t.parquet")


# ---- Images


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """An IDX file, written by its description alone."""
    header = struct.pack(">HBB", 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype({8: ">u1", 0xD: ">f4", 0xB: ">i2"}[kind]).tobytes()


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Real handwritten digits: 1797 images of 8 x 8, values 0 to 16."""
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_digits()
    return data.images.astype(np.uint8), data.target.astype(np.uint8)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("hyphen", ["-", "."])
def test_idx_files(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], end: str, hyphen: str) -> None:
    pixels, labels = digits
    packed = gzip.compress if end else bytes
    for word, start, stop in (("train", 0, 1000), ("t10k", 1000, 1797)):
        (tmp_path / f"{word}-images{hyphen}idx3-ubyte{end}").write_bytes(packed(idx(pixels[start:stop])))
        (tmp_path / f"{word}-labels{hyphen}idx1-ubyte{end}").write_bytes(packed(idx(labels[start:stop])))
    train, test = sa.datasets.images(tmp_path), sa.datasets.images(tmp_path, part="test")
    np.testing.assert_array_equal(
        np.concatenate([train.array, test.array]), pixels.astype(np.float32) / np.float32(255)
    )
    assert [train.class_names[label] for label in train.labels] == [str(label) for label in labels[:1000]]
    assert len(test) == 797
    # The published experiments' 100 training images of each class
    few, _, rest = train.split(sa.split_clips(train.clips, 90, seed=0))
    assert (len(few), len(rest)) == (900, 100)


def test_npz_images(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> None:
    pixels, labels = digits
    np.savez(tmp_path / "a.npz", x_train=pixels[:9], y_train=labels[:9], x_test=pixels[9:], y_test=labels[9:])
    np.testing.assert_array_equal(
        sa.datasets.images(tmp_path / "a.npz").array, pixels[:9].astype(np.float32) / np.float32(255)
    )
    assert len(sa.datasets.images(tmp_path / "a.npz", part="test")) == 1788
    colours = rng.random((5, 6, 7, 3), dtype=np.float32)  # as CIFAR's, with labels (images, 1)
    np.savez_compressed(tmp_path / "b.npz", images=colours, labels=np.arange(5)[:, None])
    features = sa.datasets.images(tmp_path / "b.npz")
    np.testing.assert_array_equal(features.array, np.moveaxis(colours, 3, 1))


IMAGES = np.zeros((3, 4, 5), np.uint8)
LABELS = np.array([0, 1, 0], np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (idx(IMAGES)[:-1], idx(LABELS), "has another length than its shape of"),
        (idx(IMAGES) + b"\0", idx(LABELS), "has another length than its shape of"),
        (idx(IMAGES)[:9], idx(LABELS), "does not begin as an IDX file"),
        (b"", idx(LABELS), "not readable"),
        (b"PNG" + bytes(100), idx(LABELS), "does not begin as an IDX file"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31), idx(LABELS), "claims a shape of"),
        (idx(IMAGES), idx(LABELS[:2]), r"its images have shape \(3, 4, 5\) of uint8, its labels \(2,\)"),
        (idx(IMAGES[0]), idx(LABELS), "its images have shape"),
        (idx(IMAGES), idx(LABELS, 0xD), "its labels are"),
        (idx(IMAGES), None, "no train-labels-idx1-ubyte"),
    ],
)
def test_damaged_idx_files(tmp_path: Path, images: bytes, labels: bytes | None, message: str) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images)
    if labels is not None:
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(DatasetError, match=message):
        sa.datasets.images(tmp_path)


def test_images_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        sa.datasets.images(tmp_path / "x")
    with pytest.raises(ParameterError, match="part: got validation; accepted: 'train' or 'test'"):
        sa.datasets.images(tmp_path, part="validation")  # type: ignore[arg-type]
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES))[:20])
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DatasetError, match="not readable"):
        sa.datasets.images(tmp_path)
    np.savez(tmp_path / "a.npz", pictures=IMAGES)
    with pytest.raises(DatasetError, match="its arrays are pictures"):
        sa.datasets.images(tmp_path / "a.npz")


# ---- Spectrograms


def test_spectrograms_for_real(shared_data: Path) -> None:
    path = shared_data / "esc50-logspec-128.npz"
    features = sa.datasets.spectrograms(path)
    with np.load(path) as file:
        np.testing.assert_array_equal(np.rint(features.array[::97] * 255), file["spectrograms"][::97])
        assert [features.class_names[label] for label in features.labels] == file["class_name"].tolist()
        assert features.clips.folds.tolist() == file["fold"].tolist()
        names = file["clip"].tolist()
    assert (features.shape, features.dtype, len(features.class_names)) == ((2000, 128, 128), np.float32, 50)
    assert (features.array.min(), features.array.max()) == (0, 1)
    # The sources are those of ESC-50's own table, which is there for fold 4.
    with (shared_data / "esc50-fold4" / "meta" / "esc50.csv").open() as table:
        source_of = {row["filename"].rsplit("-", 1)[0]: row["src_file"] for row in csv.DictReader(table)}
    compared = [
        (source, source_of[name]) for source, name in zip(features.sources, names, strict=True) if name in source_of
    ]
    assert len(compared) == 400
    assert all(ours == theirs for ours, theirs in compared)
    groups = sa.datasets.spectrograms(path, classes="superclass")
    assert Counter(groups.labels.tolist()) == Counter(dict.fromkeys(range(5), 400))


def test_spectrograms_of_ones_own(tmp_path: Path, rng: np.random.Generator) -> None:
    spectrograms = rng.standard_normal((3, 2, 4, 5)).astype(np.float32)
    names = {"clip": ["a", "1-7-B", "c"], "class_name": ["x", "y", "x"]}
    np.savez(tmp_path / "a.npz", spectrograms=spectrograms, **names)
    features = sa.datasets.spectrograms(tmp_path / "a.npz")
    np.testing.assert_array_equal(features.array, spectrograms)
    assert features.sources == ("a", "7", "c")
    np.savez(tmp_path / "b.npz", spectrograms=spectrograms, **names, source=["s", "s", "t"], fold=[1, 2, 3])
    features = sa.datasets.spectrograms(tmp_path / "b.npz")
    assert features.sources == ("s", "s", "t")
    assert features.clips.folds.tolist() == [1, 2, 3]


def npy(shape: str, dtype: str = "|u1", content: bytes = b"") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


class RunsCode:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('a pickle was read')",))


def as_npz(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def saved(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


GOOD = {"spectrograms": np.zeros((2, 4, 4), np.uint8), "class_name": np.array(["a", "b"])}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not readable"),
        (saved(**GOOD)[:200], "not readable"),
        (saved(class_name=GOOD["class_name"]), "no array 'spectrograms'"),
        (saved(**{**GOOD, "spectrograms": np.zeros((2, 4))}), "its spectrograms are float64 of shape"),
        (saved(**{**GOOD, "spectrograms": np.zeros((2, 4, 4), np.int32)}), "its spectrograms are int32"),
        (saved(**{**GOOD, "class_name": np.array(["a"])}), r"its 'class_name' has shape \(1,\) for 2 clips"),
        (saved(**GOOD, fold=np.array(["1", "2"])), "its 'fold' holds <U1"),
        (saved(**{**GOOD, "class_name": np.array([RunsCode(), "b"], dtype=object)}), "holds objects"),
        (as_npz({"spectrograms.npy": npy("(1000000, 1000000)"), "class_name.npy": b"x"}), "claims a shape of"),
        (as_npz({"spectrograms.npy": b"no array", "class_name.npy": b"x"}), "is damaged"),
        (as_npz({"spectrograms.npy": npy("(2, -4, 4)"), "class_name.npy": b"x"}), "is damaged"),
        (as_npz({"spectrograms.npy": npy("__import__('os').abort()"), "class_name.npy": b"x"}), "is damaged"),
    ],
)  # fmt: skip
def test_damaged_npz_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        sa.datasets.spectrograms(tmp_path / "a.npz")
    assert str(caught.value).startswith(str(tmp_path / "a.npz"))


def test_spectrograms_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        sa.datasets.spectrograms(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(saved(**GOOD))
    with pytest.raises(ParameterError, match=r"classes: got genus; accepted: one of .*class_name"):
        sa.datasets.spectrograms(tmp_path / "a.npz", classes="genus")
