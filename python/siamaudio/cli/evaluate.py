"""siamaudio evaluate: accuracy on unseen classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import (
    AllowTrained,
    Classes,
    DryRun,
    Json,
    NumThreads,
    Report,
    check_output,
    chosen_clips,
    print_json,
    print_plan,
)

__all__ = ["EXAMPLES", "SEE_ALSO", "evaluate"]

EXAMPLES = """\
siamaudio evaluate net.siam sounds.zarr --ways 4 --report report.html
siamaudio evaluate net.siam esc50.zarr --source-disjoint --json
siamaudio evaluate net.siam esc50.zarr --protocol sampled --shots 5
"""
SEE_ALSO = "train, compare, evaluate-splits, evaluate-pairs, evaluate-retrieval, leaks"


def evaluate(
    model: Path,
    features: Path,
    /,
    *,
    protocol: Literal["exact", "sampled", "honka2019", "fedele2022", "metaaudio"] = "exact",
    ways: int | None = None,
    shots: int | None = None,
    queries: int | None = None,
    tasks: int | None = None,
    scorer: Literal["mean", "max", "learned", "centroid", "cl2n", "knn"] | None = None,
    neighbours: int | None = None,
    stratified: Annotated[bool | None, Parameter(negative="--no-stratified")] = None,
    interval: Literal["normal", "bootstrap"] | None = None,
    seed: int | None = None,
    source_disjoint: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    curve_ways: int | None = None,
    baseline: Annotated[bool, Parameter(negative="--no-baseline")] = True,
    classes: Classes = None,
    allow_trained_classes: AllowTrained = False,
    report: Report = None,
    num_examples: int = 4,
    title: str = "One-shot recognition report",
    map_method: Literal["pca", "tsne", "umap"] = "pca",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Measure one-shot or few-shot accuracy on unseen classes.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote.
    features
        A feature store made with the same options as the one it was trained on.
    protocol
        exact: over every possible one-shot task. sampled: random tasks. Or the tasks of a paper.
    ways
        Classes a task, 5 by default; honka2019 has all.
    shots
        Supports a class, for sampled and metaaudio; 1 by default.
    queries
        Queries a class, for sampled; 1 by default.
    tasks
        How many, for sampled, fedele2022 and metaaudio.
    scorer
        For sampled: what a query is given to; mean by default.
    neighbours
        For the scorer knn: supports that vote.
    stratified
        For sampled: as many queries of every class; true by default.
    interval
        For sampled: normal by default, or bootstrap.
    seed
        Of random tasks; 0 by default.
    source_disjoint
        No query meets a support that was cut from the same source.
    curve_ways
        For exact: most classes a task of the curve of accuracies; by default all.
    baseline
        Measure the nearest raw spectrogram, too.
    num_examples
        Example queries in the report.
    title
        Heading of the report.
    map_method
        How the report places embeddings in the plane.
    """
    from siamaudio.evaluation import protocols

    net = sa.SiameseNetwork.load(model)
    data = sa.Features.load(features)
    test = chosen_clips(net, data, classes)
    if report is not None:
        check_output(report, option="--report")
    if dry_run:
        what = f"{protocol} accuracy on {len(test)} clips of {len(test.class_names)} classes"
        print_plan(report or model, what, json, classes=list(test.class_names), num_clips=len(test))
        return
    result = protocols.evaluate(
        net,
        test,
        protocol=protocol,
        ways=ways,
        shots=shots,
        queries=queries,
        tasks=tasks,
        scorer=scorer,
        neighbours=neighbours,
        seed=seed,
        stratified=stratified,
        interval=interval,
        curve_ways=curve_ways,
        baseline=baseline,
        base=data.select_classes(net.train_classes_) if scorer in ("learned", "cl2n") else None,
        source_disjoint=source_disjoint,
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    if report is not None:
        sa.write_report(
            report,
            net,
            test.select_classes(result.classes),
            result,
            num_examples=num_examples,
            title=title,
            map_method=map_method,
        )
    if json:
        print_json({**result.to_dict(), **({} if report is None else {"report": str(report)})})
        return
    print(f"{result.description}; {result.num_clips} clips")
    for name, accuracy in result.per_class.items():
        own = result.per_class_intervals[name]
        print(f"  {name:<24} {accuracy:6.1%}  [{own.low:.1%}, {own.high:.1%}]")
    baselines = ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in result.baselines.items())
    print(f"accuracy {result.accuracy:.1%} [{result.interval.low:.1%}, {result.interval.high:.1%}], {baselines}")
    print(f"interval: {result.interval.confidence:.0%}, {result.interval.kind}")
    if report is not None:
        print(f"report: {report}")
