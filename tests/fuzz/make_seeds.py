"""Write the fuzzers' seed corpora: python tests/fuzz/make_seeds.py FOLDER makes FOLDER/fuzz_decode and so on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

FORMATS = {
    "WAV": ("PCM_16", "PCM_U8", "PCM_24", "FLOAT", "ALAW", "ULAW"),
    "WAVEX": ("PCM_32",),
    "RF64": ("PCM_16",),
    "FLAC": ("PCM_16", "PCM_24"),
    "OGG": ("VORBIS", "OPUS"),
    "MP3": ("MPEG_LAYER_III",),
    "AIFF": ("PCM_16", "PCM_S8"),
    "CAF": ("PCM_16", "DOUBLE"),
    "AU": ("PCM_16", "ULAW"),
}


def main() -> None:
    """Write one tiny file for each format and codec, mono and stereo, and samples for the front end."""
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    decode, transform = folder / "fuzz_decode", folder / "fuzz_resample_mel"
    for corpus in (decode, transform):
        corpus.mkdir(parents=True, exist_ok=True)
    for container, codecs in FORMATS.items():
        for codec in codecs:
            for channels in (1, 2):
                name = f"{container}-{codec}-{channels}".lower()
                samples = rng.uniform(-0.5, 0.5, (600, channels))
                soundfile.write(decode / name, samples, 16000, format=container, subtype=codec)
    for size in (0, 1, 100, 900):
        (transform / f"noise-{size}").write_bytes(rng.standard_normal(size, dtype=np.float32).tobytes() + rng.bytes(60))


if __name__ == "__main__":
    main()
