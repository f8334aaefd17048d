"""Flows: lists of verbs over `tasks`, and the command line that runs them.

Every process that runs a flow, or waits for one, imports this package first.
"""

import gc

from tasks.settings import hear_dropped_signals

hear_dropped_signals()
# Imports make a million objects and no garbage: to look for it every 700 is a fifth of their time.
gc.set_threshold(50_000, 50, 50)
