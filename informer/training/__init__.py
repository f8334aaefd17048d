"""Training: a small loop of named phases over Lightning Fabric; `loop.fit` is its door."""
