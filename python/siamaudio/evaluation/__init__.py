"""One-shot and few-shot accuracy: what is measured, by which protocol, and how sure it is."""

from siamaudio.evaluation.exact import evaluate_oneshot
from siamaudio.evaluation.pairs import Calibration, OperatingPoint, PairResult, evaluate_pairs
from siamaudio.evaluation.results import EvaluationResult, Interval

__all__ = [
    "Calibration",
    "EvaluationResult",
    "Interval",
    "OperatingPoint",
    "PairResult",
    "evaluate_oneshot",
    "evaluate_pairs",
]
