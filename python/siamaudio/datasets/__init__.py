"""Data sets as lists of labelled audio files.

Every function here returns `Clips`; none of them reads audio.

======================  ==============================================================
`folder`                a folder with one subfolder a class
`table`                 a CSV table with one row a clip
`esc50`                 ESC-50 and ESC-10, in the present and the original layout
`synthetic`             synthetic sounds, made on the spot
`from_path`             whichever of the first three a path turns out to be
======================  ==============================================================
"""

from __future__ import annotations

from siamaudio.datasets.clips import Clip, Clips
from siamaudio.datasets.esc50 import esc50
from siamaudio.datasets.folder import folder
from siamaudio.datasets.from_path import from_path
from siamaudio.datasets.synthetic import synthetic
from siamaudio.datasets.table import table

__all__ = ["Clip", "Clips", "esc50", "folder", "from_path", "synthetic", "table"]
