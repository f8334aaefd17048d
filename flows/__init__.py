"""Flows: lists of verbs over `tasks`, and the command line that runs them."""
