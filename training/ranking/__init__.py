"""Stage 2, contrastive training: a student learns which passages answer a query."""
