"""Prefect tasks: each file adapts one tool, store or step; `flows` composes them."""
