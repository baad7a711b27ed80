"""The data of the measurements: queries, judgements, passages and recorded typing."""
