"""The plan of a training with the texts that it gathers, and what ``typeahead train --plan`` prints of it."""

from __future__ import annotations

import os

from tokenizers import Tokenizer

from training.gathering import Gathered, gather
from training.guided.checks import Checked, check, check_disk
from training.guided.plan import Plan, Speeds, has_bfloat16, plan
from training.guided.request import Request

#: The longest training text, in tokens. Queries are shorter, passages are cut into windows of it, and the time of a
#: text grows with its tokens.
_MAX_TOKENS = 64
#: Tokens in a text, before they are counted.
_USUAL_TOKENS = 12.0
#: Texts are gathered again if so small a part of them can be used.
_ENOUGH = 0.9


def longest_text(checked: Checked) -> int:
    """The longest training text in tokens, special ones not counted."""
    return min(_MAX_TOKENS, checked.facts.settings.max_length - 2)


def gathered_for(
    request: Request, checked: Checked, speeds: Speeds, tokenizer: Tokenizer, *, passed: float = 0.0
) -> tuple[Gathered, Plan]:
    """Gather the texts of a request, as many as there is time for, and plan the training with them.

    Args:
        request: what is asked.
        checked: what the checks found.
        speeds: of this machine.
        tokenizer: the teacher's.
        passed: seconds that are gone already.
    """

    def gathered(wanted: int) -> Gathered:
        return gather(
            queries=request.queries,
            passages=request.passages,
            tokenizer=tokenizer,
            max_tokens=longest_text(checked),
            seed=request.seed,
            wanted=wanted,
        )

    def planned(found: Gathered) -> tuple[int, Plan]:
        count = len(found.training) + len(found.development)
        tokens = found.report.lengths.mean if found.report.lengths else _USUAL_TOKENS
        return count, plan(request, checked, speeds, available=count, tokens=tokens, passed=passed)

    first = plan(request, checked, speeds, available=1 << 40, tokens=_USUAL_TOKENS, passed=passed)
    found = gathered(first.most_texts)
    count, made = planned(found)
    if made.texts < _ENOUGH * count:
        found = gathered(max(made.texts - len(found.development), 1))
        _, made = planned(found)
    return found, made


def describe(request: Request) -> str:
    """Check a request and plan it, without PyTorch. Times are expected from the size of the teacher, not measured."""
    checked = check(request)
    facts = checked.facts
    settings = facts.settings
    prompts = f", prompts {settings.query_prompt!r} and {settings.passage_prompt!r}" if settings.query_prompt else ""
    speeds = Speeds.expected(threads=request.threads or os.cpu_count() or 1, bfloat16=has_bfloat16())
    tokenizer = Tokenizer.from_file(str(facts.folder / "tokenizer.json"))
    found, made = gathered_for(request, checked, speeds, tokenizer)
    check_disk(request.folder, made.disk)
    parts = [
        f"Teacher: {facts.name}, {facts.config.get('model_type')}, {facts.layers} layers of {facts.dim}, "
        f"{facts.tokens:,} tokens; {settings.pooling} pooling, {settings.similarity}, at most {settings.max_length} "
        f"tokens{prompts}.",
        *checked.remarks,
        str(found.report),
        f"The plan, as expected from the teacher's size (a run measures this machine first):\n{made}",
        f"Model: {request.out}"
        + ("" if checked.no_passages else f"; passage encoder: {request.passage_out}")
        + f"; run: {request.folder}.",
    ]
    return "\n\n".join(parts)
