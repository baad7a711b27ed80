"""Stage 1, distillation: a student learns its teacher's vectors."""
