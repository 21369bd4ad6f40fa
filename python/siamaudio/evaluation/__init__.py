"""One-shot and few-shot accuracy, search by example: what is measured, by which protocol, and how sure it is."""

from siamaudio.evaluation.class_splits import SplitsResult, evaluate_splits
from siamaudio.evaluation.comparison import ClassComparison, Comparison, McNemar, compare
from siamaudio.evaluation.embedding_report import EmbeddingReport, embedding_report
from siamaudio.evaluation.exact import evaluate_oneshot
from siamaudio.evaluation.fewshot import evaluate_fewshot
from siamaudio.evaluation.leaks import LeakReport, NearDuplicate, leak_report
from siamaudio.evaluation.pair_results import Calibration, OperatingPoint, PairResult
from siamaudio.evaluation.pairs import evaluate_pairs
from siamaudio.evaluation.papers import fedele2022, honka2019, lloret2019, metaaudio
from siamaudio.evaluation.results import EvaluationResult, Interval
from siamaudio.evaluation.retrieval import RetrievalResult, evaluate_retrieval
from siamaudio.evaluation.separability import SeparabilityResult, linear_separability

__all__ = [
    "Calibration",
    "ClassComparison",
    "Comparison",
    "EmbeddingReport",
    "EvaluationResult",
    "Interval",
    "LeakReport",
    "McNemar",
    "NearDuplicate",
    "OperatingPoint",
    "PairResult",
    "RetrievalResult",
    "SeparabilityResult",
    "SplitsResult",
    "compare",
    "embedding_report",
    "evaluate_fewshot",
    "evaluate_oneshot",
    "evaluate_pairs",
    "evaluate_retrieval",
    "evaluate_splits",
    "fedele2022",
    "honka2019",
    "leak_report",
    "linear_separability",
    "lloret2019",
    "metaaudio",
]
