"""Accuracy over many class splits: a single one says as much about its test classes as about the network."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import time
import types
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from tqdm.auto import tqdm

from siamaudio.errors import CheckpointError, ParameterError
from siamaudio.evaluation.exact import evaluate_oneshot
from siamaudio.evaluation.results import EvaluationResult, Interval
from siamaudio.features import Features
from siamaudio.files import locked, replace_file
from siamaudio.network import SiameseNetwork
from siamaudio.splits import ClassSplit, draw_class_splits

if TYPE_CHECKING:
    import os

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["MakeNetwork", "SplitsResult", "evaluate_splits"]

MakeNetwork = Callable[[Features, Features, int], SiameseNetwork]
"""Given training clips, validation clips (maybe none) and a seed, returns a trained network."""

# Arguments of `fit` that change nothing but how fast a network is made, or that `evaluate_splits` chooses.
_NOT_PART_OF_THE_RESULT = {"device", "num_threads", "progress"}
_CHOSEN_HERE = {"validation", "seed", "checkpoint", "resume"}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SplitsResult:
    """One-shot accuracy over class splits.

    Attributes
    ----------
    accuracy : float
        Mean over the splits.
    standard_deviation : float or None
        Of one split, from n - 1 degrees of freedom; None for a single split.
    standard_error : float or None
        Of the mean: standard deviation over the root of the number of splits.
    interval : Interval or None
        Of the mean, Student's.
    per_class : dict from str to float
        Each class's accuracy, averaged over the splits in which it was tested; classes that never were are not there.
    per_class_splits : dict from str to int
        In how many splits each class of the data was tested.
    baselines : dict from str to float
        Means over the splits of what the single results have.
    splits : tuple of ClassSplit
        Which classes were trained on, validated on and tested on.
    results : tuple of EvaluationResult
        Of each split.
    seconds : tuple of float
        That each split took, training included.
    ways : int
        Classes a task.
    source_disjoint : bool
        Whether no query met a support of its own source.
    description : str
        In words.

    Notes
    -----
    Splits share training classes, so that their results are not quite independent; the interval is for other splits of
    these classes, not for classes that are in none of them.
    """

    accuracy: float
    standard_deviation: float | None
    standard_error: float | None
    interval: Interval | None
    per_class: dict[str, float]
    per_class_splits: dict[str, int]
    baselines: dict[str, float]
    splits: tuple[ClassSplit, ...]
    results: tuple[EvaluationResult, ...]
    seconds: tuple[float, ...]
    ways: int
    source_disjoint: bool
    description: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "interval": None if self.interval is None else dataclasses.asdict(self.interval),
            "splits": [split.to_dict() for split in self.splits],
            "results": [result.to_dict() for result in self.results],
            "seconds": list(self.seconds),
        }

    def to_json(self) -> str:
        """Return everything as JSON, from which `from_json` makes the same result again."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the result that `to_json` wrote.

        Parameters
        ----------
        text : str
            What `to_json` returned.
        """
        values = json.loads(text)
        return cls(
            **{
                **values,
                "interval": None if values["interval"] is None else Interval(**values["interval"]),
                "splits": tuple(map(ClassSplit.from_dict, values["splits"])),
                "results": tuple(EvaluationResult.from_json(json.dumps(result)) for result in values["results"]),
                "seconds": tuple(values["seconds"]),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: its mean accuracy, the standard deviation over splits, and in how many it was."""
        import pandas as pd

        names = list(self.per_class_splits)
        values = [[result.per_class[name] for result in self.results if name in result.per_class] for name in names]
        rows = {
            "accuracy": [self.per_class.get(name, math.nan) for name in names],
            "standard_deviation": [float(np.std(found, ddof=1)) if len(found) > 1 else math.nan for found in values],
            "splits": list(self.per_class_splits.values()),
        }
        return pd.DataFrame(rows, index=pd.Index(names, dtype=object, name="class"))

    def splits_frame(self) -> pd.DataFrame:
        """Return one row a split: accuracy, baselines, test classes, seconds."""
        import pandas as pd

        rows = [
            {
                "accuracy": result.accuracy,
                **result.baselines,
                "test_classes": ", ".join(split.test),
                "seconds": seconds,
            }
            for split, result, seconds in zip(self.splits, self.results, self.seconds, strict=True)
        ]
        return pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="split"))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the mean accuracy of each class, with a dot for each split in which it was tested.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_split_classes(self, ax=ax)

    def plot_splits(self, *, ax: Axes | None = None) -> Axes:
        """Draw the accuracy of each split beside its baselines, and the mean with its interval.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_splits(self, ax=ax)

    def __repr__(self) -> str:
        spread = "" if self.standard_deviation is None else f" ± {100 * self.standard_deviation:.1f}"
        error = "" if self.standard_error is None else f" (standard error {100 * self.standard_error:.1f})"
        baselines = "".join(f", {name} {accuracy:.1%}" for name, accuracy in self.baselines.items())
        return (
            f"SplitsResult({self.ways}-way accuracy {100 * self.accuracy:.1f}{spread} %{error} over "
            f"{len(self.splits)} class splits{baselines})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        table = self.to_frame().to_html(
            formatters={"accuracy": "{:.1%}".format, "standard_deviation": "{:.1%}".format}, na_rep=""
        )
        return f"<p>{escape(repr(self))}</p><p>{escape(self.description)}</p>{table}"


def evaluate_splits(
    make_network: MakeNetwork | SiameseNetwork | str,
    features: Features,
    *,
    splits: int | Sequence[ClassSplit] = 20,
    num_validation: int = 5,
    num_test: int = 5,
    ways: int = 5,
    source_disjoint: bool = False,
    fit: Mapping[str, Any] | None = None,
    calibrate: bool = False,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    num_threads: int | None = None,
    progress: bool = True,
) -> SplitsResult:
    """Train and test on many class splits, and tell how much the accuracy depends on which classes are tested.

    The classes are dealt like cards: test classes are drawn without replacement until all have been tested, then anew,
    so that each class is tested equally often but for one. Validation classes are drawn from the others, and all that
    are left are trained on.

    Parameters
    ----------
    make_network : callable, SiameseNetwork or str
        What to train on each split. A callable gets training clips, validation clips (none where `num_validation` is 0)
        and a seed, and returns the trained network. A network is trained anew with its options; its weights are not
        used. A name is that of a preset.
    features : Features
        Clips of all classes.
    splits : int > 0 or sequence of ClassSplit
        How many to draw, or which to use.
    num_validation, num_test : int
        Classes to validate and to test on.
    ways : int
        Classes a task.
    source_disjoint : bool
        Only tasks in which no support has the query's source.
    fit : mapping or None
        Arguments of `SiameseNetwork.fit` such as ``{"epochs": 20}``, for a network or a name.
    calibrate : bool
        Centre and whiten the embeddings on the training classes, for a network or a name; see
        `SiameseNetwork.calibrate`.
    seed : int >= 0
        Of the class splits; that of the network of split i is ``seed + i``.
    folder : path-like or None
        Where to keep the result of each split, once it is there. Called again with the same arguments, only what is
        missing is done; more splits may be asked for than before.
    num_threads : int > 0 or None
        CPU threads; None: one a core.
    progress : bool
        Show a progress bar of the splits on stderr.

    Returns
    -------
    SplitsResult

    Raises
    ------
    ParameterError
        A parameter is out of its range, or `make_network` returns something else than a trained network.
    CheckpointError
        The folder holds results of other arguments, or a damaged one.
    DatasetError
        Training is not possible on these classes, or the network was trained on test classes.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> rng = np.random.default_rng(0)
    >>> clips = np.repeat(rng.standard_normal((8, 16, 16)), 6, axis=0) + 0.5 * rng.standard_normal((48, 16, 16))
    >>> features = sa.Features.from_arrays(clips, np.repeat(list("abcdefgh"), 6))
    >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    >>> def make_network(train, validation, seed):
    ...     return sa.SiameseNetwork(encoder).fit(train, validation=validation, epochs=1, seed=seed, progress=False)
    >>> found = sa.evaluate_splits(
    ...     make_network, features, splits=4, num_test=2, num_validation=2, ways=2, progress=False
    ... )
    >>> found.per_class_splits
    {'a': 1, 'b': 1, 'c': 1, 'd': 1, 'e': 1, 'f': 1, 'g': 1, 'h': 1}
    """
    train_network, described = _maker(make_network, fit, calibrate, num_threads)
    if isinstance(splits, int | np.integer):
        planned = draw_class_splits(
            features.class_names, int(splits), num_test=num_test, num_validation=num_validation, seed=seed
        )
    else:
        planned = tuple(splits)
        if not planned:
            raise ParameterError("splits", "no splits", "one or more")
    for split in planned:
        if not 2 <= ways <= len(split.test):
            raise ParameterError("ways", ways, f"2 to {len(split.test)}, the number of test classes")
    options = {
        "make_network": described,
        "ways": ways,
        "source_disjoint": source_disjoint,
        "seed": seed,
        "features": _checksum(features),
    }

    def measure(index: int, split: ClassSplit) -> dict[str, Any]:
        start = time.perf_counter()
        train, validation = features.select_classes(split.train), features.select_classes(split.validation)
        net = train_network(train, validation, seed + index)
        if not isinstance(net, SiameseNetwork):
            raise ParameterError("make_network", f"a function that returns {type(net).__name__}", "a trained network")
        result = evaluate_oneshot(
            net,
            features.select_classes(split.test),
            ways=ways,
            source_disjoint=source_disjoint,
            num_threads=num_threads,
        )
        return {
            "options": options,
            "split": split.to_dict(),
            "result": result.to_dict(),
            "seconds": time.perf_counter() - start,
        }

    kept_in = None if folder is None else Path(folder)
    records = []
    with tqdm(total=len(planned), desc="class splits", unit="split", disable=not progress) as bar:
        for index, split in enumerate(planned):
            records.append(_kept(kept_in, index, split, options, functools.partial(measure, index, split)))
            mean = np.mean([record["result"]["accuracy"] for record in records])
            bar.set_postfix_str(f"mean accuracy {mean:.1%}")
            bar.update()
    results = tuple(EvaluationResult.from_json(json.dumps(record["result"])) for record in records)
    return _summary(features.class_names, planned, results, tuple(record["seconds"] for record in records))


def _summary(
    class_names: Sequence[str],
    splits: tuple[ClassSplit, ...],
    results: tuple[EvaluationResult, ...],
    seconds: tuple[float, ...],
) -> SplitsResult:
    from scipy.stats import t as student

    accuracies = np.array([result.accuracy for result in results])
    deviation = error = interval = None
    if len(accuracies) > 1:
        deviation = float(accuracies.std(ddof=1))
        error = deviation / math.sqrt(len(accuracies))
        reach = float(student.ppf(0.975, len(accuracies) - 1)) * error
        mean = float(accuracies.mean())
        interval = Interval(
            max(0.0, mean - reach), min(1.0, mean + reach), kind="other splits of the same classes; Student's t"
        )
    per_class = {
        name: [result.per_class[name] for result in results if name in result.per_class] for name in class_names
    }
    names = [name for name in results[0].baselines if all(name in result.baselines for result in results)]
    first = results[0]
    return SplitsResult(
        accuracy=float(accuracies.mean()),
        standard_deviation=deviation,
        standard_error=error,
        interval=interval,
        per_class={name: float(np.mean(values)) for name, values in per_class.items() if values},
        per_class_splits={name: len(values) for name, values in per_class.items()},
        baselines={name: float(np.mean([result.baselines[name] for result in results])) for name in names},
        splits=splits,
        results=results,
        seconds=seconds,
        ways=first.ways,
        source_disjoint=first.source_disjoint,
        description=f"{len(splits)} class splits of {len(class_names)} classes, {len(splits[0].train)} to train on, "
        f"{len(splits[0].validation)} to validate on, {len(splits[0].test)} to test on; {first.description}",
    )


# ---- What makes a network, and how to know it again


def _maker(
    make_network: MakeNetwork | SiameseNetwork | str,
    fit: Mapping[str, Any] | None,
    calibrate: bool,
    num_threads: int | None,
) -> tuple[MakeNetwork, dict[str, Any]]:
    arguments = dict(fit or {})
    chosen = sorted(_CHOSEN_HERE & set(arguments))
    if chosen:
        raise ParameterError("fit", f"the argument {chosen[0]!r}", "others: this one is chosen for each split")
    if isinstance(make_network, str):
        make_network = SiameseNetwork.preset(make_network)
    if isinstance(make_network, SiameseNetwork):
        options = make_network.get_params(deep=False)
        arguments = {"num_threads": num_threads, "progress": False, **arguments}

        def train(clips: Features, validation: Features, seed: int) -> SiameseNetwork:
            net = SiameseNetwork(**options).fit(clips, validation=validation, seed=seed, **arguments)
            return net.calibrate(clips, num_threads=num_threads) if calibrate else net

        described = {name: repr(value) for name, value in options.items()}
        fitted = {name: repr(value) for name, value in arguments.items() if name not in _NOT_PART_OF_THE_RESULT}
        return train, {"network": described, "fit": fitted, "calibrate": calibrate}
    if not callable(make_network):
        raise ParameterError("make_network", make_network, "a function, a network or the name of a preset")
    if fit is not None or calibrate:
        name = "calibrate" if fit is None else "fit"
        raise ParameterError(name, "given beside a function", f"a function that calls {name}() itself")
    return make_network, _described_function(make_network)


def _described_function(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what tells one function from another that does something else: its code and the values it brings along."""
    if isinstance(function, functools.partial):
        return {
            **_described_function(function.func),
            "arguments": repr((function.args, sorted(function.keywords.items()))),
        }
    name = getattr(function, "__qualname__", type(function).__qualname__)
    described = {"function": f"{getattr(function, '__module__', '')}.{name}"}
    if isinstance(function, types.FunctionType):
        code = function.__code__
        outside = [cell.cell_contents for cell in function.__closure__ or ()]
        outside += [function.__globals__.get(name) for name in code.co_names]
        values = [function.__defaults__, function.__kwdefaults__, *filter(_is_plain, outside)]
        described["code"] = hashlib.sha256(repr([_instructions(code), values]).encode()).hexdigest()[:16]
    return described


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float | str | tuple)


def _instructions(code: types.CodeType) -> list[Any]:
    return [code.co_code.hex(), code.co_names, [_constant(constant) for constant in code.co_consts]]


def _constant(constant: object) -> Any:
    if isinstance(constant, types.CodeType):
        return _instructions(constant)
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)


def _checksum(features: Features) -> str:
    """Tell one set of labelled clips from another, by a CRC-32 over its bytes."""
    described = json.dumps([features.class_names, features.labels.tolist(), features.sources])
    checksum = zlib.crc32(described.encode("utf-8", "surrogateescape"))
    for block in features.iter_blocks():
        checksum = zlib.crc32(np.ascontiguousarray(block.array).data, checksum)
    return f"{features.shape} {checksum:08x}"


# ---- One file a split


def _kept(
    folder: Path | None,
    index: int,
    split: ClassSplit,
    options: dict[str, Any],
    measure: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Return what the folder has of a split, or measure it and keep it there."""
    if folder is None:
        return measure()
    path = folder / f"split-{index:03}.json"
    with locked(path):
        if path.exists():
            return _read(path, split, options)
        record = measure()
        replace_file(path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
        return record


def _read(path: Path, split: ClassSplit, options: dict[str, Any]) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        kept, kept_split = record["options"], ClassSplit.from_dict(record["split"])
        EvaluationResult.from_json(json.dumps(record["result"]))
        float(record["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is no result of a class split, or damaged: remove it to do it again") from error
    if kept != options:
        name, before, now = _difference(kept, options)
        raise CheckpointError(
            f"{path} was made with {name} {before}, not {now}: give the same as then, or another folder"
        )
    if kept_split != split:
        raise CheckpointError(
            f"{path} has other classes ({', '.join(kept_split.test)} to test on, not {', '.join(split.test)}): "
            "give the same numbers of classes as then, or another folder"
        )
    return record


def _difference(kept: dict[str, Any], options: dict[str, Any]) -> tuple[str, Any, Any]:
    """Return the name of the first option that differs, and its two values."""
    name = next(name for name in {**options, **kept} if kept.get(name) != options.get(name))
    before, now = kept.get(name), options.get(name)
    if isinstance(before, dict) and isinstance(now, dict):
        inner, before, now = _difference(before, now)
        return f"{name}.{inner}", before, now
    return name, before, now
