"""siamaudio export: a network for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, Out, check_output, print_json, print_plan

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "export"]

EXAMPLES = """\
siamaudio export net.siam -o encoder.onnx --part encoder
siamaudio export net.siam -o net.keras
"""
FILES = """\
*.onnx         ONNX, opset 17, for onnxruntime and others (needs onnx)
*.keras, *.h5  Keras 3, or its older form (needs h5py)
*.weights.h5   Keras's weights alone (needs h5py)
*.pt           state_dict of the module that siamaudio.interop.to_torch makes
"""
SEE_ALSO = "import-keras, train"
_SUFFIXES = (".onnx", ".keras", ".h5", ".pt")


def export(
    net: Path,
    /,
    *,
    out: Out,
    part: Literal["siamese", "encoder", "classifier"] = "siamese",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write a network as ONNX, for Keras, or for PyTorch, as the file's name says.

    Parameters
    ----------
    net
        A network that `siamaudio train` wrote.
    out
        A file of one of the kinds below.
    part
        siamese: two spectrograms to their similarity; encoder: one to its embedding; classifier: one to the
        probabilities of the training classes. A file *.pt has all of them.
    """
    check_output(out, _SUFFIXES)
    network = sa.SiameseNetwork.load(net)
    if out.suffix == ".pt" and part != "siamese":
        raise sa.ParameterError("--part", part, "siamese for a file *.pt, which has all parts")
    if dry_run:
        print_plan(out, f"the {part} of {net}, {network.num_parameters():,} parameters", json, part=part)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".onnx":
        sa.interop.export_onnx(network, out, part=part)
    elif out.suffix == ".pt":
        import torch

        torch.save(sa.interop.to_torch(network).state_dict(), out)
    else:
        sa.interop.to_keras(network, out, part=part)
    if json:
        print_json({"path": str(out), "part": part, "parameters": network.num_parameters()})
        return
    print(f"{out}: the {part} of {net}, {network.num_parameters():,} parameters")
