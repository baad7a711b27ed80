"""A table of replacements in SentencePiece's format, for ``normalizers.Precompiled``."""

from __future__ import annotations

import struct
from collections.abc import Mapping


def charsmap(replacements: Mapping[str, str]) -> bytes:
    """Compile replacements: a double array (Darts) over the keys' bytes, and the replacements one after another."""
    texts = b""
    places = {}
    for key, value in replacements.items():
        places[key.encode()] = len(texts)
        texts += value.encode() + b"\0"
    prefixes = {b""} | {key[:end] for key in places for end in range(1, len(key) + 1)}
    # Each prefix has 256 units of its own, so that none collide. The root's unit is the first.
    base = {prefix: 256 * (number + 1) for number, prefix in enumerate(sorted(prefixes))}
    units = [0] * (256 * (len(prefixes) + 1))
    position = {b"": 0}
    for prefix in sorted(prefixes, key=len):
        own = position[prefix]
        label = prefix[-1] if prefix else 0
        leaf = prefix in places
        units[own] = label | leaf << 8 | (own ^ base[prefix]) << 10
        if leaf:
            units[base[prefix]] = places[prefix] | 1 << 31
        for longer in prefixes:
            if len(longer) == len(prefix) + 1 and longer.startswith(prefix):
                position[longer] = base[prefix] ^ longer[-1]
    trie = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(trie)) + trie + texts
