"""Data sets.

Lists of labelled audio files, as `Clips`, each of its items a `Clip`; none of these functions reads audio:

=================  =========================================================
`folder`           a folder with one subfolder a class
`table`            a CSV or Parquet table with one row a clip
`esc50`            ESC-50 and ESC-10, in the present and the original layout
`audiomnist`       AudioMNIST, its speakers or its digits as classes
`speech_commands`  Speech Commands and data sets with its layout
`synthetic`        synthetic sounds, made on the spot
`from_path`        whichever of the others a path turns out to be
=================  =========================================================

Arrays that are at hand, as `siamaudio.Features`:

==============  ===========================================
`spectrograms`  an ``.npz`` file of spectrograms and labels
`images`        MNIST and the like: IDX or ``.npz`` files
==============  ===========================================

`download` fetches a data set, checks it, and unpacks it; `downloads` names those that it knows.
"""

from __future__ import annotations

from siamaudio.datasets.audiomnist import audiomnist
from siamaudio.datasets.clips import Clip, Clips
from siamaudio.datasets.downloads import download, downloads
from siamaudio.datasets.esc50 import esc50
from siamaudio.datasets.folder import folder
from siamaudio.datasets.from_path import from_path
from siamaudio.datasets.images import images
from siamaudio.datasets.spectrograms import spectrograms
from siamaudio.datasets.speech_commands import speech_commands
from siamaudio.datasets.synthetic import synthetic
from siamaudio.datasets.table import table

__all__ = [
    "Clip",
    "Clips",
    "audiomnist",
    "download",
    "downloads",
    "esc50",
    "folder",
    "from_path",
    "images",
    "spectrograms",
    "speech_commands",
    "synthetic",
    "table",
]
