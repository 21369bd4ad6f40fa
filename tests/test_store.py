"""The feature store: complete, checked, or refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa


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


def test_replacing_a_store(stored: Path, synthetic_features: sa.Features) -> None:
    synthetic_features[:3].save(stored)
    assert len(sa.Features.load(stored)) == 3
    assert [entry.name for entry in stored.parent.iterdir()] == [stored.name]


def test_a_moved_store_is_read(stored: Path, tmp_path: Path) -> None:
    shutil.move(stored, tmp_path / "elsewhere")
    assert len(sa.Features.load(tmp_path / "elsewhere")) == 96
