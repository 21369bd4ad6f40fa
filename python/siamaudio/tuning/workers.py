"""How processes that know nothing of each other share the trials of a study, so that there are as many as asked for.

A study's *live* trials are those that have not failed; only the first `num_trials` of them, by number, are run. A
process that finds fewer adds one, looks again, and withdraws it where another was first: numbers are given one after
the other, so that of two processes that add at the same time both see who was first. A trial that has come to an end by
itself stays. One whose process died is set to failed by whoever finds it, which makes room for another that continues
it: the same values, the same seed. All trials that continue one another have the number of the first as their *root*,
and no two of them are live. There is no lock, and wherever a process is killed the others find a state to go on from.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from siamaudio.tuning.storage import Claims

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["REASON", "finished_trials", "root_of", "seeds_of", "work"]

REASON = "reason"  # attribute: why a trial has no accuracy
_ROOT = "root"
_DEATHS = "deaths"  # of processes that have worked on this root
_RELEASED = "released"  # by a process that was stopped, but not killed
_MOST_DEATHS = 3
_POLL_SECONDS = 0.5


def root_of(trial: FrozenTrial) -> int:
    """Return the number of the trial that this one continues, or its own."""
    return trial.user_attrs.get(_ROOT, trial.number)


def seeds_of(seed: int, root: int) -> tuple[int, int]:
    """Return a trial's seeds, for its training and for the choice of its values, from that of the study."""
    training, choice = np.random.SeedSequence([seed, root]).generate_state(2)
    return int(training), int(choice)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have come to an end by themselves, by root."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return sorted(trials, key=root_of)


def work(
    study: optuna.Study,
    storage: optuna.storages.BaseStorage,
    claims: Claims,
    objective: Callable[[optuna.Trial, int], float],
    *,
    num_trials: int,
    prepare: Callable[[optuna.Study, int], object] = lambda study, root: None,
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
        Gets a trial and its root, and returns the trial's value, or raises `optuna.TrialPruned`. Any other exception
        hands the trial back, for this process when it is started again or for another, and ends the work.
    num_trials : int > 0
        How many; those that were pruned count.
    prepare : callable
        Called with study and root before a trial is made, for its sampler.
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
    prepare(study, root_of(frozen))
    trial = optuna.Trial(study, trial_id)
    value, state = None, TrialState.PRUNED
    try:
        deaths = frozen.user_attrs.get(_DEATHS, 0)
        if deaths < _MOST_DEATHS:
            value = objective(trial, root_of(frozen))
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
            trials = self._trials()
            live = [trial for trial in _live(trials) if not self._withdrawn(trial, trials)][: self._num_trials]
            if len(live) == self._num_trials and all(trial.state.is_finished() for trial in live):
                return None
            for trial in live:
                if trial.state is TrialState.WAITING and self._start(self._id_of(trial)):
                    return self._id_of(trial)
            if len(live) < self._num_trials:
                self._add(trials)
            else:
                time.sleep(_POLL_SECONDS)

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

    def _add(self, trials: list[FrozenTrial]) -> None:
        """Add a trial, and withdraw it where there were enough by then."""
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=_next_trial(trials))
        own = self._storage.get_trial(trial_id)
        num_earlier = sum(trial.number < own.number for trial in _live(self._trials()))
        if num_earlier >= self._num_trials:
            self._withdraw(own)

    def _withdrawn(self, trial: FrozenTrial, trials: list[FrozenTrial]) -> bool:
        """Withdraw a trial that waits while an earlier one of its root is live: two continued the same at a time."""
        from optuna.trial import TrialState

        earlier = [other for other in _live(trials) if other.number < trial.number]
        if trial.state is TrialState.WAITING and any(root_of(other) == root_of(trial) for other in earlier):
            self._withdraw(trial)
            return True
        return False

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


def _live(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return [trial for trial in trials if trial.state is not TrialState.FAIL]


def _lost(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that failed and that none continues."""
    from optuna.trial import TrialState

    taken = {root_of(trial) for trial in _live(trials)}
    return [trial for trial in trials if trial.state is TrialState.FAIL and root_of(trial) not in taken]


def _next_trial(trials: list[FrozenTrial]) -> FrozenTrial:
    """Return what to add: the continuation of the first lost trial, or else a new one."""
    import optuna
    from optuna.trial import TrialState

    lost = _lost(trials)
    if not lost:
        return optuna.create_trial(state=TrialState.WAITING)
    root = min(root_of(trial) for trial in lost)
    chain = [trial for trial in lost if root_of(trial) == root]
    last = max(chain, key=lambda trial: len(trial.params))
    deaths = sum(_RELEASED not in trial.user_attrs for trial in chain)
    return optuna.create_trial(
        state=TrialState.WAITING,
        params=last.params,
        distributions=last.distributions,
        user_attrs={_ROOT: root, _DEATHS: deaths},
    )
