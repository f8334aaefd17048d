"""From rows to a model: the search on validation rows, then the training.

In: `Prepared` rows and a configuration; never the test rows.
Out: the best trial's fields (`Tuned`) and a model folder (`Trained`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
