"""Takes JavaScript out of MDX: imports and exports, tags of components, expressions and comments.

There is no MDX parser for Python. This looks only for where JavaScript begins and ends; code in Markdown stays as it
is.
"""

from __future__ import annotations

import re

#: Where JavaScript, code or an escaped sign may begin.
_SIGN = re.compile(r"[\\{<`]|^[ \t]*~~~|^(?=(?:import|export)\b)", re.M)
_FENCE = re.compile(r"(?<=\n)[ \t]*(`{3,}|~{3,})[^\n]*\n(?:.*?\n)??[ \t]*\1[`~]*[ \t]*(?=\n|\Z)", re.S)
_TICKS = re.compile(r"(`+)(?:(?!`).*?(?<!`)\1(?!`))?", re.S)
_MODULE = re.compile(r"(?:import|export)\b[^\n]*(?:\n(?![ \t]*\n)[^\n]*)*")
_TAG = re.compile(r"</?(?:[A-Za-z][\w.:-]*)?(?=[\s/>{])")
#: Properties that readers see.
_SHOWN = re.compile(r"\b(?:title|label|alt|summary|header|caption)=(?:\"([^\"]*)\"|'([^']*)')")
_INNER = re.compile(r"[\"'`{}>]")
_QUOTES = "\"'`"
#: A tag, an expression or code between backticks that is longer than this is none.
_LONGEST = 10_000
#: After so many signs that begin nothing, the text is no JSX.
_MOST_FAILED = 30


def without_jsx(source: str) -> str:
    """Return Markdown: the text that components hold, and those of their properties that readers see."""
    # The patterns for whole lines look at the line break before them.
    source = f"\n{source}"
    parts = []
    last = at = failed = 0
    while failed <= _MOST_FAILED and (sign := _SIGN.search(source, at)):
        start, shown = sign.start(), ""
        kept, end = _next(source, start)
        if end < 0:
            failed += 1
            at = start + 1
        elif kept:
            at = end
        else:
            shown = " ".join(filter(None, (one[1] or one[2] for one in _SHOWN.finditer(source, start, end))))
            parts += [source[last:start], f"\n{shown}\n" if shown and source[start] == "<" else ""]
            at = last = end
    return "".join([*parts, source[last:]])[1:]


def _next(source: str, start: int) -> tuple[bool, int]:
    """Whether what begins at a sign is kept, and where it ends; -1 where nothing begins there."""
    sign = source[start]
    if sign == "\\":
        return True, start + 2
    if sign == "{":
        return False, _closing(source, start, "}")
    if sign == "<":
        tag = _TAG.match(source, start)
        return (False, _closing(source, tag.end(), ">")) if tag else (True, start + 1)
    if module := _MODULE.match(source, start):
        return False, module.end()
    line = source.rfind("\n", 0, start) + 1
    if not source[line:start].strip() and (fence := _FENCE.match(source, line)):
        return True, fence.end()
    ticks = _TICKS.match(source, start, start + _LONGEST)
    return True, ticks.end() if ticks else -1


def _closing(text: str, start: int, sign: str) -> int:
    """Where a tag or an expression ends that begins before or at ``start``; -1 where it does not."""
    depth = 0
    at = start
    last = min(len(text), start + _LONGEST)
    while (found := _INNER.search(text, at, last)) is not None:
        at = found.start()
        character = text[at]
        if character in _QUOTES and (depth or sign == ">"):
            close = text.find(character, at + 1, last)
            at = close if close > 0 else at
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0 and sign == "}":
                return at + 1
        elif character == sign and not depth:
            return at + 1
        at += 1
    return -1
