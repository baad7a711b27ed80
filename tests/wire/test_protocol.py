from __future__ import annotations

import pytest

from typeahead.errors import BadEdit, TextError, TextTooLong
from typeahead.wire.protocol import refuse_text


@pytest.mark.parametrize(
    ("error", "code"),
    [(TextTooLong(513, 512), "text_too_long"), (BadEdit("outside"), "bad_edit"), (TextError("lone"), "bad_text")],
)
def test_what_a_session_refuses_has_a_code(error: TextError, code: str) -> None:
    refusal = refuse_text(error, 4)
    assert (refusal.code, refusal.seq, str(refusal)) == (code, 4, str(error))
