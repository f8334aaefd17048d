"""What keeps pipelines running: deployments, pools, workers, dead runs, the disk, the doctor.

In: the configurations under `conf/`, a Prefect server, the stores.
Out: deployments and automations as conf says, work done in pools, nothing left open.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
