"""Why a network calls two sounds the same: what each part of a support contributes, to see, to test and to hear.

===========================  ================================================================
`explain`, `Explanation`     tell which parts of each support count
`agreement`, `Agreement`     whether two explanations say the same
`Faithfulness`, `Stability`  what `Explanation.faithfulness` and `Explanation.stability` find
`Resynthesis`                what `Explanation.resynthesise` makes: segments as sound
`Sound`                      the query or a support of an explanation
===========================  ================================================================

How it is explained, any of `Method`:

=================================  ===============================================================================
`Sinex`, `Sinexc`                  segments alone or in coalitions (Fedele et al. 2022); the second is the default
`Rise`                             random masks
`Occlusion`                        a window that moves
`Gradient`, `IntegratedGradients`  the similarity's gradient, at the support or on the way to it
=================================  ===============================================================================

What the segments are, any of `Segmentation`; `segment` makes them of spectrograms:

==============  ====================================
`Felzenszwalb`  regions that look alike; the default
`Slic`          segments of about one size
`Grid`          rectangles
==============  ====================================

Examples
--------
>>> import siamaudio as sa
>>> sa.explanation.segment([[[0.0, 1.0], [2.0, 3.0]]], sa.explanation.Grid(bands=1, frames=2))
array([[[0, 1],
        [0, 1]]])
"""

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
