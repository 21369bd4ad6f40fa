"""Networks of other libraries: Keras's files read and written, PyTorch modules, ONNX files.

=============  ================================================================
`load_keras`   a `siamaudio.SiameseNetwork` from a Keras file, without Keras
`to_keras`     a Keras file from a network, without Keras
`to_torch`     a plain ``torch.nn.Module``
`export_onnx`  an ONNX file of the encoder, the siamese pair, or the classifier
=============  ================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
