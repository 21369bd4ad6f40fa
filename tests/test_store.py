"""The feature store: complete, checked, or refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa
from siamaudio import blocks


@pytest.fixture
def stored(tmp_path: Path, synthetic_features: sa.Features) -> Path:
    synthetic_features.save(tmp_path / "f.zarr")
    return tmp_path / "f.zarr"


def test_round_trip(stored: Path, synthetic_features: sa.Features) -> None:
    back = sa.Features.load(stored)
    np.testing.assert_array_equal(back.array, synthetic_features.array)
    assert back.clips.to_frame().equals(synthetic_features.clips.to_frame())
    assert back.clips.name == synthetic_features.clips.name
    assert back.front_end == synthetic_features.front_end
    np.testing.assert_array_equal(back.lengths, synthetic_features.lengths)


def test_arrays_without_files(tmp_path: Path, rng: np.random.Generator) -> None:
    features = sa.Features.from_arrays(rng.random((3, 4, 5)), [1, 2, 1], sources=["x", "y", "x"], name="mine")
    features.save(tmp_path / "f.zarr")
    back = sa.Features.load(tmp_path / "f.zarr")
    np.testing.assert_array_equal(back.array, features.array)
    assert back.front_end is None
    assert back.sources == ("x", "y", "x")
    assert back.class_names == ("1", "2")


def test_is_zarr_3_with_checksums(stored: Path, synthetic_features: sa.Features) -> None:
    import zarr

    array = zarr.open_group(stored, mode="r")["spectrograms"]
    np.testing.assert_array_equal(array[...], synthetic_features.array)
    assert array.metadata.zarr_format == 3
    assert any(codec.to_dict()["name"] == "crc32c" for codec in array.metadata.codecs)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_zarr_reads_and_checks_every_block(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    """Zarr's own reader is the oracle: of the values, of the padded last block, of the checksums."""
    import zarr

    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 7 * 24 * np.dtype(dtype).itemsize)
    features = sa.Features.from_arrays(rng.random((23, 4, 6)).astype(dtype), ["a"] * 23)
    features.save(tmp_path / "f.zarr")
    array = zarr.open_group(tmp_path / "f.zarr", mode="r")["spectrograms"]
    assert array.chunks == (7, 4, 6)
    assert array.nchunks_initialized == array.nchunks == 4
    assert array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(array[...], features.array)
    block = tmp_path / "f.zarr" / "spectrograms" / "c.3.0.0"
    block.write_bytes(b"x" + block.read_bytes()[1:])
    with pytest.raises(ValueError, match="checksum"):
        array[22]


def test_every_flipped_byte_is_noticed(stored: Path, rng: np.random.Generator) -> None:
    """One flipped bit anywhere: the same features or a StoreError, never other numbers or labels."""
    good = sa.Features.load(stored)
    assert good.array.size
    files = [path for path in sorted(stored.rglob("*")) if path.is_file()]
    positions = [(path, int(rng.integers(path.stat().st_size))) for path in files for _ in range(40)]
    num_noticed = 0
    for path, position in positions:
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        try:
            back = sa.Features.load(stored)
            array = back.array
        except sa.StoreError:
            num_noticed += 1
        else:
            np.testing.assert_array_equal(array, good.array)
            assert back.clips.to_frame().equals(good.clips.to_frame())
        path.write_bytes(content)
    assert num_noticed > len(positions) / 2


def test_missing_and_cut_blocks(stored: Path) -> None:
    block = next(
        path for path in sorted((stored / "spectrograms").rglob("*")) if path.is_file() and path.suffix != ".json"
    )
    content = block.read_bytes()
    block.write_bytes(content[:-5])
    with pytest.raises(sa.StoreError, match="damaged"):
        sa.Features.load(stored)
    block.unlink()
    with pytest.raises(sa.StoreError, match="missing"):
        sa.Features.load(stored)


def test_what_is_no_store(tmp_path: Path, synthetic_features: sa.Features) -> None:
    with pytest.raises(sa.StoreError, match="no such feature store"):
        sa.Features.load(tmp_path / "none.zarr")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("years of work")
    with pytest.raises(sa.StoreError, match="no feature store"):
        sa.Features.load(tmp_path / "folder")
    with pytest.raises(sa.StoreError, match="nothing was written"):
        synthetic_features.save(tmp_path / "folder")
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "years of work"


def test_failing_write_keeps_the_old_store(
    stored: Path, synthetic_features: sa.Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(sa.StoreError, match="No space left"):
        synthetic_features[:3].save(stored)
    assert len(sa.Features.load(stored)) == len(synthetic_features)
    assert [entry.name for entry in stored.parent.iterdir()] == [stored.name]


def test_whoever_has_an_old_store_open_never_reads_the_new(stored: Path, synthetic_features: sa.Features) -> None:
    """Same shape, other values: what was there before, or an error."""
    old = sa.Features.load(stored)
    assert old[0].size
    other = sa.Features(-synthetic_features.array, clips=synthetic_features.clips)
    other.save(stored)
    np.testing.assert_array_equal(sa.Features.load(stored).array, other.array)
    with pytest.raises(sa.StoreError, match="replaced since it was opened"):
        _ = old.array


def test_a_store_can_be_made_of_itself(stored: Path, synthetic_features: sa.Features) -> None:
    sa.Features.load(stored)[5:3:-1].save(stored)
    np.testing.assert_array_equal(sa.Features.load(stored).array, synthetic_features.array[[5, 4]])


def test_empty_features(stored: Path, synthetic_features: sa.Features) -> None:
    synthetic_features[:0].save(stored)
    back = sa.Features.load(stored)
    assert back.shape == (0, *synthetic_features.shape[1:])
    assert back.array.shape == back.shape


def test_unfinished_rest_of_a_killed_save(stored: Path, synthetic_features: sa.Features) -> None:
    """It is no obstacle, and goes."""
    rest = stored.with_name(".f.zarr.save.partial")
    shutil.copytree(stored, rest)
    (rest / "spectrograms" / "junk").write_text("junk")
    synthetic_features.save(stored)
    assert [entry.name for entry in stored.parent.iterdir()] == [stored.name]
    assert not (stored / "spectrograms" / "junk").exists()


@pytest.mark.parametrize("has_exchange", [True, False])
def test_where_the_system_cannot_exchange_names(
    stored: Path, synthetic_features: sa.Features, monkeypatch: pytest.MonkeyPatch, has_exchange: bool
) -> None:
    if not has_exchange:
        monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    synthetic_features[:3].save(stored)
    assert len(sa.Features.load(stored)) == 3
    assert [entry.name for entry in stored.parent.iterdir()] == [stored.name]


def test_an_older_format_is_named(stored: Path) -> None:
    description = (stored / "zarr.json").read_text()
    assert '"format": 2' in description
    (stored / "zarr.json").write_text(description.replace('"format": 2', '"format": 1'))
    with pytest.raises(sa.StoreError, match="store format 1; accepted: 2"):
        sa.Features.load(stored)


def test_replacing_a_store(stored: Path, synthetic_features: sa.Features) -> None:
    synthetic_features[:3].save(stored)
    assert len(sa.Features.load(stored)) == 3
    assert [entry.name for entry in stored.parent.iterdir()] == [stored.name]


def test_a_moved_store_is_read(stored: Path, tmp_path: Path) -> None:
    shutil.move(stored, tmp_path / "elsewhere")
    assert len(sa.Features.load(tmp_path / "elsewhere")) == 96
