"""The fast backend: what the network computes, arranged for the machine instead of the reader.

In and out: tensors, and the same results as the functions of `informer.nn` that it stands for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
