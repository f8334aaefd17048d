"""Forecasts out: the next horizon of each series, kept for ever with when it was known.

In: rows and the model that serves.
Out: vintages (Parquet and CSV, never changed), what was known at a time, why a forecast moved.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
