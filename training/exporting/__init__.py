"""From trained weights to folders that others load: graphs, cards, sentence-transformers modules."""
