"""LightRetriever's training: a whole encoder for passages, a look-up for queries."""
