"""Written by the build: what siamaudio._core is linked to."""

TORCH_VERSION = "2.13.0"
