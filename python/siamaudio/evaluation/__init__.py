"""One-shot and few-shot accuracy: what is measured, by which protocol, and how sure it is."""

from siamaudio.evaluation.embedding_report import EmbeddingReport, embedding_report
from siamaudio.evaluation.exact import evaluate_oneshot
from siamaudio.evaluation.fewshot import evaluate_fewshot
from siamaudio.evaluation.papers import fedele2022, honka2019, lloret2019, metaaudio
from siamaudio.evaluation.results import EvaluationResult, Interval

__all__ = [
    "EmbeddingReport",
    "EvaluationResult",
    "Interval",
    "embedding_report",
    "evaluate_fewshot",
    "evaluate_oneshot",
    "fedele2022",
    "honka2019",
    "lloret2019",
    "metaaudio",
]
