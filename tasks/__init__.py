"""Prefect tasks: each file adapts one outside library to the pipeline; `flows` composes them."""
