"""Texts that break encoders, as Hypothesis strategies and as a list."""

from __future__ import annotations

from hypothesis import strategies as st

#: Each a run of characters that one kind of writing brings.
ALPHABETS = {
    "latin": "abcdefghij ABC .,-'?!0123456789",
    "accents": "éèüßñçøåÉİıǅ ﬁ",
    "combining": "aeo\u0301\u0308\u0327\u0323\u20dd \u0345",
    "hangul": "한국어검색가각힣ㄱㅏᄒ ᅡᆫ",
    "jamo": "\u1112\u1161\u11ab\u1100 ",
    "cjk": "東京天気漢字 、。ひらカナ",
    "arabic": "مرحباعالم \u064b\u0651؟\u200f",
    "hebrew": "שלום \u05b8\u05bc",
    "devanagari": "हिन्दी खोज \u093f\u094d",
    "thai": "กำลังค้นหา ",
    "emoji": "👩\u200d👧\u200d👦🏽🇩🇪❤️😀 ",
    "control": "a b\x00\x01\x1f\x7f\x85\xa0\u2028\u200b\ufeff\u00ad\ufffd\t\n\r",
    "special": "[CLS] [SEP] [MASK] ## <s>",
}

characters = st.one_of(
    *(st.sampled_from(alphabet) for alphabet in ALPHABETS.values()),
    st.characters(exclude_categories=["Cs"]),
)
words = st.text(characters, max_size=12)
texts = st.one_of(
    st.text(characters, max_size=40),
    st.lists(words, max_size=8).map(" ".join),
    *(st.text(alphabet, max_size=40) for alphabet in ALPHABETS.values()),
)
