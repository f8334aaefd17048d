"""What a pipeline is told, and where it works: the ground floor.

In: YAML under `conf/`, overrides from the command line, the environment.
Out: a checked `RunConfig`, a `Home` with all its paths, the error tree, files that are whole or
not there.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
