"""``typeahead train``: from a teacher and a log of queries to an encoder that serves, in one command.

``request`` is what the user asks, and ``packages`` checks that the extra is installed. ``facts`` reads a teacher's
files, ``checks`` finds what is wrong before any work, ``plan`` divides the time, and ``planning`` gathers the texts
for it. None of these needs PyTorch. ``making`` does the work, in a folder from which it can be resumed. Around it,
``measuring`` times the machine, ``recipes`` and ``toml`` write the recipes, ``sizes`` gives the sizes of a finished
model, ``judging`` measures the result, ``reporting`` says how far the work is, and ``pushing`` uploads the models.
Programs call :func:`~training.guided.distilling.distill`.
"""
