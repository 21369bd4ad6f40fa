"""Models beside the siamese network: what turns spectrograms into vectors that can be searched.

Every model has ``embed(features)``, ``front_end_`` and ``fingerprint()``, as `siamaudio.SiameseNetwork` has.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
