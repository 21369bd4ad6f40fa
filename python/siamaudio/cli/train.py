"""siamaudio train: spectrograms become a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import (
    Device,
    DryRun,
    Json,
    Network,
    NumThreads,
    Out,
    Settings,
    Split,
    check_folder,
    check_output,
    chosen_network,
    parse_settings,
    print_json,
    split_classes,
)
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "train"]

EXAMPLES = """\
siamaudio train sounds.zarr -o net.siam --preset modern --calibrate
siamaudio train esc50.zarr -o net.siam --split 40/5/5 --set optimizer.lr=1e-3
siamaudio train esc50.zarr -o net.siam --checkpoint run --resume
siamaudio --config run.toml train esc50.zarr -o net.siam
"""
FILES = """\
net.siam  safetensors: weights, options, front end, classes, history
run.toml  a table [train] of options, with the network as [train.network];
          `siamaudio presets NAME > run.toml` makes one
run/      with --checkpoint: the last two checkpoints
"""
SEE_ALSO = "features, presets, evaluate, classify, tune, calibrate"


def train(
    features: Path,
    /,
    *,
    out: Out,
    preset: str = "honka2019",
    network: Network = None,
    settings: Settings = [],  # noqa: B006 - never changed
    split: Split = None,
    seed: int = 0,
    epochs: int = 40,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    validation_freq: int = 1,
    batch_size: int | None = None,
    pairing: Literal["in-batch", "two-sided"] | None = None,
    calibrate: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    warm_start: Path | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 100,
    resume: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    resume_from: str | None = None,
    device: Device = "auto",
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
        Centre and whiten the embeddings on the training classes afterwards; `siamaudio calibrate` has options for it.
    warm_start
        Go on from the weights of this network, whose own options count.
    checkpoint
        A folder for checkpoints, of which the last two are kept.
    checkpoint_every
        Steps from one checkpoint to the next.
    resume
        Go on from the last checkpoint in the folder; without one, begin.
    resume_from
        Go on from the checkpoint of this name in the folder.
    precision
        bf16: the encoder computes in bfloat16 while it trains, on a CUDA device; auto: so where the device can.
    """
    check_output(out, (".siam",))
    if checkpoint is not None:
        check_folder(checkpoint, option="--checkpoint")
    data = sa.Features.load(features)
    chosen = split_classes(data, split, seed)
    train_features, validation, test = data.split(chosen)
    net = _network(preset, network, settings, warm_start)
    if dry_run:
        _check_trainable(train_features, validation)
        if warm_start is None:
            net.build(data.shape[1:], num_classes=len(train_features.class_names))
        if json:
            print_json(
                {"dry_run": True, "path": str(out), "split": chosen.to_dict(), "parameters": net.num_parameters()}
            )
            return
        print(net.summary())
        groups = ", ".join(
            f"{word} {len(part.class_names)} classes ({len(part)} clips)"
            for word, part in (("trained on", train_features), ("validated on", validation), ("leaving", test))
            if len(part)
        )
        print(f"{out}: would be {groups}, for at most {epochs} epochs")
        return
    net.fit(
        train_features,
        validation=validation,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        patience=patience,
        validation_freq=validation_freq,
        batch_size=batch_size,
        pairing=pairing,
        warm_start=warm_start is not None,
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
    net.split_ = chosen
    net.save(out)
    best = net.history_.records[net.best_epoch_]
    if json:
        print_json(
            {"path": str(out), "split": chosen.to_dict(), "best_epoch": net.best_epoch_, "history": list(net.history_)}
        )
        return
    accuracy = best["validation_accuracy"]
    shown = "" if accuracy is None else f", validation accuracy {accuracy:.1%}"
    kept = f"epoch {net.best_epoch_ + 1} of {len(net.history_)} kept"
    num_classes = len(train_features.class_names)
    print(f"{out}: trained on {num_classes} classes, {kept}, loss {best['loss']:.4f}{shown}")


def _network(preset: str, network: str | None, settings: list[str], warm_start: Path | None) -> sa.SiameseNetwork:
    if warm_start is None:
        return chosen_network(preset, network, settings)
    if network is not None:
        raise ParameterError("--warm-start", f"{warm_start} and --network", "the options of that network, and --set")
    return sa.SiameseNetwork.load(warm_start).set_from_text(parse_settings(settings))


def _check_trainable(train: sa.Features, validation: sa.Features) -> None:
    from siamaudio import fitting

    fitting.check_trainable(train, validation if len(validation) else None)
