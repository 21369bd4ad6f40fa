"""Why a network calls two sounds the same: what each part of a support contributes, to see, to test and to hear."""

from siamaudio.explanation.agreement import Agreement, Stability, agreement
from siamaudio.explanation.explaining import explain
from siamaudio.explanation.faithfulness import Faithfulness
from siamaudio.explanation.inputs import Sound
from siamaudio.explanation.methods import Gradient, IntegratedGradients, Method, Occlusion, Rise, Sinex, Sinexc
from siamaudio.explanation.results import Explanation
from siamaudio.explanation.resynthesis import Resynthesis
from siamaudio.explanation.segmentations import Felzenszwalb, Grid, Segmentation, Slic, segment

__all__ = [
    "Agreement",
    "Explanation",
    "Faithfulness",
    "Felzenszwalb",
    "Gradient",
    "Grid",
    "IntegratedGradients",
    "Method",
    "Occlusion",
    "Resynthesis",
    "Rise",
    "Segmentation",
    "Sinex",
    "Sinexc",
    "Slic",
    "Sound",
    "Stability",
    "agreement",
    "explain",
    "segment",
]
