"""Unpacking, and downloads from a server of our own: hostile archives leave nothing, inside the folder or outside."""

from __future__ import annotations

import contextlib
import gc
import gzip
import hashlib
import http.server
import io
import os
import stat
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import siamaudio as sa
from siamaudio import archives
from siamaudio.errors import DatasetError, ParameterError

FILES = {"set/a/1.wav": b"one" * 1000, "set/b/2.wav": b"two", "set/README": b""}


def zip_of(files: dict[str, bytes], **options: Any) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tar_of(files: dict[str, bytes], mode: str = "w:gz", members: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "content",
    [
        zip_of(FILES),
        zip_of(FILES, compression=zipfile.ZIP_DEFLATED),
        *(tar_of(FILES, mode) for mode in ("w", "w:gz", "w:bz2", "w:xz")),
    ],
)
def test_archives_are_unpacked(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "file"  # its name says nothing
    archive.write_bytes(content)
    assert archives.is_archive(archive)
    archives.extract(archive, tmp_path / "out" / "here")
    assert tree(tmp_path / "out" / "here") == {name.removeprefix("set/"): data for name, data in FILES.items()}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["here"]


def test_several_roots_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"a/1": b"1", "b/2": b"2", "c": b"3"}))
    archives.extract(tmp_path / "a.zip", tmp_path / "out")
    assert tree(tmp_path / "out") == {"a/1": b"1", "b/2": b"2", "c": b"3"}


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def zip_link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")
        archive.writestr("link/passwd", "x")
    return content.getvalue()


def zip_that_lies() -> bytes:
    """A small member that says it is smaller than it is."""
    content = bytearray(zip_of({"a": bytes(200 << 20)}, compression=zipfile.ZIP_DEFLATED))
    size = (200 << 20).to_bytes(4, "little")
    assert content.count(size) == 2
    return bytes(content.replace(size, (10).to_bytes(4, "little")))


OUTSIDE = "leads out of the folder"
LINK = "is a link or a device"
BOMB = "unpacks to more than"
HOSTILE = {
    "zip ..": (zip_of({"good": b"1", "../evil": b"x"}), OUTSIDE),
    "zip .. inside": (zip_of({"a/../../evil": b"x"}), OUTSIDE),
    "zip absolute": (zip_of({"/tmp/siamaudio-evil": b"x"}), OUTSIDE),
    "zip backslash": (zip_of({"..\\evil": b"x"}), OUTSIDE),
    "zip drive": (zip_of({"C:evil": b"x"}), OUTSIDE),
    "zip link": (zip_link(), LINK),
    "zip bomb": (zip_of({"a": bytes(100 << 20)}, compression=zipfile.ZIP_DEFLATED), BOMB),
    "zip bomb of many": (zip_of({f"{i}": bytes(1 << 20) for i in range(80)}, compression=zipfile.ZIP_DEFLATED), BOMB),
    "zip that lies": (zip_that_lies(), "cannot be unpacked"),
    "zip file as folder": (zip_of({"a": b"1", "a/b": b"2"}), "cannot be unpacked"),
    "tar ..": (tar_of({"good": b"1", "../evil": b"x"}), OUTSIDE),
    "tar absolute": (tar_of({"/tmp/siamaudio-evil": b"x"}), OUTSIDE),
    "tar link": (tar_of({"link/evil": b"x"}, members=(member("link", tarfile.SYMTYPE, "/tmp"),)), LINK),
    "tar hard link": (tar_of({}, members=(member("link", tarfile.LNKTYPE, "/etc/passwd"),)), LINK),
    "tar device": (tar_of({}, members=(member("null", tarfile.CHRTYPE),)), LINK),
    "tar pipe": (tar_of({}, members=(member("pipe", tarfile.FIFOTYPE),)), LINK),
    "tar bomb": (tar_of({"a": bytes(200 << 20)}), BOMB),
    "tar cut off": (gzip.compress(tar_of({"a": b"x" * 5000}, "w")[:3000]), "cannot be unpacked"),
    "gz cut off": (tar_of({"a": bytes(range(256)) * 4000})[:-500], "unpacked"),
    "twice": (tar_of({"a": b"1"}, "w")[:1024] + tar_of({"a": b"2"}, "w"), "cannot be unpacked"),
    "no archive": (b"RIFF" + bytes(100), "is no archive"),
    "empty": (b"", "is no archive"),
    "zip cut off": (zip_of(FILES)[:-30], "is no archive"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_leave_nothing(tmp_path: Path, name: str) -> None:
    content, message = HOSTILE[name]
    inner = tmp_path / "in" / "ner"
    inner.mkdir(parents=True)
    (inner / "archive").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        archives.extract(inner / "archive", inner / "out")
    assert str(caught.value).startswith(str(inner / "archive"))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["archive"]
    assert not (inner / "out").exists()
    assert not Path("/tmp/siamaudio-evil").exists()


def test_a_giant_header_is_not_read(tmp_path: Path) -> None:
    """A tar archive whose one extended header claims 8 GB, which tarfile would read as a whole."""
    info = member("x", tarfile.XHDTYPE)
    header = info.tobuf(tarfile.USTAR_FORMAT)
    header = bytearray(header)
    header[124:136] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(10240))
    with pytest.raises(DatasetError):
        archives.extract(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of(FILES))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"1")
    with pytest.raises(DatasetError, match="is there already"):
        archives.extract(tmp_path / "a.zip", tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b"1"}


# ---- Downloads


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A web server for a folder: its address, the folder, and what was asked for."""
    pytest.importorskip("pooch")
    folder = tmp_path / "served"
    folder.mkdir()
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, directory=str(folder), **options)

        def log_message(self, format: str, *arguments: Any) -> None:
            asked.append(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}", folder, asked
        finally:
            httpd.shutdown()
            thread.join()
            with warnings.catch_warnings():  # requests leaves sockets of failed downloads to the garbage collector
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def fetch(address: str, folder: Path | None = None, **options: Any) -> Path:
    return sa.datasets.download(address, folder, progress=False, **options)


def test_download(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, asked = server
    content = zip_of({"x/dog/1.wav": b"1", "x/cat/2.wav": b"2"})
    (folder / "x.zip").write_bytes(content)
    for kind in (sha256(content), f"md5:{hashlib.md5(content).hexdigest()}"):
        target = tmp_path / kind[:3] / "set"
        assert fetch(f"{address}/x.zip", target, checksum=kind) == target
        assert sa.datasets.folder(target).class_names == ("cat", "dog")
        assert sorted(path.name for path in target.parent.iterdir()) == ["set"]
    num_asked = len(asked)
    fetch(f"{address}/x.zip", target, checksum=sha256(content))
    assert len(asked) == num_asked  # it is there already


def test_download_into_the_cache(server: tuple[str, Path, list[str]]) -> None:
    address, folder, _ = server
    content = tar_of({"yes/0a_nohash_0.wav": b"1"})
    (folder / "words.tar.gz").write_bytes(content)
    target = fetch(f"{address}/words.tar.gz", checksum=sha256(content))
    assert target.is_relative_to(os.environ["XDG_CACHE_HOME"])
    assert len(tree(target)) == 1


def test_download_of_a_plain_file(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, _ = server
    (folder / "few.npz").write_bytes(b"")
    (folder / "images.gz").write_bytes(gzip.compress(b"12"))
    target = fetch(f"{address}/images.gz", tmp_path / "out", checksum=sha256((folder / "images.gz").read_bytes()))
    assert tree(target) == {"images.gz": gzip.compress(b"12")}


def test_an_unknown_checksum_is_told(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, _ = server
    content = zip_of(FILES)
    (folder / "x.zip").write_bytes(content)
    with pytest.warns(UserWarning, match=f"was not checked; its checksum is {sha256(content)}"):
        fetch(f"{address}/x.zip", tmp_path / "out")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("case", ["checksum", "absent", "hostile", "closed"])
def test_failed_downloads_leave_nothing(server: tuple[str, Path, list[str]], tmp_path: Path, case: str) -> None:
    address, folder, _ = server
    content = HOSTILE["zip .."][0] if case == "hostile" else zip_of(FILES)
    (folder / "x.zip").write_bytes(content)
    target = tmp_path / "downloads" / "set"
    options = {"checksum": sha256(b"other" if case == "checksum" else content)}
    source = f"{address}/{'y' if case == 'absent' else 'x'}.zip"
    if case == "closed":
        source = "http://127.0.0.1:1/x.zip"
    with pytest.raises(DatasetError) as caught:
        fetch(source, target, **options)
    expected = {"checksum": "not the file that was expected", "hostile": OUTSIDE}.get(case, "cannot be fetched")
    assert expected in str(caught.value)
    with contextlib.suppress(FileNotFoundError):
        assert list(target.parent.iterdir()) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("source", "checksum", "message"),
    [
        ("esc5", None, "^source: got esc5; accepted: an address that begins with http"),
        ("file:///etc/passwd", None, "^source"),
        ("http://a/b.zip", "abc", "^checksum: got abc; accepted: 'sha256:' with 64"),
        ("http://a/b.zip", "sha256:" + "g" * 64, "^checksum"),
        ("mnist", "md5:" + "0" * 32, "^checksum: got .*; accepted: none for mnist"),
    ],
)
def test_wrong_use(tmp_path: Path, source: str, checksum: str | None, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fetch(source, tmp_path / "out", checksum=checksum)


def test_without_pooch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'needs pooch: `pip install "siamaudio\[download\]"`'):
        fetch("mnist", tmp_path / "out")


def test_known_downloads_have_checksums() -> None:
    assert set(sa.datasets.downloads()) == {"fashion_mnist", "mnist", "speech_commands_v0.01", "speech_commands_v0.02"}
