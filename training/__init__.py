"""How the encoders in ``models/`` are trained: teachers, students, losses, recipes, export.

Training needs PyTorch: ``pip install -e ".[training]"`` in a checkout. It imports :mod:`typeahead` for what training
and serving must agree on, such as tokenization and model folders. The run-time package never imports this one.

Inside, imports go one way. Each line may use the lines below it::

    commands      programs that use several of the others
    guided        ``typeahead train``: everything in one command
    exporting     trained weights to folders that others load
    light         LightRetriever: queries by look-up
    ranking       stage 2, contrastive training
    stage1        stage 1, distillation
    students      the query encoders under training
    teacher       the encoder that they learn from
    modules       the modules beside this one: recipes, families, the run's log
    gathering     training texts from the files that people have
    data          readers of texts, queries and judgements
"""

from training.moved import MOVED
from typeahead.moved import redirect
from typeahead.telemetry import silence_libraries

silence_libraries()
redirect(MOVED)
