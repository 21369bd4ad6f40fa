"""siamaudio features: a data set becomes spectrograms."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, get_type_hints

import docstring_parser
from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, NumThreads, Out, check_folder, print_json, print_plan
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "features"]

EXAMPLES = """\
siamaudio features sounds -o sounds.zarr --duration 5
siamaudio features ESC-50 -o esc50.zarr --front-end modern
siamaudio features clips.csv -o c.zarr --sr 16000 --on-error skip
siamaudio features mnist -o mnist.zarr --layout images
"""
FILES = """\
sounds.zarr  a folder of Zarr 3: spectrograms, classes, sources, front end
"""
SEE_ALSO = "train, leaks, split, synthetic, download"


def _log_mel_options() -> Any:
    """Return a type for the options of `LogMel` that were typed: those alone take the place of a preset's."""
    types = get_type_hints(sa.LogMel) | {"window": str}  # values of a window are nothing for a command line
    described = docstring_parser.parse(sa.LogMel.__doc__ or "", docstring_parser.DocstringStyle.NUMPYDOC)
    helps = {param.arg_name: " ".join((param.description or "").split()) for param in described.params}
    shown = {
        field.name: Annotated[types[field.name], Parameter(help=f"{helps[field.name]} [default: {field.default}]")]
        for field in dataclasses.fields(sa.LogMel)
    }
    return TypedDict("LogMelOptions", shown, total=False)  # pyright: ignore[reportArgumentType]


if TYPE_CHECKING:
    LogMelOptions = dict[str, Any]
else:
    LogMelOptions = _log_mel_options()


def features(
    data: Path,
    /,
    *,
    out: Out,
    front_end: str | None = None,
    log_mel: Annotated[LogMelOptions, Parameter(name="*")] = {},  # noqa: B006 - never changed
    crop: Literal["start", "center", "random"] = "start",
    seed: int = 0,
    dtype: Literal["float32", "float16"] = "float32",
    on_error: Literal["fail", "skip"] = "fail",
    layout: Literal["auto", "folder", "table", "esc50", "esc10", "audiomnist", "speech_commands", "images", "npz"] = (
        "auto"
    ),
    classes: str | None = None,
    pattern: str | None = None,
    root: Path | None = None,
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make log-mel features of a data set, or find that they are up to date; an interrupted run is gone on with.

    Parameters
    ----------
    data
        A folder with one subfolder a class, an ESC-50 or ESC-10 checkout, AudioMNIST, Speech Commands, or a CSV or
        Parquet table with columns path and class; or one of the layouts below.
    out
        The feature store, a Zarr folder such as features.zarr.
    front_end
        A published front end to start from, such as honka2019 or yamnet; options given besides replace its own.
    crop
        Which part to take of clips that are longer than the duration.
    seed
        Of random crops.
    dtype
        What to keep the values in; float16 takes half the space.
    on_error
        What to do with a clip that cannot be read: fail, or skip it and name it.
    layout
        How the data set is laid out; images and npz hold spectrograms or images already, for which a front end and its
        options play no part: MNIST's files, or arrays spectrograms and class_name.
    classes
        AudioMNIST: speaker or digit; images: train or test; npz: the array that names the classes.
    pattern
        For a folder: a regular expression of file names without extension, with groups named source or fold.
    root
        For a table: what its paths are relative to.
    """
    check_folder(out)
    clips = _listed(data, layout, classes, pattern, root)
    if isinstance(clips, sa.Features):
        _keep(clips, out, bool(log_mel) or front_end is not None, dry_run, json)
        return
    chosen = sa.LogMel.preset(front_end, **log_mel) if front_end else sa.LogMel(**log_mel)
    if dry_run:
        from siamaudio.extraction import plan

        planned, shape = plan(chosen, clips, on_error=on_error)
        num_bytes = math.prod(shape) * (2 if dtype == "float16" else 4)
        size = f"{shape[0]} clips of {shape[1]} bands x {shape[2]} frames, {len(clips.class_names)} classes"
        print_plan(
            out,
            f"{size}, {num_bytes / 1e6:.1f} MB before compression",
            json,
            shape=list(shape),
            num_bytes=num_bytes,
            front_end=planned.to_dict(),
            classes=list(clips.class_names),
        )
        return
    made = chosen.transform(
        clips, path=out, crop=crop, seed=seed, dtype=dtype, on_error=on_error, num_threads=num_threads
    )
    if json:
        print_json(
            {
                "path": str(out),
                "shape": list(made.shape),
                "classes": list(made.class_names),
                "skipped": [skip._asdict() for skip in made.skipped],
            }
        )
        return
    num_clips, num_bands, num_frames = made.shape
    print(f"{out}: {num_clips} clips of {num_bands} bands x {num_frames} frames, {len(made.class_names)} classes")


_TAKERS = {"classes": ("audiomnist", "images", "npz"), "pattern": ("folder",), "root": ("table",)}


def _listed(
    data: Path, layout: str, classes: str | None, pattern: str | None, root: Path | None
) -> sa.datasets.Clips | sa.Features:
    for name, value in {"classes": classes, "pattern": pattern, "root": root}.items():
        if value is not None and layout not in _TAKERS[name]:
            accepted = " or ".join(f"--layout {taker}" for taker in _TAKERS[name])
            raise ParameterError(f"--{name}", str(value), f"none, or one with {accepted}")
    match layout:
        case "auto":
            return sa.datasets.from_path(data)
        case "folder":
            return sa.datasets.folder(data, pattern=pattern)
        case "table":
            return sa.datasets.table(data, root=root)
        case "esc50" | "esc10":
            return sa.datasets.esc50(data, esc10=layout == "esc10")
        case "speech_commands":
            return sa.datasets.speech_commands(data)
        case "audiomnist":
            return sa.datasets.audiomnist(data, classes=_one_of(classes, ("speaker", "digit")))
        case "images":
            return sa.datasets.images(data, part=_one_of(classes, ("train", "test")))
        case _:
            return sa.datasets.spectrograms(data, classes=classes or "class_name")


def _one_of(given: str | None, accepted: tuple[str, str]) -> Any:
    if given is not None and given not in accepted:
        raise ParameterError("--classes", given, " or ".join(accepted))
    return given or accepted[0]


def _keep(made: sa.Features, out: Path, has_front_end: bool, dry_run: bool, as_json: bool) -> None:
    """Keep features that the data set holds already."""
    if has_front_end:
        raise ParameterError("--layout", "spectrograms and options of a front end", "spectrograms as they are")
    content = f"{len(made)} clips of {' x '.join(map(str, made.shape[1:]))}, {len(made.class_names)} classes"
    if dry_run:
        print_plan(out, content, as_json, shape=list(made.shape), classes=list(made.class_names))
        return
    made.save(out)
    if as_json:
        print_json({"path": str(out), "shape": list(made.shape), "classes": list(made.class_names), "skipped": []})
        return
    print(f"{out}: {content}")
