"""`tune`: trials of a search space, trained by the C++ loop and judged on validation classes."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tqdm.auto import tqdm

from siamaudio import fitting, network_options, samplers
from siamaudio._engine import core
from siamaudio.errors import ParameterError, TrainingError, TuningError
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork
from siamaudio.optional import require
from siamaudio.tuning.results import TrialRecord, TuningResult, best_trial
from siamaudio.tuning.spaces import PublishedSpace, SearchSpace, Space, search_space
from siamaudio.tuning.storage import one_line, opened_storage, shown_storage
from siamaudio.tuning.workers import CHOSEN, REASON, finished_trials, index_of, seeds_of, work

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["tune"]

Objective = Callable[[SiameseNetwork], float]

_DESCRIPTION = "siamaudio"  # attribute of a study
_EPOCHS = 40  # as of `SiameseNetwork.fit`


def tune(
    features: Features,
    *,
    validation: Features,
    space: str | Space,
    trials: int = 50,
    storage: str | os.PathLike[str] = "tuning.journal",
    study: str | None = None,
    objective: Objective | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    pairing: fitting.Pairing | None = None,
    patience: int | None = None,
    validation_freq: int = 1,
    sampler: Literal["tpe", "random"] | optuna.samplers.BaseSampler = "tpe",
    pruner: Literal["median", "none"] | optuna.pruners.BasePruner = "median",
    device: str = "auto",
    precision: fitting.Precision = "auto",
    seed: int = 0,
    num_threads: int | None = None,
    takeover_seconds: int = 60,
    progress: bool = True,
) -> TuningResult:
    """Search for hyperparameters with Optuna, until the study has as many trials as are asked for.

    Each trial trains one network of the search space, in the C++ loop, and reports the validation accuracy of every
    epoch, by which hopeless trials are stopped. The study is kept in its storage: called again, with the same
    arguments, this goes on where it was, and called by several processes at once they share the trials. A process that
    is killed loses nothing but its trial's epochs: the next that looks takes the trial over, with the same values and
    seed. By one process with a journal file, killed or not, the same seed makes the same trials.

    Parameters
    ----------
    features : Features
        Training clips, two or more of each class.
    validation : Features
        Clips of other classes, on which trials are judged; keep the test classes out of both.
    space : str, SearchSpace or callable
        A published space, by name (see `siamaudio.tuning.search_space_names`), a `siamaudio.tuning.SearchSpace`, or a
        function that gets an Optuna trial, calls its ``suggest_…`` methods, and returns a `SiameseNetwork`.
    trials : int > 0
        Trials that the study shall have in the end, those pruned included, those of earlier calls and of other
        processes too. A network that cannot be trained (too deep for the spectrograms, pairs that the classes do not
        allow, a loss that is no longer finite, too little memory, or three times the death of its process) counts as
        one: its answer is known.
    storage : path-like or str
        A journal file, for processes of one machine, or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, for
        processes of any.
    study : str or None
        Name in the storage, which may hold several; None: that of the space.
    objective : callable or None
        What to maximise, of the trained network; it shall not depend on what it was called with before. None: the
        exact 5-way one-shot accuracy on the validation classes (all of them, where there are fewer than five) after the
        best epoch. Pruning always goes by that accuracy.
    epochs, patience : int or None
        As of `SiameseNetwork.fit`; None: those of a published space, or else `fit`'s own.
    steps_per_epoch, batch_size, pairing, validation_freq, device, precision, num_threads
        As of `SiameseNetwork.fit`.
    sampler : {"tpe", "random"} or optuna.samplers.BaseSampler
        What chooses values.
    pruner : {"median", "none"} or optuna.pruners.BasePruner
        What stops a trial: "median", after its third epoch an accuracy below the median of at least five earlier trials
        at the same epoch.
    seed : int >= 0
        Of the study: from it and its number each trial has a seed of its own for its values and for `fit`.
    takeover_seconds : int > 0
        With a database: how long a process is silent before its trial is taken over. With a journal file it is seen at
        once.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    TuningResult

    Raises
    ------
    ParameterError
        There is no such space or storage, or an argument is out of its range.
    DatasetError
        Nothing can be learned from the clips, or validation shares classes with them.
    TuningError
        The storage cannot be reached or is damaged, or holds a study of this name with other arguments; or not one
        trial was trained to the end.
    ImportError
        Optuna, or what it needs for PostgreSQL, is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> patterns = np.random.default_rng(0).standard_normal((6, 1, 16, 16))
    >>> clips = (patterns + np.random.default_rng(1).standard_normal((6, 8, 16, 16))).reshape(48, 16, 16)
    >>> features = sa.Features.from_arrays(clips, np.repeat(list("abcdef"), 8))
    >>> train, validation, _ = features.split_classes(4, 2, 0, seed=0)
    >>> def space(trial):
    ...     filters = trial.suggest_categorical("filters", [4, 8])
    ...     encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=filters),), dense=(sa.Dense(units=8),))
    ...     lr = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
    ...     return sa.SiameseNetwork(encoder, optimizer=sa.optimizers.Adam(lr=lr))
    >>> result = sa.tune(train, validation=validation, space=space, trials=3, epochs=2, progress=False)
    >>> len(result.to_frame()), sorted(result.best_params)
    (3, ['filters', 'lr'])
    >>> result.save("best.json")
    >>> net = sa.SiameseNetwork.preset("best.json").fit(train, epochs=5, progress=False)
    """
    optuna = require("optuna", extra="tune", purpose="tuning")
    chosen = search_space(space) if isinstance(space, str) else space
    if not callable(chosen):
        raise ParameterError("space", space, "a name, a SearchSpace, or a function of an Optuna trial")
    if isinstance(chosen, PublishedSpace):
        epochs = chosen.epochs if epochs is None else epochs
        patience = chosen.patience if patience is None else patience
    epochs = _EPOCHS if epochs is None else epochs
    for name, value, least in (
        ("trials", trials, 1),
        ("epochs", epochs, 1),
        ("steps_per_epoch", steps_per_epoch, 1),
        ("batch_size", batch_size, 1),
        ("patience", patience, 0),
        ("validation_freq", validation_freq, 1),
        ("num_threads", num_threads, 1),
        ("seed", seed, 0),
    ):
        if value is not None and value < least:
            raise ParameterError(name, value, f"{least} or more")
    fitting.sampler_for(samplers.Balanced(), pairing, batch_size)
    core.resolve_precision(precision=precision, device=core.resolve_device(device))
    if len(validation) == 0:
        raise ParameterError("validation", "no clips", "clips of two or more classes")
    fitting.check_trainable(features, validation)

    runner = _Runner(
        space=chosen,
        features=features,
        validation=validation,
        objective=objective,
        batch_size=batch_size,
        pairing=pairing,
        seed=seed,
        sampler=sampler,
        fit={
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "patience": patience,
            "validation_freq": validation_freq,
            "device": device,
            "precision": precision,
            "num_threads": num_threads,
        },
    )
    description = {
        "space": _described_space(chosen),
        "objective": None if objective is None else _name_of(objective),
        "training data": fitting.fingerprint(np.asarray(features, dtype=np.float32), features.labels),
        "validation data": fitting.fingerprint(np.asarray(validation, dtype=np.float32), validation.labels),
        "fit": {name: runner.fit[name] for name in ("epochs", "steps_per_epoch", "patience", "validation_freq")},
        "batch_size": batch_size,
        "pairing": pairing,
        "seed": seed,
        "sampler": sampler if isinstance(sampler, str) else type(sampler).__name__,
        "pruner": pruner if isinstance(pruner, str) else type(pruner).__name__,
    }
    study_name = _name_of(chosen) if study is None else study
    with _quiet(optuna), _storage_errors(optuna, storage), contextlib.ExitStack() as stack:
        with opened_storage(storage, takeover_seconds=takeover_seconds) as (opened, claims):
            stack.callback(claims.close)
            found = optuna.create_study(
                storage=opened,
                study_name=study_name,
                direction="maximize",
                load_if_exists=True,
                pruner=_pruner(optuna, pruner),
                sampler=_sampler(optuna, sampler, 0),
            )
            _check_same(found, description, shown_storage(storage))
        bar = stack.enter_context(tqdm(total=trials, desc="tuning", unit="trial", disable=not progress))
        work(
            found,
            opened,
            claims,
            runner.run,
            num_trials=trials,
            prepare=runner.prepare,
            on_progress=lambda study: _show(bar, study),
        )
        finished = finished_trials(found)
        kept = optuna.create_study(study_name=study_name, direction="maximize")
        kept.add_trials(finished)
    ways = min(5, len(validation.class_names))
    judged = f"{_name_of(objective)} of the trained network" if objective is not None else "best epoch's accuracy"
    records = tuple(_record(trial, seed) for trial in finished)
    return TuningResult(
        best=best_trial(records),
        trials=records,
        protocol=f"{judged}; exact {ways}-way one-shot over all tasks of {len(validation.class_names)} validation "
        f"classes after each epoch of at most {epochs}",
        study_name=study_name,
        storage=shown_storage(storage),
        study=kept,
    )


class _Runner:
    """Runs one trial."""

    def __init__(
        self,
        *,
        space: Space,
        features: Features,
        validation: Features,
        objective: Objective | None,
        batch_size: int | None,
        pairing: fitting.Pairing | None,
        seed: int,
        sampler: str | optuna.samplers.BaseSampler,
        fit: dict[str, Any],
    ) -> None:
        self.fit = fit
        self._space = space
        self._features = features
        self._validation = validation
        self._objective = objective
        self._batch_size = batch_size
        self._pairing: fitting.Pairing | None = pairing
        self._seed = seed
        self._sampler = sampler

    def prepare(self, study: optuna.Study, index: int) -> None:
        """Give the trial a sampler of its own, so that it does not matter what this process has run before."""
        import optuna

        study.sampler = _sampler(optuna, self._sampler, seeds_of(self._seed, index)[1])

    def run(self, trial: optuna.Trial, index: int) -> float:
        """Return the value of a trial."""
        import optuna

        net = self._space(trial)
        if not isinstance(net, SiameseNetwork):
            raise TuningError(f"the search space made {type(net).__name__!r}, where a SiameseNetwork is needed")
        sampler = fitting.sampler_for(samplers.registry.parse(net.sampler), self._pairing, self._batch_size)
        net.set_params(sampler=sampler)
        trial.set_user_attr(CHOSEN, network_options.to_dict(net.get_params(deep=False)))

        accuracies: list[float] = []
        is_pruned = False

        def report(net: SiameseNetwork, record: dict[str, Any]) -> bool:
            nonlocal is_pruned
            accuracy = record["validation_accuracy"]
            if accuracy is not None:
                accuracies.append(accuracy)
                trial.report(accuracy, record["epoch"])
                is_pruned = trial.should_prune()
            return is_pruned

        try:
            net.fit(
                self._features,
                validation=self._validation,
                seed=seeds_of(self._seed, index)[0],
                callbacks=(report,),
                progress=False,
                **self.fit,
            )
        except (ParameterError, TrainingError) as error:  # what all trials have in common was checked before
            trial.set_user_attr(REASON, str(error))
            raise optuna.TrialPruned from error
        if is_pruned:
            raise optuna.TrialPruned
        if self._objective is None:
            return max(accuracies)
        value = float(self._objective(net))
        if not math.isfinite(value):
            raise TuningError(f"the objective returned {value}, where a finite number is needed")
        return value


def _record(trial: FrozenTrial, seed: int) -> TrialRecord:
    from optuna.trial import TrialState

    reason = trial.user_attrs.get(REASON)
    state = "complete" if trial.state is TrialState.COMPLETE else "pruned"
    started, ended = trial.datetime_start, trial.datetime_complete
    return TrialRecord(
        trial=index_of(trial),
        state=state if reason is None else "untrainable",
        value=trial.value if reason is None else None,
        params=dict(trial.params),
        network=trial.user_attrs.get(CHOSEN, {}),
        seed=seeds_of(seed, index_of(trial))[0],
        epochs=1 + max(trial.intermediate_values, default=-1),
        seconds=(ended - started).total_seconds() if started is not None and ended is not None else math.nan,
        reason=reason,
    )


def _sampler(optuna: Any, sampler: Any, seed: int) -> optuna.samplers.BaseSampler:
    kinds = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    if isinstance(sampler, optuna.samplers.BaseSampler):
        return sampler
    if sampler not in kinds:
        raise ParameterError("sampler", sampler, "'tpe', 'random', or a sampler of optuna.samplers")
    return kinds[sampler](seed=seed)


def _pruner(optuna: Any, pruner: Any) -> optuna.pruners.BasePruner:
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    if pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    if pruner == "none":
        return optuna.pruners.NopPruner()
    raise ParameterError("pruner", pruner, "'median', 'none', or a pruner of optuna.pruners")


def _name_of(thing: Any) -> str:
    for attribute in ("name", "__name__"):
        name = getattr(thing, attribute, None)
        if isinstance(name, str):
            return name
    return type(thing).__name__


def _described_space(space: Space) -> dict[str, Any]:
    """Return what tells one space from another; of a function that is its name alone."""
    described = getattr(space, "make", space)
    return {"name": _name_of(space), **(described.to_dict() if isinstance(described, SearchSpace) else {})}


def _check_same(study: optuna.Study, description: dict[str, Any], storage: str) -> None:
    """Describe a new study; refuse to go on with one that is of something else."""
    description = json.loads(json.dumps(description))  # tuples become lists, as in the storage
    kept = study.user_attrs.get(_DESCRIPTION)
    if kept is None:
        if study.get_trials(deepcopy=False):
            raise TuningError(f"{storage}: study {study.study_name!r} was not made by siamaudio; give another name")
        study.set_user_attr(_DESCRIPTION, description)
        return
    for fact, value in description.items():
        if kept.get(fact) != value:
            where, before, now = fitting.first_difference(fact, kept.get(fact), value)
            raise TuningError(
                f"{storage}: study {study.study_name!r} is of other arguments: {where} was {before!r}, and is now "
                f"{now!r}; give the same, or another study name"
            )


def _show(bar: tqdm[Any], study: optuna.Study) -> None:
    done = finished_trials(study)
    values = [trial.value for trial in done if trial.state.name == "COMPLETE" and trial.value is not None]
    bar.n = len(done)
    bar.set_postfix_str(f"best {max(values):.1%}" if values else "")


@contextlib.contextmanager
def _quiet(optuna: Any) -> Generator[None]:
    """Let Optuna log warnings alone: a line a trial would cut through the progress bar."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@contextlib.contextmanager
def _storage_errors(optuna: Any, storage: str | os.PathLike[str]) -> Generator[None]:
    """Turn what goes wrong in a database in the midst of the work into one sentence."""
    sqlalchemy_errors = require("sqlalchemy.exc", extra="tune", purpose="tuning")
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy_errors.SQLAlchemyError) as error:
        reason = one_line(getattr(error.__cause__ or error, "orig", None) or error)
        raise TuningError(
            f"{shown_storage(storage)}: out of reach: {reason}; when it is back, the same call goes on"
        ) from error
