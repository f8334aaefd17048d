"""The Informer (Zhou et al., AAAI 2021) as a library that stands alone."""
