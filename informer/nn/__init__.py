"""The network of the paper: attention, embedding, encoder, decoder, model."""
