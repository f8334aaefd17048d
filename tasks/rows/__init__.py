"""Data in: from a source to rows that the rest may trust.

In: the name or path of a source, the contract of its columns.
Out: a `Snapshot` named by its content, a report of the contract's rules or the end of the run,
`Prepared` rows on a regular grid with their split.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
