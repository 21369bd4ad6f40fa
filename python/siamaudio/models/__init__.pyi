from .clip_vectors import clip_vectors as clip_vectors
from .vae import Reconstruction as Reconstruction
from .vae import VariationalAutoencoder as VariationalAutoencoder
from .yamnet import Yamnet as Yamnet
from .yamnet_features import yamnet_features as yamnet_features
from .yamnet_features import yamnet_log_mel as yamnet_log_mel
