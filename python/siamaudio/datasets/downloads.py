"""Data sets from the network, checked and unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from siamaudio import archives
from siamaudio.errors import DatasetError, ParameterError
from siamaudio.files import locked, move_into_place, partial_beside
from siamaudio.optional import require

__all__ = ["download", "downloads"]

_SPEECH_COMMANDS = "http://download.tensorflow.org/data/speech_commands_v0.0{}.tar.gz"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION_MNIST = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _idx_files(base: str, *checksums: str) -> tuple[tuple[str, str], ...]:
    return tuple((base + name, f"md5:{checksum}") for name, checksum in zip(_IDX_FILES, checksums, strict=True))


# Name: addresses and checksums of its files
_DOWNLOADS: dict[str, tuple[tuple[str, str], ...]] = {
    "speech_commands_v0.01": (
        (
            _SPEECH_COMMANDS.format(1),
            "sha256:743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
        ),
    ),
    "speech_commands_v0.02": (
        (
            _SPEECH_COMMANDS.format(2),
            "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        ),
    ),
    "mnist": _idx_files(
        _MNIST,
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    "fashion_mnist": _idx_files(
        _FASHION_MNIST,
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
}


def downloads() -> tuple[str, ...]:
    """Return the names that `download` knows.

    Examples
    --------
    >>> "mnist" in downloads()
    True
    """
    return tuple(sorted(_DOWNLOADS))


def download(
    source: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    checksum: str | None = None,
    progress: bool = True,
) -> Path:
    """Fetch a data set, check it, and unpack it.

    Parameters
    ----------
    source : str
        One of `downloads`, or an address (http or https) of a file. A zip or tar archive is unpacked: only regular
        files, only inside `folder`, and no more than 100 times the archive's size.
    folder : path-like or None
        What shall hold the files; None: a folder of that name in the cache. Where it is there already, it is complete
        and nothing is fetched.
    checksum : str or None
        "sha256:..." or "md5:..." of the file at an address. None: it is not checked, and a warning says which it had,
        to be given from then on.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ImportError
        The package pooch is not installed (``siamaudio[download]``).
    DatasetError
        The file cannot be fetched, is not the one of the checksum, or is a hostile archive: nothing is left of it.
    ParameterError
        The source is neither a name nor an address, or the checksum has no kind.

    Examples
    --------
    >>> import siamaudio as sa
    >>> words = sa.datasets.download("speech_commands_v0.02")  # doctest: +SKIP
    >>> clips = sa.datasets.speech_commands(words)  # doctest: +SKIP
    >>> sa.datasets.download("https://github.com/karolpiczak/ESC-50/archive/master.zip", "ESC-50")  # doctest: +SKIP
    """
    files = _files(source, checksum)
    target = _cache_folder(source) if folder is None else Path(folder)
    if target.is_dir():
        return target
    if target.exists():
        raise DatasetError(f"{target}: not a folder; accepted: one, or nothing yet")
    pooch = require("pooch", extra="download", purpose="downloading data sets")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".siamaudio-", dir=target.parent) as fetched:
        paths = [_fetch(pooch, address, known, Path(fetched), progress) for address, known in files]
        if checksum is None and source not in _DOWNLOADS:
            with paths[0].open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            warnings.warn(f"{source} was not checked; its checksum is sha256:{digest}", stacklevel=2)
        if len(paths) == 1 and archives.is_archive(paths[0]):
            archives.extract(paths[0], target)
        else:
            _place(paths, target)
    return target


def _files(source: str, checksum: str | None) -> tuple[tuple[str, str | None], ...]:
    if source in _DOWNLOADS:
        if checksum is not None:
            raise ParameterError("checksum", checksum, f"none for {source}, whose own is known")
        return _DOWNLOADS[source]
    if urlsplit(source).scheme not in ("http", "https"):
        raise ParameterError(
            "source", source, f"an address that begins with http:// or https://, or {', '.join(downloads())}"
        )
    kind, _, digest = ("sha256", "", "0" * 64) if checksum is None else checksum.partition(":")
    if {"sha256": 64, "md5": 32}.get(kind) != len(digest) or set(digest.lower()) - set("0123456789abcdef"):
        raise ParameterError("checksum", checksum, "'sha256:' with 64, or 'md5:' with 32 hexadecimal digits")
    return ((source, checksum),)


def _fetch(pooch: object, address: str, known_hash: str | None, folder: Path, progress: bool) -> Path:
    name = Path(urlsplit(address).path).name or "file"
    try:
        return Path(
            pooch.retrieve(  # type: ignore[attr-defined]
                address, known_hash=known_hash, fname=name, path=folder, progressbar=progress
            )
        )
    except ValueError as error:  # pooch's word for another checksum
        raise DatasetError(f"{address}: not the file that was expected ({error})") from None
    except OSError as error:  # what requests raises, and a full disk
        raise DatasetError(f"{address}: cannot be fetched ({error}); accepted: an address that answers") from error


def _place(paths: list[Path], target: Path) -> None:
    """Make a folder of files that are no archive."""
    with locked(target):
        partial = partial_beside(target, "download")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for path in paths:
            path.rename(partial / path.name)
        move_into_place(partial, target)


def _cache_folder(source: str) -> Path:
    import platformdirs

    name = source if source in _DOWNLOADS else Path(urlsplit(source).path).name or "download"
    if source not in _DOWNLOADS:  # two addresses may end alike
        name = f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    return Path(platformdirs.user_cache_dir("siamaudio"), "datasets", name)
