"""The demonstration: synthetic sounds, features, training, one-shot result, report."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from siamaudio.datasets import synthetic
from siamaudio.evaluation import EvaluationResult, evaluate_oneshot
from siamaudio.log_mel import LogMel
from siamaudio.network import SiameseNetwork
from siamaudio.report import write_report
from siamaudio.splits import split_classes

__all__ = ["DemoResult", "run_demo"]

N_TRAIN, N_TEST = 35, 5
CLIPS_PER_CLASS = 20
EPOCHS = 20
# As the front end "modern", 31 frames a second, at the sounds' own rate.
FRONT_END = dataclasses.replace(LogMel.preset("modern"), sr=16000, n_fft=1024, hop_length=512)
# The network takes spectrograms of any length, and recordings are longer than the synthetic sounds.
RECORDING_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class DemoResult:
    """What the demonstration made.

    Attributes
    ----------
    result : EvaluationResult
        Exact 5-way one-shot accuracy on classes that the network has not heard.
    report : Path
        The HTML report.
    network : Path
        The trained network.
    """

    result: EvaluationResult
    report: Path
    network: Path


def run_demo(
    out: str | os.PathLike[str] = "out", *, seed: int = 0, epochs: int = EPOCHS, progress: bool = True
) -> DemoResult:
    """Train the network "modern" on synthetic sounds and test it on classes that it has never heard.

    The network that is saved reads the first five seconds of a recording.

    Parameters
    ----------
    out : path-like
        Folder for the report and the network.
    seed : int >= 0
        Of the class split and the training; the sounds are the same for every seed.
    epochs : int > 0
        Epochs of the training.
    progress : bool
        Show progress bars on stderr.

    Returns
    -------
    DemoResult
    """
    folder = Path(out)
    clips = synthetic(N_TRAIN + N_TEST, CLIPS_PER_CLASS)
    features = FRONT_END.transform(clips, progress=progress)
    split = split_classes(clips.class_names, N_TRAIN, 0, N_TEST, seed=seed)
    train, _, test = features.split(split)

    net = SiameseNetwork.preset("modern")
    net.fit(train, epochs=epochs, seed=seed, progress=progress).calibrate(train)
    net.split_ = split
    result = evaluate_oneshot(net, test, ways=5)
    report_path = write_report(folder / "demo.html", net, test, result, title="siamaudio demo")

    net.front_end_ = dataclasses.replace(FRONT_END, duration=RECORDING_SECONDS)
    network_path = folder / "demo.siam"
    net.save(network_path)
    return DemoResult(result=result, report=report_path, network=network_path)
