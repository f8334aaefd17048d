"""The gate: how good a model is, and whether it is to serve.

In: the test rows, a challenger, the champion, the baselines.
Out: errors of all of them on the same windows (`Evaluation`), a verdict with its numbers
(`Decision`), the alias moved or not (`Promotion`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
