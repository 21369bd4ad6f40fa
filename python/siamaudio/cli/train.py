"""siamaudio train: spectrograms become a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, NumThreads, Out, parse_settings, parse_split, print_json

__all__ = ["EXAMPLES", "train"]

EXAMPLES = """\
siamaudio train sounds.zarr -o net.siam --preset modern --calibrate
siamaudio train esc50.zarr -o net.siam --split 40/5/5 --set optimizer.lr=1e-3
siamaudio train esc50.zarr -o net.siam --checkpoint run --resume
"""


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
    dry_run: DryRun = False,
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
    num_train, num_validation, num_test = parse_split(split, len(data.class_names))
    classes = split_classes(data.class_names, num_train, num_validation, num_test, seed=seed)
    net = sa.SiameseNetwork.preset(preset).set_from_text(parse_settings(settings))
    train_features = data.select_classes(classes.train)
    if dry_run:
        net.build(data.shape[1:], num_classes=num_train)
        if json:
            print_json(
                {"dry_run": True, "path": str(out), "split": classes.to_dict(), "parameters": net.num_parameters()}
            )
            return
        print(net.summary())
        groups = f"{num_train} classes ({len(train_features)} clips), validated on {num_validation}, {num_test} left"
        print(f"{out}: would be trained on {groups}, for at most {epochs} epochs")
        return
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
        print_json(
            {"path": str(out), "split": classes.to_dict(), "best_epoch": net.best_epoch_, "history": list(net.history_)}
        )
        return
    accuracy = best["validation_accuracy"]
    shown = "" if accuracy is None else f", validation accuracy {accuracy:.1%}"
    kept = f"epoch {net.best_epoch_ + 1} of {len(net.history_)} kept"
    print(f"{out}: trained on {num_train} classes, {kept}, loss {best['loss']:.4f}{shown}")
