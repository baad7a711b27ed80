"""Takes JavaScript out of MDX: imports and exports, tags of components, expressions and comments.

There is no MDX parser for Python. This looks only for where JavaScript begins and ends; code in Markdown stays as it
is.
"""

from __future__ import annotations

import re

#: Fenced code, and code between backticks.
_CODE = re.compile(
    r"(?P<fence>^[ \t]*(?P<marks>`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*(?P=marks)[`~]*[ \t]*$|\Z))|"
    r"(?P<ticks>`+)(?!`)[^`]*?(?P=ticks)(?!`)",
    re.M | re.S,
)
_MODULE = re.compile(r"^(?:import|export)\b[^\n]*(?:\n(?![ \t]*\n)[^\n]*)*", re.M)
_TAG = re.compile(r"</?(?:[A-Za-z][\w.:-]*)?(?=[\s/>{])")
#: Properties that readers see.
_SHOWN = re.compile(r"\b(?:title|label|alt|summary|header|caption)=(?:\"([^\"]*)\"|'([^']*)')")
_QUOTES = "\"'`"
#: A tag or an expression that is longer than this is none.
_LONGEST = 20_000
#: After so many braces that are never closed, the text is no JSX.
_MOST_FAILED = 1000


def without_jsx(source: str) -> str:
    """Return Markdown: the text that components hold, and those of their properties that readers see."""
    parts = []
    last = 0
    for code in _CODE.finditer(source):
        parts += [_stripped(source[last : code.start()]), code[0]]
        last = code.end()
    return "".join([*parts, _stripped(source[last:])])


def _stripped(text: str) -> str:
    text = _MODULE.sub("", text)
    parts = []
    at = last = failed = 0
    while at < len(text):
        character = text[at]
        end = -1
        shown = ""
        if character == "\\":
            at += 2
            continue
        if character == "{":
            end = _closing(text, at, "}")
        elif character == "<" and (tag := _TAG.match(text, at)):
            end = _closing(text, tag.end(), ">")
            shown = " ".join(filter(None, (one[1] or one[2] for one in _SHOWN.finditer(text, at, max(end, at)))))
        if end < 0:
            failed += character == "{"
            if failed > _MOST_FAILED:
                break
            at += 1
            continue
        parts += [text[last:at], f"\n{shown}\n" if shown else ""]
        at = last = end
    return "".join([*parts, text[last:]])


def _closing(text: str, start: int, sign: str) -> int:
    """Where a tag or an expression ends that begins before or at ``start``; -1 where it does not."""
    depth = 0
    at = start
    last = min(len(text), start + _LONGEST)
    while at < last:
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
