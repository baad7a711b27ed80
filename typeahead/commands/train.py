"""Train an encoder for your own teacher. See :mod:`training.commands.train`, which comes with the package."""

from typeahead.installation import import_training

_command = import_training("commands.train")
__doc__ = str(_command.__doc__)
add_arguments = _command.add_arguments
run = _command.run
