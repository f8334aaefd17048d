"""What people see of a run, and what is kept of it: MLflow runs, Prefect results, events, plots.

In: a configuration and a home, numbers, tables and figures.
Out: runs that are open or closed with a reason, stages that need not be repeated, pictures.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
