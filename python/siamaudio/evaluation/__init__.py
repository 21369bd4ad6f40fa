"""One-shot and few-shot accuracy: what is measured, by which protocol, and how sure it is."""

from siamaudio.evaluation.class_splits import SplitsResult, evaluate_splits
from siamaudio.evaluation.comparison import ClassComparison, Comparison, McNemar, compare
from siamaudio.evaluation.exact import evaluate_oneshot
from siamaudio.evaluation.leaks import LeakReport, NearDuplicate, leak_report
from siamaudio.evaluation.pair_results import Calibration, OperatingPoint, PairResult
from siamaudio.evaluation.pairs import evaluate_pairs
from siamaudio.evaluation.results import EvaluationResult, Interval

__all__ = [
    "Calibration",
    "ClassComparison",
    "Comparison",
    "EvaluationResult",
    "Interval",
    "LeakReport",
    "McNemar",
    "NearDuplicate",
    "OperatingPoint",
    "PairResult",
    "SplitsResult",
    "compare",
    "evaluate_oneshot",
    "evaluate_pairs",
    "evaluate_splits",
    "leak_report",
]
