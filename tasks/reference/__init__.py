"""The reference implementation's command line and checkpoints, flag for flag.

In: its flags, its data files, its `checkpoint.pth`.
Out: the files that it leaves, in its own form, and models that the registry takes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
