"""Measures what this machine does, so that a plan fits the time that the user gives."""

from __future__ import annotations

import time

import numpy as np
import torch

from training.stage1.distill import Run
from training.teacher.torch_teacher import TorchTeacher

#: Token id sequences to measure with, as long as a query with its special tokens, and how many.
_LENGTH, _SEQUENCES = 14, 192
#: Batches of training to measure with, after one that warms up. They are of texts of all lengths, because the longest
#: take many times as long as the shortest.
_BATCHES = 8


def reading_speed(teacher: TorchTeacher, weights: int) -> float:
    """Weights times tokens in a second of a teacher with so many weights in its layers."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, teacher.model.config.vocab_size, (_SEQUENCES, _LENGTH)).tolist()
    teacher.encode_ids_by_length(ids[:32])
    began = time.perf_counter()
    teacher.encode_ids_by_length(ids)
    return weights * _SEQUENCES * _LENGTH / (time.perf_counter() - began)


def learning_seconds(run: Run) -> float:
    """Seconds of training that a token takes. The run's student is changed, so the run is good for nothing else."""
    run.try_batches(1)
    if run.teacher.device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    tokens = run.try_batches(_BATCHES)
    if run.teacher.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / tokens
