"""siamaudio demo: all of it, on synthetic sounds."""

from __future__ import annotations

from pathlib import Path

from siamaudio.cli._shared import Json, Out, print_json

__all__ = ["EXAMPLES", "demo"]

EXAMPLES = """\
siamaudio demo
siamaudio demo --out tried --seed 1 --json
"""


def demo(*, out: Out = Path("out"), seed: int = 0, json: Json = False) -> None:
    """Synthetic sounds, features, training, one-shot result and HTML report, in about a minute.

    Parameters
    ----------
    out
        Folder for the report and the network.
    seed
        Of the class split and the training.
    """
    from siamaudio.demo import run_demo

    done = run_demo(out, seed=seed)
    result = done.result
    if json:
        print_json({**result.to_dict(), "report": str(done.report), "network": str(done.network)})
        return
    print(f"exact {result.ways}-way one-shot accuracy on {len(result.classes)} unseen classes: {result.accuracy:.1%}")
    print(f"nearest raw spectrogram: {result.baselines['raw spectrogram']:.1%}")
    print(f"chance: {result.baselines['chance']:.0%}")
    print(f"report: {done.report}")
