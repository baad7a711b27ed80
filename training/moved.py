"""The old names of modules of :mod:`training`; see :mod:`typeahead.moved`."""

from __future__ import annotations

#: See :func:`typeahead.moved.redirect`.
MOVED = (
    ("training", "training.teacher", "teachers=torch_teacher vectors"),
    ("training", "training.stage1", "development distill objectives parallel texts"),
    (
        "training",
        "training.ranking",
        "bm25 contrast contrast_data contrast_passages dense gradcache inputs=encoding mine round_run=round_loop "
        "rounds=round_folders stage2=recipe",
    ),
    ("training", "training.light", "light_evaluate=evaluate light_model=model sparse_head sparse_passages"),
    (
        "training",
        "training.exporting",
        "card export graphs graphs_causal graphs_recurrent graphs_transformer "
        "sentence_student=sentence_module sentences=sentence_transformers smoothing",
    ),
    ("training", "training.commands", "phrases table tldr token_vectors"),
)
