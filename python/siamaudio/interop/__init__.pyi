from .keras import load_keras as load_keras
from .keras import to_keras as to_keras
from .onnx import export_onnx as export_onnx
from .torch import to_torch as to_torch
