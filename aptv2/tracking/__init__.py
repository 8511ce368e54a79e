"""Which detection is which animal: association, motion, similarity and smoothing."""
