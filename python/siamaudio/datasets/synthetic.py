"""A data set of synthetic sounds, for the demo, for tests, and for trying things out without a download."""

from __future__ import annotations

import json
import numbers
import os
import tempfile
import wave
from pathlib import Path
from typing import Any

from siamaudio.datasets.clips import Clips
from siamaudio.errors import DatasetError, ParameterError

__all__ = ["synthetic"]

_MANIFEST = "manifest.json"


def synthetic(
    num_classes: int = 24,
    clips_per_class: int = 20,
    *,
    seed: int = 0,
    root: str | os.PathLike[str] | None = None,
    sr: int = 16000,
    duration: float = 1.5,
) -> Clips:
    """Make, or find again, a data set of synthetic sounds.

    Each class is a kind of sound (a bell, a siren, rain, a vowel, ...); each clip has its own pitch, timing, level,
    reverberation and background noise. About two in five clips share their source with another clip: the same pitch
    and timbre in another take.

    Parameters
    ----------
    num_classes : int, default 24
        Number of classes, at least 2; the first ones of a fixed order.
    clips_per_class : int, default 20
        Number of clips in each class, at least 2.
    seed : int, default 0
        Seed, 0 or more. A clip depends on the seed, its class and its number, not on how many others there are.
    root : path-like, optional
        Folder to write to: new, empty, or holding a set written by this function, which is reused if it was made
        with the same parameters. By default a folder in the user's cache, one for each choice of parameters.
    sr : int, default 16000
        Sampling rate in Hz, 16000 to 96000 (the sounds reach up to 7.5 kHz).
    duration : float, default 1.5
        Length of each clip in seconds, 0.5 to 30.

    Returns
    -------
    Clips
        Sorted by class, then by number; 16-bit mono WAV files at ``root/<class name>/<number>.wav``.

    Raises
    ------
    ParameterError
        If a parameter is out of its range, such as more classes than there are.
    DatasetError
        If `root` holds anything else, a set made with other parameters or a damaged one, or cannot be written.

    Examples
    --------
    >>> clips = synthetic(num_classes=4, clips_per_class=2)
    >>> clips
    Clips('synthetic': 8 clips, 4 classes)
    """
    # scipy.signal is slow to import, and only this function needs it.
    from siamaudio.datasets.synthesis import CLASS_NAMES, GENERATOR_VERSION, source_of_clip

    _check_integer("num_classes", num_classes, 2, len(CLASS_NAMES), " (the number of classes that exist)")
    _check_integer("clips_per_class", clips_per_class, 2, 10_000)
    _check_integer("seed", seed, 0, 2**63 - 1)
    _check_integer("sr", sr, 16_000, 96_000)
    if not isinstance(duration, numbers.Real) or not 0.5 <= duration <= 30.0:
        raise ParameterError("duration", duration, "a number of seconds from 0.5 to 30")

    parameters: dict[str, Any] = {
        "generator_version": GENERATOR_VERSION,
        "n_classes": int(num_classes),
        "clips_per_class": int(clips_per_class),
        "seed": int(seed),
        "sr": int(sr),
        "duration_seconds": float(duration),
    }
    folder = _cache_folder(parameters) if root is None else Path(root)
    members = [(name, clip) for name in sorted(CLASS_NAMES[:num_classes]) for clip in range(clips_per_class)]
    paths = [_clip_path(folder, name, clip) for name, clip in members]
    if not _is_made(folder, parameters, paths):
        _make(folder, parameters, members)
    return Clips(
        paths=paths,
        class_of_clip=[name for name, _ in members],
        sources=[f"{name}-{source_of_clip(name, clip, seed=seed):03d}" for name, clip in members],
        name="synthetic",
    )


def _cache_folder(parameters: dict[str, Any]) -> Path:
    import platformdirs

    words = "v{generator_version}-{n_classes}x{clips_per_class}-seed{seed}-{sr}hz-{duration_seconds}s"
    return Path(platformdirs.user_cache_dir("siamaudio")) / "synthetic" / words.format_map(parameters)


def _clip_path(folder: Path, class_name: str, clip: int) -> Path:
    return folder / class_name / f"{clip:03d}.wav"


def _is_made(folder: Path, parameters: dict[str, Any], paths: list[Path]) -> bool:
    """Tell whether `folder` holds the wanted set; raise where writing it there would overwrite something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    accepted = "a folder that is new, empty, or holds a whole synthetic set with the same parameters"
    try:
        found = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DatasetError(f"{folder}: holds something else than a synthetic set; accepted: {accepted}") from None
    if found != parameters:
        raise DatasetError(f"{folder}: holds a synthetic set made with {found}; accepted: {accepted} ({parameters})")
    # Files may have gone since: caches are places that people clean up.
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{folder}: {len(missing)} of {len(paths)} clips are missing, the first being {missing[0]}; "
            f"accepted: {accepted} (remove the folder to have the set made again)"
        )
    return True


def _make(folder: Path, parameters: dict[str, Any], members: list[tuple[str, int]]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Written beside its place and moved there when complete: a half-written set never has the final name.
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            draft = Path(scratch, "set")
            _write(draft, parameters, members)
            _move(draft, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DatasetError(f"{folder}: cannot be written ({reason}); accepted: a folder that can be made") from error


def _write(draft: Path, parameters: dict[str, Any], members: list[tuple[str, int]]) -> None:
    from siamaudio.datasets.synthesis import render

    seed, sr = parameters["seed"], parameters["sr"]
    num_frames = round(parameters["duration_seconds"] * sr)
    for class_name, clip in members:
        path = _clip_path(draft, class_name, clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = render(class_name, clip, seed=seed, sr=sr, num_frames=num_frames)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sr)
            file.writeframes(samples.astype("<i2").tobytes())
    (draft / _MANIFEST).write_text(json.dumps(parameters, indent=2) + "\n", encoding="utf-8")


def _move(draft: Path, folder: Path) -> None:
    try:
        if folder.is_dir():
            folder.rmdir()  # it was empty; not every system renames onto an empty folder
        draft.replace(folder)
    except OSError:
        # Another process may have finished the same set in the meantime, in which case theirs is as good.
        if not (folder / _MANIFEST).is_file() or (folder / _MANIFEST).read_bytes() != (draft / _MANIFEST).read_bytes():
            raise


def _check_integer(parameter: str, value: object, low: int, high: int, remark: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        raise ParameterError(parameter, value, f"an integer from {low} to {high}{remark}")
