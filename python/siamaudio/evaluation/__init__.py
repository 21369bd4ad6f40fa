"""One-shot and few-shot accuracy, search by example: what is measured, by which protocol, and how sure it is.

Of a network, of embeddings, or of a matrix of similarities:

=====================  =====================================================================
`evaluate_oneshot`     one-shot accuracy over every possible task, in closed form
`evaluate_fewshot`     few-shot accuracy over sampled tasks, by several classifiers
`evaluate_retrieval`   search by example, each clip the query once
`evaluate_pairs`       whether two clips are of one class: ROC, equal error rate, thresholds
`linear_separability`  how well linear classifiers tell classes of embeddings apart
=====================  =====================================================================

Whether the figures can be believed:

=================  =============================================================
`evaluate_splits`  training and testing on many class splits
`compare`          whether one result is better than another on the same queries
`leak_report`      clips of one recording, and what the accuracy gains by them
=================  =============================================================

By the protocols of others:

=======================================  ==========================================================
`honka2019`, `fedele2022`, `lloret2019`  as in these theses and this report
`metaaudio`                              10,000 random tasks, as Heggan et al. 2022
`embedding_report`                       all classifiers of Lloret 2019, and maps of the embeddings
=======================================  ==========================================================

Results are small objects with ``.to_frame()``, ``.to_json()`` and ``.plot()``: `EvaluationResult`, `SplitsResult`,
`RetrievalResult`, `PairResult` (with `OperatingPoint` and `Calibration`), `SeparabilityResult`, `EmbeddingReport`,
`Comparison` (with `ClassComparison` and `McNemar`), `LeakReport` (with `NearDuplicate`). An `Interval` says how sure a
figure is, and what it covers.
"""

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
