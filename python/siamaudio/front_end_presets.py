"""Front ends by name: of published systems, of other libraries, and of this project's own network."""

from __future__ import annotations

from typing import Any

from siamaudio.errors import ParameterError

__all__ = ["front_end_presets", "preset_options"]

# As Honka's; ESC-50's clips last 5 s. librosa padded by reflection until 0.8, with which both studies were made.
_ESC50 = {"sr": 44100, "n_fft": 2048, "hop_length": 512, "n_mels": 128, "pad_mode": "reflect", "duration": 5.0}

_PRESETS: dict[str, dict[str, Any]] = {
    "modern": {"sr": 32000, "n_fft": 2048, "hop_length": 1024, "n_mels": 64, "ref": "max"},
    "honka2019": {**_ESC50, "gain": 32768.0, "log": "ln_nonzero"},
    "fedele2022_esc50": _ESC50,
    "fedele2022_audiomnist": {**_ESC50, "n_fft": 4096, "hop_length": 197, "n_mels": 224, "duration": 1.0},
    "yamnet": {
        "sr": 16000,
        "n_fft": 512,
        "win_length": 400,
        "window_align": "start",
        "hop_length": 160,
        "center": False,
        "power": 1.0,
        "n_mels": 64,
        "fmin": 125.0,
        "fmax": 7500.0,
        "htk": True,
        "norm": None,
        "mel_triangles": "mel",
        "log": "ln_offset",
        "log_offset": 1e-3,
    },
    "librosa": {"sr": 22050},
    "torchaudio": {
        "sr": 16000,
        "n_fft": 400,
        "hop_length": 200,
        "pad_mode": "reflect",
        "n_mels": 128,
        "htk": True,
        "norm": None,
        "log": None,
    },
    "kaldi": {
        "sr": 16000,
        "n_fft": 512,
        "win_length": 400,
        "window": "povey",
        "window_align": "start",
        "hop_length": 160,
        "center": False,
        "snip_edges": True,
        "gain": 32768.0,
        "remove_dc": True,
        "preemphasis": 0.97,
        "n_mels": 23,
        "fmin": 20.0,
        "htk": True,
        "norm": None,
        "mel_triangles": "mel",
        "log": "ln",
        "amin": 2.0**-23,  # FLT_EPSILON
    },
}


def front_end_presets() -> tuple[str, ...]:
    """Return the names that `LogMel.preset` knows.

    - ``modern``: made for the network of this name. 32 kHz, 64 bands, 31 frames a second, decibels below each clip's
      loudest.
    - ``honka2019``: Honka, "One-shot learning with siamese networks for environmental audio". ESC-50 at 44.1 kHz, 128
      bands by 431 frames, natural logarithm of the powers that are not 0, samples counted as 16-bit integers, as its
      code has it (the thesis names only the sizes).
    - ``fedele2022_esc50``: Fedele et al., "Explaining siamese networks in few-shot learning for audio data". The same
      in decibels.
    - ``fedele2022_audiomnist``: theirs for AudioMNIST, 224 bands by 224 frames of 1 s. The hop is the code's 197 (the
      report's 216 would not give 224 frames). They put each recording at a random place in its second; here, silence
      follows it.
    - ``yamnet``: TensorFlow's YAMNet, 16 kHz, 64 bands. Its network takes patches of 96 frames, one every 48: signals
      are padded with zeros to 15600 samples, or to 7680 more, and so on, which ``sa.models.yamnet_log_mel`` does.
    - ``librosa``: ``librosa.power_to_db(librosa.feature.melspectrogram(y=y))``.
    - ``torchaudio``: ``torchaudio.transforms.MelSpectrogram()``, which is not logarithmic; with ``log="db",
      top_db=None`` followed by its ``AmplitudeToDB()``.
    - ``kaldi``: ``compute-fbank-feats`` without dither, for samples in [-1, 1].

    Returns
    -------
    tuple of str
        Their names.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> sa.front_end_presets()
    ('fedele2022_audiomnist', 'fedele2022_esc50', 'honka2019', 'kaldi', 'librosa', 'modern', 'torchaudio', 'yamnet')

    YAMNet's input from 2 s of sound:

    >>> sa.patches(sa.models.yamnet_log_mel(np.zeros(32000)), length=96, hop=48).shape
    (4, 64, 96)
    """
    return tuple(sorted(_PRESETS))


def preset_options(name: str) -> dict[str, Any]:
    """Return the arguments of `LogMel` that make a published front end.

    Parameters
    ----------
    name : str
        One of `front_end_presets`.

    Raises
    ------
    ParameterError
        There is no such preset.
    """
    if name not in _PRESETS:
        raise ParameterError("preset", name, ", ".join(front_end_presets()))
    return dict(_PRESETS[name])
