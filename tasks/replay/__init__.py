"""The replay: held-back rows played as a live stream, once for every policy of retraining."""
