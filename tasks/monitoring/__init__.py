"""Past forecasts against what came, and the inputs against the train rows.

In: vintages, rows that came since, what the champion promised.
Out: findings with a verdict, a report, events that automations act on.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
