"""From a frame to windows: the calendar, the split, the scaling and all index arithmetic.

In: a long data frame and a `FrameConfig`.
Out: a regular `Panel` of arrays, and the `Windows` that a network reads.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
