"""The replay: held-back rows played as a live stream, once for every policy of retraining.

In: prepared rows and the policies to compare.
Out: what each would have cost and brought (`Replayed`), and which one to choose.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
