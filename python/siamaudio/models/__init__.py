"""Models beside the siamese network: what turns sounds into vectors that can be searched.

========================  ======================================================================
`VariationalAutoencoder`  latent vectors, learned from clips without labels
`Reconstruction`          what it makes of latent vectors
`Yamnet`                  YAMNet, trained by others: 1024 numbers and 521 scores for each second
`yamnet_features`         the log-mel spectrograms of a data set as YAMNet takes them
`yamnet_log_mel`          those of signals at hand
`clip_vectors`            one vector for each clip from the embeddings of its patches
========================  ======================================================================

`siamaudio.SearchIndex` and `siamaudio.evaluate_retrieval` take them in the place of a `siamaudio.SiameseNetwork`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
