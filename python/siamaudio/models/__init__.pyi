from .vae import Reconstruction as Reconstruction
from .vae import VariationalAutoencoder as VariationalAutoencoder
