"""siamaudio synthetic: a data set of synthetic sounds."""

from __future__ import annotations

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, Out, check_folder, print_json, print_plan

__all__ = ["EXAMPLES", "SEE_ALSO", "synthetic"]

EXAMPLES = """\
siamaudio synthetic -o sounds
siamaudio synthetic -o few --num-classes 5 --clips-per-class 4 --duration 3
"""
SEE_ALSO = "features, download, demo"


def synthetic(
    *,
    out: Out,
    num_classes: int = 24,
    clips_per_class: int = 20,
    seed: int = 0,
    sr: int = 16000,
    duration: float = 1.5,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a data set of synthetic sounds, to try things out without a download.

    Parameters
    ----------
    out
        A folder, new or empty, which gets a subfolder a class.
    num_classes
        Kinds of sound, 2 or more.
    clips_per_class
        Clips of each class, 2 or more.
    seed
        Of the sounds.
    sr
        Sampling rate in Hz, 16000 to 96000.
    duration
        Length of each clip in seconds, 0.5 to 30.
    """
    check_folder(out)
    if dry_run:
        content = f"{num_classes * clips_per_class} clips of {num_classes} classes"
        print_plan(out, content, json, num_clips=num_classes * clips_per_class)
        return
    clips = sa.datasets.synthetic(num_classes, clips_per_class, seed=seed, root=out, sr=sr, duration=duration)
    if json:
        print_json({"path": str(out), "num_clips": len(clips), "classes": list(clips.class_names)})
        return
    print(f"{out}: {len(clips)} clips of {len(clips.class_names)} classes")
