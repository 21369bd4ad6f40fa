"""Processes that tune, for tests to kill. Run as: python tuning_processes.py ROLE STORAGE ...

search STORAGE NUM_TRIALS EPOCHS: `siamaudio.tune` on small arrays; prints the trials as JSON.
storm STORAGE NUM_TRIALS NUM_PROCESSES NUM_KILLS PAUSE SEED: only the sharing of trials, without networks, by
processes of which one is killed after every pause, of PAUSE seconds at most, and replaced.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from typing import Any

import numpy as np
import optuna

import siamaudio as sa
from siamaudio.tuning.storage import opened_storage
from siamaudio.tuning.workers import CHOSEN, work

TAKEOVER_SECONDS = 2


def small_features() -> tuple[sa.Features, sa.Features]:
    """Four classes to train on and two others, of noisy patterns."""
    patterns = np.random.default_rng(0).standard_normal((6, 1, 16, 16))
    noise = np.random.default_rng(1).standard_normal((6, 8, 16, 16))
    clips = (patterns + 2 * noise).reshape(48, 16, 16)
    train, validation, _ = sa.Features.from_arrays(clips, np.repeat(list("abcdef"), 8)).split_classes(4, 2, 0, seed=0)
    return train, validation


def small_space(trial: optuna.Trial) -> sa.SiameseNetwork:
    """Networks that train an epoch in milliseconds."""
    filters = trial.suggest_categorical("filters", [2, 4])
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=filters, kernel_size=3),), dense=(sa.Dense(units=8),))
    lr = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
    return sa.SiameseNetwork(encoder, optimizer=sa.optimizers.Adam(lr=lr))


def marked_space(trial: optuna.Trial) -> sa.SiameseNetwork:
    """The same, and the trial tells who runs it."""
    net = small_space(trial)
    trial.set_user_attr("process", os.getpid())
    return net


def tune_small(storage: str | os.PathLike[str], trials: int, **others: Any) -> sa.tuning.TuningResult:
    train, validation = small_features()
    options: dict[str, Any] = {"space": small_space, "epochs": 3, "progress": False, "num_threads": 1, **others}
    return sa.tune(train, validation=validation, trials=trials, storage=storage, **options)


def search(storage: str, num_trials: str, epochs: str) -> None:
    result = tune_small(
        storage, int(num_trials), epochs=int(epochs), patience=0, pruner="none", space=marked_space,
        takeover_seconds=TAKEOVER_SECONDS,
    )  # fmt: skip
    print(json.dumps(result.to_dict()))


def storm(storage: str, num_trials: str, num_processes: str, num_kills: str, pause: str, seed: str) -> None:
    rng = random.Random(int(seed))
    with opened_storage(storage, takeover_seconds=1) as (opened, claims):
        optuna.create_study(study_name="storm", storage=opened, direction="maximize")
        claims.close()
    alive = {_forked(storage, int(num_trials)) for _ in range(int(num_processes))}
    for _ in range(int(num_kills)):
        time.sleep(rng.uniform(0.0, float(pause)))
        _reap(alive)
        if not alive:
            break
        victim = rng.choice(sorted(alive))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        alive = (alive - {victim}) | {_forked(storage, int(num_trials))}
        print("killed", flush=True)
    while alive:
        _reap(alive)
        time.sleep(0.02)


def _reap(alive: set[int]) -> None:
    for process in sorted(alive):
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            alive.discard(process)
            if status != 0:
                raise RuntimeError(f"a process ended with {status}")


def _forked(storage: str, num_trials: int) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with opened_storage(storage, takeover_seconds=1) as (opened, claims):
            study = optuna.load_study(study_name="storm", storage=opened)
        work(study, opened, claims, _nap, num_trials=num_trials)
        claims.close()
        status = 0
    finally:
        os._exit(status)


def _nap(trial: optuna.Trial, index: int) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    trial.set_user_attr(CHOSEN, {})
    for step in range(3):
        time.sleep(0.01)
        trial.report(x, step)
    return x


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    {"search": search, "storm": storm}[role](*arguments)
