"""The teacher: its model in PyTorch, the cache of its vectors, and its vectors of single tokens."""
