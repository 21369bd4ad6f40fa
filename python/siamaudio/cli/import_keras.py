"""siamaudio import-keras: a network from a Keras file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, Out, check_output, print_json, print_plan

__all__ = ["EXAMPLES", "SEE_ALSO", "import_keras"]

EXAMPLES = """\
siamaudio import-keras old.h5 -o net.siam --distance squared
siamaudio import-keras old.weights.h5 -o net.siam --network built.siam
siamaudio import-keras old.keras -o net.siam --features sounds.zarr
"""
SEE_ALSO = "export, classify"


def import_keras(
    path: Path,
    /,
    *,
    out: Out,
    network: Path | None = None,
    distance: Literal["squared", "absolute", "product", "euclidean", "cosine"] | None = None,
    input_shape: Annotated[tuple[int, int] | None, Parameter(negative="")] = None,
    features: Path | None = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Read a network from a Keras file; nothing of the file is run, and Keras is not needed.

    Parameters
    ----------
    path
        A file *.keras, a whole model *.h5, or weights alone *.weights.h5, of Keras 2 or 3.
    out
        The network, a file such as net.siam.
    network
        A network that takes the weights, the only way for a file of weights alone.
    distance
        What a Lambda layer between the two embeddings computes; for an encoder alone, how embeddings are compared.
    input_shape
        Bands and frames, where the model leaves sizes open.
    features
        A feature store made as the network's spectrograms were, so that it can read recordings.
    """
    check_output(out, (".siam",))
    built = None if network is None else sa.SiameseNetwork.load(network)
    net = sa.interop.load_keras(path, network=built, distance=distance, input_shape=input_shape)
    if features is not None:
        data = sa.Features.load(features)
        if data.shape[1:] != net.input_shape_:
            raise sa.ParameterError("--features", f"shape {data.shape}", f"(clips, {net.input_shape_})")
        net.front_end_ = data.front_end
    if dry_run:
        print_plan(out, f"{path}, {net.num_parameters():,} parameters", json, parameters=net.num_parameters())
        return
    net.save(out)
    if json:
        print_json({"path": str(out), "parameters": net.num_parameters(), "input_shape": list(net.input_shape_)})
        return
    print(f"{out}: {path}, {net.num_parameters():,} parameters, spectrograms of {net.input_shape_}")
