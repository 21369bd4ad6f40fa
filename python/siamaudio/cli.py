"""The command line: results on stdout, progress and complaints on stderr.

Exit status 0: done; 1: failed; 2: wrong use; 130: interrupted.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypedDict, get_type_hints

import cyclopts
import docstring_parser
from cyclopts import Parameter

import siamaudio as sa
from siamaudio.errors import DatasetError, ParameterError, SiamaudioError

__all__ = ["app", "main"]

app = cyclopts.App(
    name="siamaudio",
    help="One-shot audio recognition with siamese networks.",
    version=sa.__version__,
    help_format="plaintext",
)

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON.")]
NumThreads = Annotated[int | None, Parameter(help="CPU threads; by default one a core.")]
Out = Annotated[Path, Parameter(name=["--out", "-o"])]


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


@app.command
def demo(*, out: Out = Path("out"), seed: int = 0, json: Json = False) -> None:
    """Synthetic sounds, features, training, one-shot result and HTML report, in about a minute.

    Parameters
    ----------
    out
        Folder for the report and the network.
    seed
        Of the class split and the training.
    """
    from siamaudio.demo import run_demo

    done = run_demo(out, seed=seed)
    result = done.result
    if json:
        _print_json({**result.to_dict(), "report": str(done.report), "network": str(done.network)})
        return
    print(f"exact {result.ways}-way one-shot accuracy on {len(result.classes)} unseen classes: {result.accuracy:.1%}")
    print(f"nearest raw spectrogram: {result.baselines['raw spectrogram']:.1%}")
    print(f"chance: {result.baselines['chance']:.0%}")
    print(f"report: {done.report}")


@app.command
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
    made = chosen.transform(
        clips, path=out, crop=crop, seed=seed, dtype=dtype, on_error=on_error, num_threads=num_threads
    )
    if json:
        _print_json(
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


@app.command
def train(
    features: Path,
    /,
    *,
    out: Out,
    preset: str = "honka2019",
    settings: Annotated[list[str], Parameter(name="--set", negative="", allow_leading_hyphen=True)] = [],  # noqa: B006
    split: str | None = None,
    seed: int = 0,
    epochs: int = 40,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    validation_freq: int = 1,
    batch_size: int | None = None,
    pairing: Literal["in-batch", "two-sided"] | None = None,
    calibrate: Annotated[bool, Parameter(negative="")] = False,
    checkpoint: Path | None = None,
    checkpoint_every: int = 100,
    resume: Annotated[bool, Parameter(negative="")] = False,
    resume_from: str | None = None,
    device: str = "auto",
    precision: Literal["auto", "float32", "bf16"] = "auto",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Train a network on some of the classes, watching others for the best epoch.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    out
        The network, a file such as network.siam.
    preset
        The network to train: modern, this project's own recipe, a published one such as honka2019, fedele2022_esc50 or
        lloret2019_mnist_pair_class, or a file that `siamaudio tune` wrote.
    settings
        An option of the network in the place of the preset's, as often as wanted: loss=contrastive, optimizer.lr=1e-3,
        encoder.dense.0.units=128, encoder.blocks.all.filters=32, encoder.blocks.count=2.
    split
        Classes to train on, to validate on and to test on, as in 40/5/5; by default about 80, 10 and 10 %.
    seed
        Of the class split and the training.
    epochs
        Most epochs.
    steps_per_epoch
        Batches from one validation to the next; by default what the sampler calls an epoch.
    patience
        Epochs without a better validation accuracy after which training stops; 0: never. By default 10, but never with
        a schedule that is laid out for all epochs, as that of modern.
    validation_freq
        Epochs from one validation to the next.
    batch_size
        In the place of the sampler's: clips, or pairs where both sides are encoded.
    pairing
        in-batch: every clip encoded once, all pairs of a batch; two-sided: the literal siamese batches; by default what
        the preset does.
    calibrate
        Centre and whiten the embeddings on the training classes afterwards.
    checkpoint
        A folder for checkpoints, of which the last two are kept.
    checkpoint_every
        Steps from one checkpoint to the next.
    resume
        Go on from the last checkpoint in the folder; without one, begin.
    resume_from
        Go on from the checkpoint of this name in the folder.
    device
        auto, cpu, cuda or cuda:N.
    precision
        bf16: the encoder computes in bfloat16 while it trains, on a CUDA device; auto: so where the device can.
    """
    from siamaudio.splits import split_classes

    data = sa.Features.load(features)
    num_train, num_validation, num_test = _parse_split(split, len(data.class_names))
    classes = split_classes(data.class_names, num_train, num_validation, num_test, seed=seed)
    net = sa.SiameseNetwork.preset(preset).set_from_text(_parse_settings(settings))
    train_features = data.select_classes(classes.train)
    net.fit(
        train_features,
        validation=data.select_classes(classes.validation),
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        patience=patience,
        validation_freq=validation_freq,
        batch_size=batch_size,
        pairing=pairing,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        resume=resume_from or resume,
        device=device,
        precision=precision,
        seed=seed,
        num_threads=num_threads,
    )
    if calibrate:
        net.calibrate(train_features, num_threads=num_threads)
    net.split_ = classes
    net.save(out)
    best = net.history_.records[net.best_epoch_]
    if json:
        _print_json(
            {"path": str(out), "split": classes.to_dict(), "best_epoch": net.best_epoch_, "history": list(net.history_)}
        )
        return
    accuracy = best["validation_accuracy"]
    shown = "" if accuracy is None else f", validation accuracy {accuracy:.1%}"
    kept = f"epoch {net.best_epoch_ + 1} of {len(net.history_)} kept"
    print(f"{out}: trained on {num_train} classes, {kept}, loss {best['loss']:.4f}{shown}")


@app.command
def tune(
    features: Path,
    /,
    *,
    out: Out,
    space: str = "honka2019",
    trials: int = 50,
    storage: str | None = None,
    study: str | None = None,
    split: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    batch_size: int | None = None,
    pairing: Literal["in-batch", "two-sided"] | None = None,
    sampler: Literal["tpe", "random"] = "tpe",
    pruner: Literal["median", "none"] = "median",
    takeover_seconds: int = 60,
    device: str = "auto",
    precision: Literal["auto", "float32", "bf16"] = "auto",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Search for a network's options, by validation accuracy; run it again, or several at a time, to go on with it.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    out
        The best network's options, a file such as best.json, for `siamaudio train --preset best.json`.
    space
        What to search: honka2019, fedele2022, or a file *.toml or *.json with the preset to start from and a table
        parameters, of options as of train --set to a list of choices or to low, high and log.
    trials
        Trials that the study shall have in the end, whoever runs them.
    storage
        Where the study is kept: a file, by default that of --out with the suffix .journal, for processes of one
        machine, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE for those of several.
    study
        Name in the storage; by default that of the space.
    split
        Classes to train on, to validate on and to leave for testing, as in 40/5/5; by default about 80, 10 and 10 %.
    seed
        Of the class split and the trials.
    epochs
        Most epochs of a trial; by default what the space is published with, or 40.
    steps_per_epoch
        Batches from one validation to the next; by default what the sampler calls an epoch.
    patience
        Epochs without a better validation accuracy after which a trial stops; 0: never.
    batch_size
        In the place of the samplers': clips, or pairs where both sides are encoded.
    pairing
        As of train.
    sampler
        What chooses options.
    pruner
        median: stop trials that are worse than most; none: stop none.
    takeover_seconds
        With a database, how long a process is silent before another takes its trial over.
    device
        auto, cpu, cuda or cuda:N.
    precision
        As of train.
    """
    from siamaudio.preset_files import check_preset_path
    from siamaudio.splits import split_classes

    check_preset_path(out)
    chosen = sa.tuning.SearchSpace.load(space) if space.endswith((".toml", ".json")) else space
    data = sa.Features.load(features)
    num_train, num_validation, num_test = _parse_split(split, len(data.class_names))
    classes = split_classes(data.class_names, num_train, num_validation, num_test, seed=seed)
    result = sa.tune(
        data.select_classes(classes.train),
        validation=data.select_classes(classes.validation),
        space=chosen,
        trials=trials,
        storage=out.with_suffix(".journal") if storage is None else storage,
        study=study,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        patience=patience,
        batch_size=batch_size,
        pairing=pairing,
        sampler=sampler,
        pruner=pruner,
        takeover_seconds=takeover_seconds,
        device=device,
        precision=precision,
        seed=seed,
        num_threads=num_threads,
    )
    result.save(out)
    if json:
        _print_json({"path": str(out), "split": classes.to_dict(), **result.to_dict()})
        return
    for name, value in result.best_params.items():
        print(f"  {name} = {value}")
    print(f"{out}: trial {result.best.trial} of {len(result.trials)}, validation accuracy {result.best_value:.1%}")


@app.command
def evaluate(
    model: Path,
    features: Path,
    /,
    *,
    ways: int = 5,
    classes: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    allow_trained_classes: Annotated[bool, Parameter(negative="")] = False,
    report: Path | None = None,
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Measure one-shot accuracy on unseen classes, over every possible task.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote.
    features
        A feature store made with the same options as the one it was trained on.
    ways
        Classes a task.
    classes
        Classes to evaluate on; by default the test classes of the network's split, or all that it has not seen.
    allow_trained_classes
        Accept classes that the network was trained on.
    report
        Write an HTML report here.
    """
    net = sa.SiameseNetwork.load(model)
    data = sa.Features.load(features)
    test = data.select_classes(classes if classes else _unseen_classes(net, data))
    result = sa.evaluate_oneshot(
        net, test, ways=ways, allow_trained_classes=allow_trained_classes, num_threads=num_threads
    )
    if report is not None:
        sa.write_report(report, net, test, result)
    if json:
        _print_json({**result.to_dict(), **({} if report is None else {"report": str(report)})})
        return
    print(f"{result.description}; {result.num_clips} clips")
    for name, accuracy in result.per_class.items():
        print(f"  {name:<24} {accuracy:6.1%}")
    baselines = ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in result.baselines.items())
    print(f"accuracy {result.accuracy:.1%}, {baselines}")
    if report is not None:
        print(f"report: {report}")


@app.command
def classify(
    model: Path,
    /,
    *queries: Path,
    supports: Path,
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Tell which class each recording belongs to, from one or a few examples of each class.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote.
    queries
        Recordings to classify.
    supports
        A folder with one subfolder of recordings a class, or one recording a class named after it.
    """
    net = sa.SiameseNetwork.load(model)
    result = sa.classify_oneshot(net, supports, queries, num_threads=num_threads)
    if json:
        _print_json(result.to_dict())
        return
    for record in result.to_dict():
        ranked = sorted(record["similarities"].items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {similarity:.3f}" for name, similarity in ranked)
        print(f"{record['query']}: {record['prediction']}  ({shown})")


@app.command
def evaluate_pairs(
    model: Path,
    features: Path,
    /,
    *,
    classes: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    false_accept_rates: Annotated[list[float], Parameter(consume_multiple=True, negative="")] = [  # noqa: B006
        0.1,
        0.05,
        0.01,
        0.001,
    ],
    source_disjoint: Annotated[bool, Parameter(negative="")] = False,
    allow_trained_classes: Annotated[bool, Parameter(negative="")] = False,
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Tell how well the network says whether two clips are of the same class, and which threshold to set.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote.
    features
        A feature store made with the same options as the one it was trained on.
    classes
        Classes to evaluate on; by default the test classes of the network's split, or all that it has not seen.
    false_accept_rates
        To find thresholds for: shares of the pairs of different classes that may be taken for the same.
    source_disjoint
        Leave out pairs of clips of one recording.
    allow_trained_classes
        Accept classes that the network was trained on.
    """
    net = sa.SiameseNetwork.load(model)
    data = sa.Features.load(features)
    result = sa.evaluate_pairs(
        net,
        data.select_classes(classes if classes else _unseen_classes(net, data)),
        false_accept_rates=false_accept_rates,
        source_disjoint=source_disjoint,
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    if json:
        _print_json(result.to_dict())
        return
    print(result.description)
    print(f"area under the ROC curve {result.auc:.3f}, equal error rate {result.equal_error_rate:.1%}")
    if result.calibration is not None:
        print(f"calibration error {result.calibration.error:.3f}, for {result.calibration.prior:.0%} same")
    for point in result.operating_points:
        print(
            f"  threshold {point.threshold:.6g}: accepts {point.true_accept_rate:.1%} of the same class, "
            f"{point.false_accept_rate:.2%} of different classes ({point.wanted_rate:g} wanted)"
        )


@app.command
def evaluate_splits(
    features: Path,
    /,
    *,
    out: Out,
    preset: str = "modern",
    settings: Annotated[list[str], Parameter(name="--set", negative="", allow_leading_hyphen=True)] = [],  # noqa: B006
    splits: int = 20,
    num_test: int = 5,
    num_validation: int = 5,
    ways: int = 5,
    source_disjoint: Annotated[bool, Parameter(negative="")] = False,
    epochs: int = 40,
    calibrate: Annotated[bool, Parameter(negative="")] = False,
    seed: int = 0,
    device: str = "auto",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Train and test on many class splits; an interrupted run is gone on with.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    out
        A folder, which gets the result of each split.
    preset
        The network to train: modern, or a published one such as honka2019.
    settings
        An option of the network in the place of the preset's, as often as wanted: loss=contrastive, optimizer.lr=1e-3.
    splits
        How many.
    num_test
        Classes of each that are tested on.
    num_validation
        Classes of each that are validated on; all others are trained on.
    ways
        Classes a task.
    source_disjoint
        Only tasks in which no support is of the query's recording.
    epochs
        Most epochs of a training.
    calibrate
        Centre and whiten the embeddings on the training classes afterwards.
    seed
        Of the class splits and the trainings.
    device
        auto, cpu, cuda or cuda:N.
    """
    net = sa.SiameseNetwork.preset(preset).set_from_text(_parse_settings(settings))
    result = sa.evaluate_splits(
        net,
        sa.Features.load(features),
        splits=splits,
        num_test=num_test,
        num_validation=num_validation,
        ways=ways,
        source_disjoint=source_disjoint,
        fit={"epochs": epochs, "device": device},
        calibrate=calibrate,
        seed=seed,
        directory=out,
        num_threads=num_threads,
    )
    if json:
        _print_json(result.to_dict())
        return
    print(result.description)
    for name, accuracy in result.per_class.items():
        print(f"  {name:<24} {accuracy:6.1%}  {result.per_class_splits[name]} splits")
    spread = ""
    if result.standard_deviation is not None and result.standard_error is not None:
        spread = f" ± {100 * result.standard_deviation:.1f} (standard error {100 * result.standard_error:.1f})"
    baselines = ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in result.baselines.items())
    print(f"accuracy {100 * result.accuracy:.1f}{spread} % over {len(result.splits)} splits; {baselines}")


@app.command
def compare(
    first: Path,
    second: Path,
    /,
    *,
    features: Path | None = None,
    exchange: Literal["clips", "classes"] = "clips",
    correction: Literal["holm", "bh", "none"] = "holm",
    seed: int = 0,
    json: Json = False,
) -> None:
    """Test whether one result is better than another on the same clips.

    Parameters
    ----------
    first
        What `siamaudio evaluate --json` printed.
    second
        The same, of the other network.
    features
        The feature store of both, which tells which clips are of one recording.
    exchange
        What is exchanged in the permutation test: clips, which tells about these classes, or whole classes, which
        tells about others.
    correction
        Of p-values of single classes: holm, bh (Benjamini and Hochberg) or none.
    seed
        Of the random permutations.
    """
    result, other = _read_result(first), _read_result(second)
    sources = None
    if features is not None:
        sources = sa.Features.load(features).select_classes([*result.classes, *result.left_out])
    found = sa.compare(
        result,
        other,
        sources=sources,
        exchange=exchange,
        correction=correction,
        seed=seed,
        names=(first.stem, second.stem) if first.stem != second.stem else (str(first), str(second)),
    )
    if json:
        _print_json(found.to_dict())
        return
    print(found)
    for name, own in found.per_class.items():
        print(f"  {name:<24} {100 * own.difference:+6.1f} points, corrected p = {own.corrected_p_value:.3g}")


@app.command
def leaks(
    features: Path,
    /,
    *,
    model: Path | None = None,
    ways: int = 5,
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Find clips of one recording and copies of clips, and what the accuracy gains by them.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    model
        A network whose accuracy to measure, on classes that it has not seen; by default that of the raw spectrograms.
    ways
        Classes a task.
    """
    data = sa.Features.load(features)
    net = None
    if model is not None:
        net = sa.SiameseNetwork.load(model)
        data = data.select_classes(_unseen_classes(net, data))
    report = sa.leak_report(data, net, ways=ways, num_threads=num_threads)
    if json:
        _print_json(report.to_dict())
        return
    print(report)
    for found in report.near_duplicates:
        kind = "one source" if found.same_source else "different sources"
        print(f"  {found.similarity:.2f}  {found.paths[0]}  {found.paths[1]}  {' / '.join(found.classes)}, {kind}")


@app.command
def info(*, json: Json = False) -> None:
    """Print versions, instruction set, threads and devices."""
    from importlib.metadata import version

    from siamaudio._engine import core
    from siamaudio._frontend import audio_core

    facts = {
        "siamaudio": sa.__version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "libsndfile": audio_core.libsndfile_version(),
        "libsoxr": audio_core.libsoxr_version(),
        "instruction set": audio_core.isa(),
        "usable sets": " ".join(audio_core.usable_isas()),
        "network kernels": core.fused_kernels(),
        "torch's set": core.cpu_capability(),
        "cores": os.cpu_count(),
        "torch threads": core.num_threads(),
        "device": core.resolve_device("auto"),
    }
    if json:
        _print_json(facts)
        return
    for name, value in facts.items():
        print(f"{name:<16} {value}")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : list of str or None
        What was typed after ``siamaudio``; None: the process's own arguments.
    """
    warnings.showwarning = _print_warning
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (cyclopts.CycloptsError, ParameterError) as error:
        _fail(error, 2)
    except (SiamaudioError, ImportError, OSError) as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    sys.exit(0)


def _fail(error: object, status: int) -> NoReturn:
    message = " ".join(str(error).split())
    print(f"siamaudio: {message}", file=sys.stderr)
    sys.exit(status)


def _print_warning(message: Warning | str, *_: Any) -> None:
    print(f"siamaudio: {message}", file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _parse_split(split: str | None, num_classes: int) -> tuple[int, int, int]:
    """Numbers of training, validation and test classes."""
    if split is None:
        num_test = max(2, round(num_classes / 10))
        num_validation = num_test if num_classes >= 3 * num_test else 0
        return max(0, num_classes - num_validation - num_test), num_validation, num_test
    try:
        num_train, num_validation, num_test = (int(part) for part in split.split("/"))
    except ValueError:
        raise ParameterError("--split", split, "three numbers of classes, as in 40/5/5") from None
    return num_train, num_validation, num_test


def _parse_settings(settings: list[str]) -> dict[str, str]:
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ParameterError("--set", setting, "an option and its value, as in optimizer.lr=1e-3")
        parsed[name] = value
    return parsed


def _read_result(path: Path) -> sa.EvaluationResult:
    """Read what `evaluate --json` printed."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("report", None)
        return sa.EvaluationResult.from_json(json.dumps(values))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DatasetError(f"{path} is no result of `siamaudio evaluate --json`") from None


def _unseen_classes(net: sa.SiameseNetwork, features: sa.Features) -> list[str]:
    seen = {*net.train_classes_, *net.validation_classes_}
    unseen = [name for name in features.class_names if name not in seen]
    planned = [name for name in unseen if net.split_ is not None and name in net.split_.test]
    if not unseen:
        raise DatasetError("the network has seen every class of these features: name classes, and allow trained ones")
    return planned or unseen
