"""siamaudio explain: which parts of sounds make them similar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import (
    OUTPUT,
    Device,
    DryRun,
    Json,
    NumThreads,
    Report,
    Settings,
    check_folder,
    check_output,
    parse_settings,
    print_json,
    print_plan,
)

__all__ = ["EXAMPLES", "SEE_ALSO", "explain"]

EXAMPLES = """\
siamaudio explain net.siam query.wav --supports examples --report why.html
siamaudio explain net.siam query.wav --supports examples --method rise --json
siamaudio explain net.siam query.wav --supports examples --set method.alpha=50 --wav parts
"""
SEE_ALSO = "classify, search"


def explain(
    model: Path,
    query: Path,
    /,
    *,
    supports: Path,
    report: Report = None,
    method: Literal["sinexc", "sinex", "rise", "occlusion", "gradient", "integrated_gradients"] = "sinexc",
    segmentation: Literal["felzenszwalb", "slic", "grid"] = "felzenszwalb",
    settings: Settings = [],  # noqa: B006 - never changed
    replacement: Literal["silence", "mean", "noise", "neighbour"] = "silence",
    silence: Annotated[float | None, Parameter(allow_leading_hyphen=True)] = None,
    true_class: str | None = None,
    top: int = 3,
    wav: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    faithfulness: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    seed: int = 0,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show which parts of each example make the network call it similar to a recording.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote.
    query
        The recording.
    supports
        A folder with one subfolder of recordings a class, or one recording a class named after it.
    method
        sinexc: random coalitions of segments; sinex: one segment at a time; rise, occlusion, gradient,
        integrated_gradients.
    segmentation
        felzenszwalb and slic follow the levels, grid does not.
    settings
        An option of the method or the segmentation, as often as wanted: method.alpha=50, segmentation.scale=100.
    replacement
        What takes the place of a part: silence, the mean, noise, or its neighbour's mean.
    silence
        The level of silence; by default that of the network's front end.
    true_class
        The recording's class, where it is known.
    top
        Segments of each support to name and to listen to.
    wav
        A folder for WAV files: the most similar support's top segments, and what is left without them.
    faithfulness
        Also test the order of the segments against random ones.
    seed
        Of the coalitions, masks and random orders.
    """
    from siamaudio.explanation import methods, segmentations
    from siamaudio.explanation.page import write_page
    from siamaudio.options import with_settings

    chosen = {"method": methods.registry.parse(method), "segmentation": segmentations.registry.parse(segmentation)}
    for path, text in parse_settings(settings).items():
        root, _, field = path.partition(".")
        if root not in chosen or not field:
            raise sa.ParameterError("--set", path, "method.FIELD or segmentation.FIELD")
        chosen[root] = with_settings(chosen[root], {field: text}, within=root)
    if report is not None:
        check_output(report, option="--report")
    if wav is not None:
        check_folder(wav, option="--wav")
    net = sa.SiameseNetwork.load(model, device=device)
    if dry_run:
        result = sa.classify_oneshot(net, supports, query, num_threads=num_threads)
        for path in (report, wav):
            if path is not None:
                print_plan(path, f"why {query} is like {result.predictions[0]}", json, query=str(query))
        if report is None and wav is None:
            print_plan(query, f"what is like {result.predictions[0]}", json, query=str(query))
        return
    explanation = sa.explain(
        net,
        query,
        supports,
        method=chosen["method"],
        segmentation=chosen["segmentation"],
        replacement=replacement,
        silence=silence,
        true_class=true_class,
        seed=seed,
        num_threads=num_threads,
    )
    tested = explanation.faithfulness(seed=seed, num_threads=num_threads) if faithfulness else None
    written = []
    if report is not None:
        title = f"Why {query.name} is similar"
        written.append(write_page(report, explanation, title=title, top=top, faithfulness=tested))
    if wav is not None:
        for part in ("segments", "rest"):
            sound = explanation.resynthesise(top=top, part=part)
            written.append(sound.save_wav(wav / f"{query.stem}-{explanation.predicted_class}-{part}.wav"))
    if json:
        areas = {} if tested is None else {"faithfulness": tested.to_frame().T.to_dict()}
        print_json({**explanation.to_dict(), **areas, "written": [str(path) for path in written]})
        return
    print(f"{query}: {explanation.predicted_class}")
    for support, (name, similarity) in enumerate(zip(explanation.classes, explanation.similarities, strict=True)):
        values = explanation.contributions[support]
        ranked = explanation.top_segments(support, top=top)
        segments = ", ".join(f"{segment} ({values[segment]:+.2g})" for segment in ranked)
        print(f"  {name:<24} {similarity:7.3f}  top segments: {segments}")
    if tested is not None:
        print(tested)
    for path in written:
        print(f"written: {path}")
