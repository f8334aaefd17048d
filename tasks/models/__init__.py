"""The registry: versions of one model per pipeline, served by alias, and the ledger of moves.

In: the folder of a trained model and its errors, or the number of a version.
Out: the model that serves, its facts, and every promotion with who, when and why.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
