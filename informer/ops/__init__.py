"""The fast backend: what the network computes, arranged for the machine instead of the reader."""
