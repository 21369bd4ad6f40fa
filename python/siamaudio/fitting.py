"""What a `fit` does around the loop in C++: data, progress bar, callbacks, checkpoints."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from siamaudio import augment, losses, optimizers, samplers
from siamaudio._engine import core
from siamaudio.errors import CheckpointError, DatasetError, ParameterError
from siamaudio.training_checkpoints import TrainingCheckpoint, TrainingCheckpoints

if TYPE_CHECKING:
    from siamaudio.features import Features
    from siamaudio.network import SiameseNetwork

__all__ = [
    "Callback",
    "FitOptions",
    "Keeper",
    "Pairing",
    "Precision",
    "ProgressBar",
    "check_checkpointing",
    "check_finite",
    "check_trainable",
    "fingerprint",
    "first_difference",
    "run",
    "sampler_for",
]

Pairing = Literal["in-batch", "two-sided"]
Precision = Literal["auto", "float32", "bf16"]

Callback = Callable[["SiameseNetwork", dict[str, Any]], object]
"""Called after each epoch with the network, which can be used, and the epoch's record; a true answer stops training."""

_TWO_SIDED = (samplers.HonkaPairs, samplers.AnchorPairs, samplers.RandomPairs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Arguments of `SiameseNetwork.fit` that the loop sees, checked and with their defaults filled in."""

    sampler: samplers.Sampler
    epochs: int
    steps_per_epoch: int | None
    patience: int
    validation_freq: int
    precision: Precision
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON can hold them."""
        return {**dataclasses.asdict(self), "sampler": samplers.registry.to_dict(self.sampler)}


def sampler_for(sampler: samplers.Sampler, pairing: Pairing | None, batch_size: int | None) -> samplers.Sampler:
    """Return the sampler that `fit` shall use.

    Parameters
    ----------
    sampler : Sampler
        The network's own.
    pairing : {"in-batch", "two-sided"} or None
        None: the sampler as it is. "in-batch": one that embeds each clip once, `Balanced` if it is none.
        "two-sided": one that encodes both sides of each pair, `HonkaPairs` if it is none.
    batch_size : int or None
        In the place of the sampler's own.

    Raises
    ------
    ParameterError
        There is no such pairing, or the sampler's batches have no size to choose.
    """
    if pairing not in (None, "in-batch", "two-sided"):
        raise ParameterError("pairing", pairing, "'in-batch', 'two-sided' or None")
    ratio = getattr(sampler, "negative_ratio", 1.0)
    if pairing == "in-batch" and not isinstance(sampler, samplers.Balanced):
        sampler = samplers.Balanced(negative_ratio=ratio)
    if pairing == "two-sided" and not isinstance(sampler, _TWO_SIDED):
        sampler = samplers.HonkaPairs(negative_ratio=ratio)
    if batch_size is None:
        return sampler
    if not hasattr(sampler, "batch_size"):
        raise ParameterError("batch_size", batch_size, f"None: the batches of {sampler} follow from its own options")
    return dataclasses.replace(sampler, batch_size=batch_size)  # pyright: ignore[reportCallIssue]


def check_trainable(features: Features, validation: Features | None) -> None:
    """Raise a DatasetError or ParameterError for data that nothing can be learned from."""
    if len(features.class_names) < 2:
        raise DatasetError(f"training needs two or more classes, not {len(features.class_names)}")
    for part in (features, validation):
        if part is None:
            continue
        counts = np.bincount(part.labels)
        if counts.min() < 2:
            raise DatasetError(
                f"class {part.class_names[int(counts.argmin())]!r} has a single clip; two or more a class are needed"
            )
        check_finite(part)
    if validation is not None:
        shared = sorted(set(features.class_names) & set(validation.class_names))
        if shared:
            raise DatasetError(f"class {shared[0]!r} is in both training and validation; the classes must be different")
        if len(validation.class_names) < 2:
            raise DatasetError("validation needs two or more classes, or none")
        if validation.shape[1:] != features.shape[1:]:
            expected = ", ".join(map(str, features.shape[1:]))
            raise ParameterError("validation", f"shape {validation.shape}", f"(clips, {expected})")


def check_finite(features: Features) -> None:
    """Raise a DatasetError for NaN or infinite values."""
    if not all(np.isfinite(block.array).all() for block in features.iter_blocks()):
        raise DatasetError("the spectrograms hold NaN or infinite values; only finite numbers can be trained on")


def check_checkpointing(checkpoint: str | os.PathLike[str] | None, every: int, resume: bool | str) -> None:
    """Raise a ParameterError for arguments of checkpoints that cannot be meant."""
    if checkpoint is None and resume:
        raise ParameterError("resume", resume, "False where no checkpoint folder is given")
    if every < 1:
        raise ParameterError("checkpoint_every", every, "1 or more steps")


def run(
    net: SiameseNetwork,
    native: core.Siamese,
    features: Features,
    validation: Features | None,
    options: FitOptions,
    *,
    description: Mapping[str, Any],
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_every: int,
    resume: bool | str,
    num_threads: int | None,
    callbacks: Sequence[Callback],
    progress: bool,
    records: list[dict[str, Any]],
) -> int:
    """Run the loop.

    Parameters
    ----------
    net : SiameseNetwork
        What callbacks get.
    native : core.Siamese
        The network to train, on its device.
    features, validation : Features
        The data.
    options : FitOptions
        What the loop does.
    description : mapping
        The network's options; a run goes on only with the same.
    checkpoint, checkpoint_every, resume, num_threads, callbacks, progress
        As of `SiameseNetwork.fit`.
    records : list
        Gets the record of each epoch, and at first those of the run that is gone on with.

    Returns
    -------
    int
        The epoch whose weights the network has; -1 for the initial ones.
    """
    train_array = np.asarray(features, dtype=np.float32)
    empty = features[:0] if validation is None else validation
    validation_array = np.asarray(empty, dtype=np.float32)

    keeper = None
    state = None
    if checkpoint is not None:
        facts = {
            "network": dict(description),
            "fit": options.to_dict(),
            "training data": fingerprint(train_array, features.labels),
            "validation data": fingerprint(validation_array, empty.labels),
        }
        keeper = Keeper(TrainingCheckpoints(Path(checkpoint)), facts, records)
        state = keeper.state_to_resume(resume)

    bar = ProgressBar(options.epochs, disable=not progress, records=records)

    def on_epoch(record: dict[str, Any]) -> bool:
        if math.isnan(record["validation_accuracy"]):
            record["validation_accuracy"] = None  # NaN would be no JSON
        records.append(record)
        bar.show(record["epoch"] + 1, record["loss"])
        answers = [callback(net, dict(record)) for callback in callbacks]
        return not any(answers)

    try:
        return core.fit(
            native,
            train=train_array,
            train_labels=features.labels,
            num_train_classes=len(features.class_names),
            validation=validation_array,
            validation_labels=empty.labels,
            num_validation_classes=len(empty.class_names),
            losses=[losses.registry.to_core(loss) for loss in net.losses()],
            sampler=samplers.registry.to_core(options.sampler),
            augment=[augment.registry.to_core(each) for each in net.augment],
            optimizer=optimizers.to_core(optimizers.registry.parse(net.optimizer)),
            epochs=options.epochs,
            steps_per_epoch=options.steps_per_epoch or 0,
            patience=options.patience,
            validation_freq=options.validation_freq,
            validation_ways=5,
            checkpoint_every=0 if keeper is None else checkpoint_every,
            precision=options.precision,
            seed=options.seed,
            num_threads=num_threads or 0,
            state=None if state is None else (state.manifest["progress"], state.tensors),
            on_step=bar.on_step,
            on_epoch=on_epoch,
            on_checkpoint=None if keeper is None else keeper.write,
        )
    finally:
        bar.close()


class ProgressBar:
    """Progress in epochs, with the loss and the best validation so far.

    Parameters
    ----------
    epochs : int
        Most epochs.
    disable : bool
        Show nothing.
    records : list of dict
        Those of the epochs that are over; whoever has the list appends to it.
    """

    def __init__(self, epochs: int, *, disable: bool, records: list[dict[str, Any]]) -> None:
        self._bar = tqdm(total=epochs, desc="training", unit="epoch", disable=disable, initial=len(records))
        self._records = records

    def on_step(self, epoch: int, step: int, num_steps: int, loss: float) -> None:
        """Show a step of an epoch, both counted from 0."""
        self.show(epoch + step / num_steps, loss)

    def show(self, epochs_done: float, loss: float) -> None:
        """Show how far it is."""
        self._bar.n = round(epochs_done, 2)
        self._bar.set_postfix_str(f"loss {loss:.4f}{self._best()}")

    def _best(self) -> str:
        def measured(name: str) -> list[float]:
            return [record[name] for record in self._records if record.get(name) is not None]

        if accuracies := measured("validation_accuracy"):
            return f", best validation accuracy {max(accuracies):.1%}"
        if losses := measured("validation_loss"):
            return f", best validation loss {min(losses):.4f}"
        return ""

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class Keeper:
    """Writes a run's checkpoints and finds the one to go on from.

    Parameters
    ----------
    folder : TrainingCheckpoints
        Where they are.
    facts : dict
        What must be the same for a run to go on, by what it is called, as JSON can hold it.
    records : list of dict
        Those of the epochs that are over; gets those of the run that is gone on with.
    """

    def __init__(self, folder: TrainingCheckpoints, facts: dict[str, Any], records: list[dict[str, Any]]) -> None:
        self._folder = folder
        self._facts: dict[str, Any] = json.loads(json.dumps(facts))  # tuples become lists, as in the file
        self._records = records

    def write(self, progress: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> None:
        """Write a checkpoint, as the loop's ``on_checkpoint``."""
        manifest = {**self._facts, "progress": progress, "history": self._records}
        self._folder.write(progress["total_steps"], manifest, tensors)

    def state_to_resume(self, resume: bool | str) -> TrainingCheckpoint | None:
        """Return the checkpoint that ``fit(..., resume=resume)`` goes on from; CheckpointError where it must not."""
        if not resume:
            if self._folder.paths():
                raise CheckpointError(
                    f"{self._folder.folder} holds the checkpoints of a training: resume=True goes on with it, "
                    "another folder begins anew"
                )
            return None
        state = self._folder.read(None if resume is True else resume)
        if state is None:
            return None
        for fact, value in self._facts.items():
            if state.manifest[fact] != value:
                where, kept, given = first_difference(fact, state.manifest[fact], value)
                raise CheckpointError(
                    f"{state.path} is of another training: {where} was {kept!r}, and is now {given!r}; give it the "
                    "same, or another folder"
                )
        self._records.extend(state.manifest["history"])
        return state


def first_difference(where: str, kept: Any, given: Any) -> tuple[str, Any, Any]:
    """Return the way to the first value in which two descriptions differ, and the two values."""
    if isinstance(kept, dict) and isinstance(given, dict):
        name = next(name for name in {**kept, **given} if kept.get(name) != given.get(name))
        return first_difference(f"{where}.{name}", kept.get(name), given.get(name))
    if isinstance(kept, list) and isinstance(given, list) and len(kept) == len(given):
        index = next(index for index in range(len(kept)) if kept[index] != given[index])
        return first_difference(f"{where}.{index}", kept[index], given[index])
    return where, kept, given


def fingerprint(array: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> str:
    """Tell one set of labelled spectrograms from another, by a CRC-32 over its bytes."""
    checksum = zlib.crc32(np.ascontiguousarray(labels).data, zlib.crc32(np.ascontiguousarray(array).data))
    return f"{array.shape} {checksum:08x}"
