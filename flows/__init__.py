"""Flows: lists of verbs over `tasks`, and the command line that runs them."""

from tasks.settings import hear_dropped_signals

hear_dropped_signals()  # every process that runs a flow, or waits for one, imports this package
