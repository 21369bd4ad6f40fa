"""One right use of every command, on small files; tests make dry runs and mistakes of them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import siamaudio as sa

__all__ = ["ARGUMENTS", "USES", "Use", "make_files"]


@dataclasses.dataclass(frozen=True)
class Use:
    """A right use of a command.

    Attributes
    ----------
    words : tuple of str
        What is typed after the command: names of files of `make_files`, options and values.
    out : str
        The option of what it writes, the last of the words being its value; "" where it writes nothing.
    """

    words: tuple[str, ...]
    out: str = ""


# Of an argument's kind: a right file, and wrong ones.
ARGUMENTS = {
    "net.siam": ("missing.siam", "text.siam", "empty", "query.wav"),
    "f.zarr": ("missing.zarr", "text.zarr", "empty", "query.wav"),
    "sounds.db": ("missing.db", "text.zarr", "empty", "query.wav"),
    "query.wav": ("missing.wav", "text.wav", "empty"),
    "data": ("missing", "text.siam", "empty"),
    "supports": ("missing", "text.siam", "empty"),
    "result.json": ("missing.json", "text.json", "empty", "query.wav"),
    "old.keras": ("missing.keras", "text.keras", "empty", "query.wav"),
}

USES = {
    "calibrate": Use(("net.siam", "f.zarr", "--out", "new.siam"), "--out"),
    "classify": Use(("net.siam", "query.wav", "--supports", "supports")),
    "compare": Use(("result.json", "result.json", "--features", "f.zarr")),
    "demo": Use(("--out", "new"), "--out"),
    "download": Use(("mnist", "new"), "FOLDER"),
    "embed": Use(("net.siam", "f.zarr", "--out", "new.npy"), "--out"),
    "embedding-map": Use(("net.siam", "f.zarr", "--out", "new.html"), "--out"),
    "embedding-report": Use(("net.siam", "f.zarr", "--classifiers", "knn")),
    "evaluate": Use(("net.siam", "f.zarr", "--ways", "2", "--report", "new.html"), "--report"),
    "evaluate-pairs": Use(("net.siam", "f.zarr")),
    "evaluate-retrieval": Use(("net.siam", "f.zarr")),
    "evaluate-splits": Use(
        ("f.zarr", "--num-test", "2", "--num-validation", "2", "--ways", "2", "--out", "new"), "--out"
    ),
    "explain": Use(("net.siam", "query.wav", "--supports", "supports", "--report", "new.html"), "--report"),
    "export": Use(("net.siam", "--out", "new.onnx"), "--out"),
    "features": Use(("data", "--out", "new.zarr"), "--out"),
    "import-keras": Use(("old.keras", "--out", "new.siam"), "--out"),
    "index": Use(("data", "--model", "net.siam", "--out", "new.db"), "--out"),
    "index-remove": Use(("sounds.db", "--label", "bell")),
    "info": Use(("query.wav",)),
    "leaks": Use(("f.zarr", "--ways", "2", "--model", "net.siam")),
    "linear-separability": Use(("net.siam", "f.zarr", "--folds", "2")),
    "plot": Use(("query.wav", "--out", "new.png"), "--out"),
    "presets": Use(()),
    "search": Use(("sounds.db", "query.wav", "--report", "new.html"), "--report"),
    "split": Use(("f.zarr", "--train", "2", "--out", "new.json"), "--out"),
    "synthetic": Use(("--num-classes", "2", "--clips-per-class", "2", "--out", "new"), "--out"),
    "train": Use(("f.zarr", "--split", "4/2/2", "--preset", "modern", "--out", "new.siam"), "--out"),
    "train-autoencoder": Use(("f.zarr", "--out", "new.siam"), "--out"),
    "tune": Use(("f.zarr", "--split", "4/2/2", "--out", "new.json"), "--out"),
}


def make_files(folder: Path, net: sa.SiameseNetwork, features: sa.Features) -> None:
    """Write every file that `USES` and `ARGUMENTS` name."""
    unseen = [name for name in features.class_names if name not in {*net.train_classes_, *net.validation_classes_}]
    net.save(folder / "net.siam")
    features.save(folder / "f.zarr")
    paths = features.select_classes(unseen).clips.paths
    classes = [path.split("/")[-2] for path in paths]
    (folder / "supports").mkdir()
    for name in unseen:
        shutil.copy(paths[classes.index(name)], folder / "supports" / f"{name}.wav")
    shutil.copy(paths[1], folder / "query.wav")
    for clip in sa.datasets.synthetic(2, 2):
        (folder / "data" / clip.class_name).mkdir(parents=True, exist_ok=True)
        shutil.copy(clip.path, folder / "data" / clip.class_name)
    with sa.SearchIndex(net, folder / "sounds.db") as index:
        index.add(folder / "data", progress=False)
    result = sa.evaluate_oneshot(net, features.select_classes(unseen), ways=2)
    (folder / "result.json").write_text(json.dumps(result.to_dict()))
    sa.interop.to_keras(net, folder / "old.keras")
    for name in ("text.siam", "text.zarr", "text.wav", "text.json", "text.keras"):
        (folder / name).write_text("no such thing\n")
    (folder / "empty").mkdir()
