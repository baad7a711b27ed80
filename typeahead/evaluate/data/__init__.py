"""What is measured on: queries, judgements, passages and recorded typing."""
