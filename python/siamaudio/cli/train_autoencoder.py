"""siamaudio train-autoencoder: an embedding that is learned without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import (
    Device,
    DryRun,
    Json,
    NumThreads,
    Out,
    Settings,
    check_output,
    parse_settings,
    print_json,
    print_plan,
    split_classes,
)
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "train_autoencoder"]

EXAMPLES = """\
siamaudio train-autoencoder sounds.zarr -o vae.siam --latent-dim 32 --epochs 50
siamaudio train-autoencoder sounds.zarr -o vae.siam --preset pedersen2023 --set optimizer.lr=1e-3
"""
SEE_ALSO = "train, embed, index, evaluate-retrieval"


def train_autoencoder(
    features: Path,
    /,
    *,
    out: Out,
    preset: Literal["modern", "pedersen2023"] | None = None,
    latent_dim: int | None = None,
    filters: Annotated[list[int] | None, Parameter(consume_multiple=True, negative="")] = None,
    likelihood: Literal["gaussian", "squared_error"] | None = None,
    min_variance: float | None = None,
    beta: float | None = None,
    warmup_epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: str | None = None,
    augment: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    corrupt: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    settings: Settings = [],  # noqa: B006 - never changed
    split: str | None = None,
    seed: int = 0,
    epochs: int = 100,
    patience: int = 0,
    validation_freq: int = 1,
    warm_start: Path | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 100,
    resume: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    resume_from: str | None = None,
    device: Device = "auto",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Train a variational autoencoder, whose latent vectors embed wherever a network does. Labels are not looked at.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    out
        The autoencoder, a file such as vae.siam.
    preset
        modern, this project's own, for search, or pedersen2023; options given besides replace its own. Without one,
        those of the Python class.
    latent_dim
        Numbers that a clip becomes.
    filters
        Of the encoder's layers, first to last.
    likelihood
        Of the pixels: gaussian, or squared_error as published by Pedersen 2023.
    min_variance
        Least variance of a standardised pixel.
    beta
        Weight of the latent term.
    warmup_epochs
        Epochs over which the weight rises to beta.
    batch_size
        Clips of a training step.
    optimizer
        How weights follow gradients, such as adamw.
    augment
        Random changes of training clips, such as time_shift.
    corrupt
        After them, random changes of what the encoder sees alone.
    settings
        An option of the optimizer, as often as wanted: optimizer.lr=1e-3; of changes: augment.0.max_shift=0.2.
    split
        Train on the training part and validate on the validation part of this division: classes as in 40/5/5, or a file
        that `siamaudio split` wrote; by default on all clips.
    seed
        Of a class split and the training.
    epochs
        Most epochs.
    patience
        Epochs without a lower validation loss after which training stops; 0: never.
    validation_freq
        Epochs from one validation to the next.
    warm_start
        Go on from the weights of this autoencoder, whose own options count.
    checkpoint
        A folder for checkpoints, of which the last two are kept.
    checkpoint_every
        Steps from one checkpoint to the next.
    resume
        Go on from the last checkpoint in the folder; without one, begin.
    resume_from
        Go on from the checkpoint of this name in the folder.
    """
    check_output(out, (".siam",))
    data = sa.Features.load(features)
    options: dict[str, Any] = {
        "latent_dim": latent_dim,
        "filters": None if filters is None else tuple(filters),
        "likelihood": likelihood,
        "min_variance": min_variance,
        "beta": beta,
        "warmup_epochs": warmup_epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "augment": augment,
        "corrupt": corrupt,
    }
    given = {name: value for name, value in options.items() if value is not None}
    vae = _chosen(preset, given, settings, warm_start)
    train, validation = data, None
    if split is not None:
        train, validation, _ = data.split(split_classes(data, split, seed))
    if dry_run:
        if warm_start is None:
            vae.build(train.shape[1:], seed=seed)
        content = (
            f"an autoencoder of {vae.latent_dim} latent numbers, trained on {len(train)} clips for {epochs} epochs"
        )
        print_plan(out, content, json, parameters=vae.num_parameters(), num_clips=len(train))
        return
    vae.fit(
        train,
        validation=validation,
        epochs=epochs,
        patience=patience,
        validation_freq=validation_freq,
        warm_start=warm_start is not None,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        resume=resume_from or resume,
        device=device,
        seed=seed,
        num_threads=num_threads,
    )
    vae.save(out)
    if json:
        print_json({"path": str(out), "best_epoch": vae.best_epoch_, "history": list(vae.history_)})
        return
    loss = vae.history_.records[vae.best_epoch_]["loss"]
    kept = f"epoch {vae.best_epoch_ + 1} of {len(vae.history_)} kept"
    print(f"{out}: trained on {len(train)} clips, {kept}, loss {loss:.1f}")


def _chosen(
    preset: str | None, given: dict[str, Any], settings: list[str], warm_start: Path | None
) -> sa.VariationalAutoencoder:
    from siamaudio import augment, optimizers
    from siamaudio.options import with_settings

    if warm_start is not None:
        wrong = [f"--{name.replace('_', '-')}" for name in given] + ["--preset"] * (preset is not None) + settings
        if wrong:
            raise ParameterError(
                "--warm-start", f"{warm_start} and {wrong[0]}", "the options of that autoencoder alone"
            )
        return sa.VariationalAutoencoder.load(warm_start)
    vae = sa.VariationalAutoencoder() if preset is None else sa.VariationalAutoencoder.preset(preset)
    for name in ("augment", "corrupt"):
        if name in given:
            given[name] = tuple(augment.registry.parse(each) for each in given[name])
    vae.set_params(**given)
    for path, text in parse_settings(settings).items():
        root, _, field = path.partition(".")
        if root not in ("optimizer", "augment", "corrupt") or not field:
            raise ParameterError("--set", path, "optimizer.FIELD, augment.0.FIELD or corrupt.0.FIELD")
        own = getattr(vae, root)
        own = optimizers.registry.parse(own) if root == "optimizer" else tuple(own)
        vae.set_params(**{root: with_settings(own, {field: text}, within=root)})
    return vae
