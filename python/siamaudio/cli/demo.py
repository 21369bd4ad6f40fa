"""siamaudio demo: all of it, on synthetic sounds."""

from __future__ import annotations

from pathlib import Path

from siamaudio.cli._shared import DryRun, Json, Out, check_folder, print_json, print_plan

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "demo"]

EXAMPLES = """\
siamaudio demo
siamaudio demo --out tried --seed 1 --json
"""
FILES = """\
out/demo.siam  a network for `siamaudio classify`, `index` and `explain`
out/demo.html  the report
"""
SEE_ALSO = "classify, features, train"


def demo(*, out: Out = Path("out"), seed: int = 0, dry_run: DryRun = False, json: Json = False) -> None:
    """Synthetic sounds, features, training, one-shot result and HTML report, in a quarter of a minute.

    Parameters
    ----------
    out
        Folder for the report and the network.
    seed
        Of the class split and the training.
    """
    from siamaudio.demo import run_demo

    check_folder(out)
    if dry_run:
        print_plan(out, "demo.siam, a network trained on synthetic sounds, and demo.html, its report", json)
        return
    done = run_demo(out, seed=seed)
    result = done.result
    if json:
        print_json({**result.to_dict(), "report": str(done.report), "network": str(done.network)})
        return
    print(f"exact {result.ways}-way one-shot accuracy on {len(result.classes)} unseen classes: {result.accuracy:.1%}")
    print(f"nearest raw spectrogram: {result.baselines['raw spectrogram']:.1%}")
    print(f"chance: {result.baselines['chance']:.0%}")
    print(f"report: {done.report}")
