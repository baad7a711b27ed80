"""``python -m training.commands.token_vectors RECIPE.toml RUN``: a static student of the teacher's token vectors.

A query is then the mean of its tokens' vectors, without any training. :mod:`training.teacher.token_encoder` explains
the vectors.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from training.commandline import run
from training.recipe import read_recipe
from training.students import Static, save_student
from training.students.files import STUDENT
from training.teacher.token_encoder import largest_difference, token_table
from training.teacher.torch_teacher import TorchTeacher


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.commands.token_vectors", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("recipe", type=Path, help="the recipe that names the teacher, which runs in float32")
    parser.add_argument("run", type=Path, help="folder to write a static student of these vectors to")
    parser.add_argument("--prompt", help="text before the token (default: the teacher's prompt for queries)")
    parser.add_argument(
        "--check", action="store_true", help="also encode each token alone; print the largest difference"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    recipe = read_recipe(options.recipe)
    teacher = TorchTeacher(recipe.teacher.path(), **recipe.teacher.given())
    started = time.monotonic()
    table = token_table(teacher, options.prompt)
    print(f"{len(table):,} tokens of {teacher.name} in {time.monotonic() - started:.1f} s, {options.threads} threads")
    if options.check:
        print(f"largest difference from each token alone: {largest_difference(teacher, table, options.prompt):.1e}")
    options.run.mkdir(parents=True, exist_ok=True)
    student = Static(table, torch.zeros(len(table)), similarity=teacher.similarity)
    made = f"{recipe.sha256} {teacher.key(recipe.teacher.dtype)} tokens"
    save_student(student, options.run / STUDENT, metadata={"run": made})


if __name__ == "__main__":
    run(main)
