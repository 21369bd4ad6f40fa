"""How processes that know nothing of each other share the trials of a study, so that there are as many as asked for.

Each of the asked number of trials has an *index*, from 0, and the storage's trials say which index they are for. For
each index one trial comes to an end by itself, and that one stays. One whose process died is set to failed by whoever
finds it; then its index has no trial, and the next process that has nothing else to do adds one: with the same values
and, as these hang on the index, the same seeds. Where two processes add a trial for one index at the same time, both
see which is first, by the numbers that the storage gives one after the other, and the second is withdrawn. There is no
lock, and wherever a process is killed the others find a state to go on from.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from siamaudio.tuning.storage import Claims

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["CHOSEN", "REASON", "finished_trials", "index_of", "seeds_of", "work"]

CHOSEN = "network"  # attribute: what the values make; once it is there, all values have been chosen
REASON = "reason"  # attribute: why a trial has no value
_INDEX = "index"
_DEATHS = "deaths"  # of processes that have worked on this index
_RELEASED = "released"  # by a process that was stopped, but not killed
_MOST_DEATHS = 3
_POLL_SECONDS = 0.5


def index_of(trial: FrozenTrial) -> int:
    """Return which of the asked trials this one is for; -1 where it is not of `work`."""
    return trial.user_attrs.get(_INDEX, -1)


def seeds_of(seed: int, index: int) -> tuple[int, int]:
    """Return a trial's seeds, for its training and for the choice of its values, from that of the study."""
    training, choice = np.random.SeedSequence([seed, index]).generate_state(2)
    return int(training), int(choice)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have come to an end by themselves, by index."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return sorted((trial for trial in trials if index_of(trial) >= 0), key=index_of)


def work(
    study: optuna.Study,
    storage: optuna.storages.BaseStorage,
    claims: Claims,
    objective: Callable[[optuna.Trial, int], float],
    *,
    num_trials: int,
    prepare: Callable[[optuna.Study, int], object] = lambda study, index: None,
    on_progress: Callable[[optuna.Study], object] = lambda study: None,
) -> None:
    """Run trials until the study has as many that have come to an end, whoever runs them.

    Parameters
    ----------
    study : optuna.Study
        The study.
    storage : optuna.storages.BaseStorage
        What the study is kept in.
    claims : Claims
        Of the storage.
    objective : callable
        Gets a trial and its index, sets the attribute `CHOSEN` when it has all of the trial's values, and returns the
        trial's value, or raises `optuna.TrialPruned`. Any other exception hands the trial back, for this process when
        it is started again or for another, and ends the work.
    num_trials : int > 0
        How many; those that were pruned count.
    prepare : callable
        Called with study and index before a trial is made, for its sampler.
    on_progress : callable
        Called with the study before each trial and at the end.

    Raises
    ------
    Exception
        What `objective` raises.
    """
    queue = _Queue(study, storage, claims, num_trials)
    while True:
        on_progress(study)
        number = queue.take()
        if number is None:
            return
        try:
            _run(study, storage, number, objective, prepare)
        finally:
            claims.release()


def _run(
    study: optuna.Study,
    storage: optuna.storages.BaseStorage,
    trial_id: int,
    objective: Callable[[optuna.Trial, int], float],
    prepare: Callable[[optuna.Study, int], object],
) -> None:
    import optuna
    from optuna.trial import TrialState

    frozen = storage.get_trial(trial_id)
    prepare(study, index_of(frozen))
    trial = optuna.Trial(study, trial_id)
    value, state = None, TrialState.PRUNED
    try:
        deaths = frozen.user_attrs.get(_DEATHS, 0)
        if deaths < _MOST_DEATHS:
            value = objective(trial, index_of(frozen))
            state = TrialState.COMPLETE
        else:
            trial.set_user_attr(REASON, f"its process died {deaths} times")
    except optuna.TrialPruned:
        pass
    except optuna.exceptions.UpdateFinishedTrialError:
        return  # taken for dead, see below
    except BaseException:
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            trial.set_user_attr(_RELEASED, True)
            storage.set_trial_state_values(trial_id, TrialState.FAIL)
        raise
    try:
        study.tell(trial, value, state)
    except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
        # This process slept so long that it was taken for dead: another continues the trial, and that result counts.
        if storage.get_trial(trial_id).state is not TrialState.FAIL:
            raise


class _Queue:
    """Finds the next trial to run."""

    def __init__(
        self, study: optuna.Study, storage: optuna.storages.BaseStorage, claims: Claims, num_trials: int
    ) -> None:
        self._study = study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._claims = claims
        self._num_trials = num_trials

    def take(self) -> int | None:
        """Return the id of a trial that runs now and is this process's own; None where all have come to an end."""
        from optuna.trial import TrialState

        while True:
            self._fail_dead()
            first, others = self._by_index()
            for trial in others:  # of which none has been begun, as the first is older
                self._withdraw(trial)
            if len(first) == self._num_trials and all(trial.state.is_finished() for trial in first.values()):
                return None
            for trial in first.values():
                if trial.state is TrialState.WAITING and self._start(self._id_of(trial)):
                    return self._id_of(trial)
            missing = [index for index in range(self._num_trials) if index not in first]
            if missing:
                # Alone, in order; beside others anywhere, as all of them would otherwise add the same.
                is_alone = all(trial.state.is_finished() for trial in first.values())
                self._add(missing[0] if is_alone else secrets.choice(missing))
            else:
                time.sleep(_POLL_SECONDS)

    def _by_index(self) -> tuple[dict[int, FrozenTrial], list[FrozenTrial]]:
        """Return the first trial of each index that has not failed, and all others of these."""
        from optuna.trial import TrialState

        first: dict[int, FrozenTrial] = {}
        others: list[FrozenTrial] = []
        for trial in self._trials():  # by number
            if trial.state is TrialState.FAIL or not 0 <= index_of(trial) < self._num_trials:
                continue
            if first.setdefault(index_of(trial), trial) is not trial:
                others.append(trial)
        return first, others

    def _fail_dead(self) -> None:
        from optuna.trial import TrialState

        running = [trial for trial in self._trials() if trial.state is TrialState.RUNNING]
        self._claims.fail_dead(self._study, [self._id_of(trial) for trial in running])

    def _start(self, trial_id: int) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        if not self._claims.take(trial_id):
            return False
        try:
            if self._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                return True
        except UpdateFinishedTrialError:
            pass
        except BaseException:
            self._claims.release()
            raise
        self._claims.release()
        return False

    def _add(self, index: int) -> None:
        """Add a trial that goes on where others of its index have failed, or a new one."""
        import optuna
        from optuna.trial import TrialState

        earlier = [trial for trial in self._trials() if index_of(trial) == index and trial.state is TrialState.FAIL]
        attributes = {_INDEX: index, _DEATHS: sum(_RELEASED not in trial.user_attrs for trial in earlier)}
        chosen = [trial for trial in earlier if CHOSEN in trial.user_attrs]
        template = optuna.create_trial(
            state=TrialState.WAITING,
            params=chosen[-1].params if chosen else {},
            distributions=chosen[-1].distributions if chosen else {},
            user_attrs=attributes,
        )
        self._storage.create_new_trial(self._study_id, template_trial=template)

    def _withdraw(self, trial: FrozenTrial) -> None:
        """Set a trial that waits to failed, but by way of running: so nobody else can have begun it meanwhile."""
        from optuna.trial import TrialState

        trial_id = self._id_of(trial)
        if self._start(trial_id):
            self._storage.set_trial_user_attr(trial_id, _RELEASED, True)
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
            self._claims.release()

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _id_of(self, trial: FrozenTrial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
