"""Training: a small loop of named phases over Lightning Fabric; `fit` is its door.

In: a network, train and validation windows, a `TrainingConfig`.
Out: the best epoch's weights and what each epoch gave; a training that was cut off goes on.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
