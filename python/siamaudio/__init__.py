"""One-shot audio recognition with siamese networks: a C++ core, a thin Python API, exact evaluation.

From a folder of sounds to a result::

    import siamaudio as sa

    clips = sa.datasets.esc50("ESC-50")
    features = sa.LogMel(sr=44100, n_fft=2048, hop_length=512, n_mels=128).transform(clips)
    train, validation, test = features.split_classes(40, 5, 5, seed=1)

    net = sa.SiameseNetwork.preset("honka2019").fit(train, validation=validation, epochs=40, seed=0)
    result = sa.evaluate_oneshot(net, test, ways=5)

Submodules, torch among what they need, are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
