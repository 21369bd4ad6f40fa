"""siamaudio features: a data set becomes spectrograms."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, get_type_hints

import docstring_parser
from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, NumThreads, Out, print_json

__all__ = ["EXAMPLES", "features"]

EXAMPLES = """\
siamaudio features sounds -o sounds.zarr --duration 5
siamaudio features ESC-50 -o esc50.zarr --front-end modern
siamaudio features clips.csv -o c.zarr --sr 16000 --on-error skip
"""


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
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make log-mel features of a data set, or find that they are up to date; an interrupted run is gone on with.

    Parameters
    ----------
    data
        A folder with one subfolder a class, an ESC-50 or ESC-10 checkout, or a CSV with columns path and class.
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
    """
    clips = sa.datasets.from_path(data)
    chosen = sa.LogMel.preset(front_end, **log_mel) if front_end else sa.LogMel(**log_mel)
    if dry_run:
        from siamaudio.extraction import plan

        planned, shape = plan(chosen, clips, on_error=on_error)
        num_bytes = math.prod(shape) * (2 if dtype == "float16" else 4)
        if json:
            values = {"path": str(out), "shape": list(shape), "num_bytes": num_bytes, "front_end": planned.to_dict()}
            print_json({"dry_run": True, **values, "classes": list(clips.class_names)})
            return
        size = f"{shape[0]} clips of {shape[1]} bands x {shape[2]} frames"
        print(
            f"{out}: would hold {size}, {len(clips.class_names)} classes, {num_bytes / 1e6:.1f} MB before compression"
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
