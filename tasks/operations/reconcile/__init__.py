"""Finds what a dead worker left open, closes it with a reason, and runs again what can go on.

Flow runs (`flow_runs`), MLflow runs and Optuna's trials (`stores`), concurrency slots (`slots`).
"""
