"""The network of the paper: attention, embedding, encoder, decoder, model.

In: an `InformerConfig` and windows of B x L x C. Out: forecasts of B x P x C.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
