from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.fakes import MeanEncoder
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.search.reading import Reading
from typeahead.server.observe.metrics import STAGES, ServerMetrics
from typeahead.server.typing.dialogue import Dialogue
from typeahead.server.typing.query import Query, Result, Stage
from typeahead.wire.access import PlainTokens
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Limits
from typeahead.wire.replies import read_embedding


class ManualWork:
    """The pipeline's part, done when the test says so. A search finds the text that it was made for."""

    def __init__(self) -> None:
        self.engine = Engine(MeanEncoder())
        self.stepping: dict[Query, None] = {}
        self.searching: dict[Query, None] = {}
        self.searched = 0
        #: Whether the results of the last search stand for keystrokes, and the queries that are searched behind them.
        self.stands = False
        self.behind: dict[Query, None] = {}

    def step(self, query: Query) -> None:
        self.stepping[query] = None

    def step_now(self, query: Query) -> None:
        self.stepping.pop(query, None)
        self._advance([query])

    def search(self, query: Query) -> None:
        self.behind.pop(query, None)
        if self.stands and query.last is not None and not query.submitted:
            query.stood_in(b'["stood"]')
            self.behind[query] = None
            return
        self.searching[query] = None

    def search_behind(self) -> None:
        for query in self.behind:
            query.found(_result(query.embedding))
        self.behind.clear()

    def drop(self, query: Query) -> None:
        self.stepping.pop(query, None)
        self.searching.pop(query, None)
        self.behind.pop(query, None)

    def run_steps(self) -> None:
        batch, self.stepping = list(self.stepping), {}
        self._advance(batch)

    def run_searches(self) -> None:
        batch, self.searching = list(self.searching), {}
        for query in batch:
            assert query.stage is Stage.STEPPED
            query.found(_result(query.embedding))
        self.searched += len(batch)

    def run_all(self) -> None:
        while self.stepping or self.searching:
            self.run_steps()
            self.run_searches()

    def shed(self) -> None:
        """Turn away what waits, as an overloaded pipeline does."""
        for query in (*self.stepping, *self.searching):
            query.shed()
        self.stepping.clear()
        self.searching.clear()

    def fail(self) -> None:
        for query in (*self.stepping, *self.searching):
            query.failed()
        self.stepping.clear()
        self.searching.clear()

    def _advance(self, batch: list[Query]) -> None:
        self.engine.advance([query.session for query in batch])
        for query in batch:
            query.stepped(query.session.embedding)
            if query.due is Stage.SEARCHED:
                self.search(query)


def _result(embedding: Vectors | None) -> Result | None:
    if embedding is None:
        return None
    return Result(json.dumps([round(float(embedding[0]), 5)]).encode(), [], embedding, None, "")


def mark(text: str) -> float:
    """What the search finds for a text."""
    return round(float(MeanEncoder().encode([text])[0, 0]), 5)


class AnyRoom:
    """Tells that there is an index; the work is done by :class:`ManualWork`."""

    behind = False
    stale = False

    def read(self, text: str, before: Reading | None) -> Reading:
        raise NotImplementedError

    def search(self, query: Query) -> None:
        raise NotImplementedError

    def drop(self, query: Query) -> None:
        raise NotImplementedError


class Desk:
    """A dialogue with its work, and what was taken from it."""

    def __init__(
        self,
        *,
        searches: bool = True,
        token: str | None = None,
        max_chars: int = 50,
        fallback: str | None = None,
        max_pending: int = 8,
        clock: Callable[[], int] = lambda: 0,
    ) -> None:
        self.work = ManualWork()
        self.metrics = ServerMetrics("mean")
        self.wakes = 0
        self.dialogue = Dialogue(
            Conversation(Limits(max_chars=max_chars, fallback=fallback), PlainTokens(token, "operator")),
            self.work.engine.session(max_chars=max_chars),
            self.work,
            self.metrics,
            room=AnyRoom() if searches else None,
            greet=lambda hello: json.dumps({"hello": hello.k}).encode(),
            wake=self._wake,
            clock=clock,
            max_pending=max_pending,
            timings=True,
        )

    def _wake(self) -> None:
        self.wakes += 1

    def say(self, **message: Any) -> None:
        self.dialogue.receive(json.dumps(message))

    def hear(self, **message: Any) -> None:
        """Say it while the next frame lies ready."""
        self.dialogue.hear(json.dumps(message))

    def take(self) -> list[Any]:
        """What can be sent now, without timings."""
        taken: list[Any] = []
        while reply := self.dialogue.take():
            text, binary = reply
            taken.append(json.loads(text))
            taken[-1].pop("timing_us", None)
            if binary is not None:
                taken.append(b"".join(binary))
        return taken

    def answers(self) -> list[Any]:
        self.work.run_all()
        return self.take()


def test_a_keystroke_is_answered_once_it_was_stepped_and_searched() -> None:
    desk = Desk()
    desk.say(seq=1, text="boil an")
    assert desk.take() == []
    desk.work.run_steps()
    assert desk.take() == []
    desk.work.run_searches()
    assert desk.take() == [{"seq": 1, "hits": [mark("boil an")]}]


def test_an_edit_changes_the_text_before_it() -> None:
    desk = Desk()
    desk.say(seq=1, text="bOl an")
    desk.say(seq=2, edit={"at": 1, "del": 1, "ins": "oi"})
    assert desk.answers() == [{"seq": 2, "hits": [mark("boil an")]}]


def test_a_newer_keystroke_drops_the_work_of_an_older_one_at_every_stage() -> None:
    desk = Desk()
    desk.say(seq=1, text="a")
    desk.say(seq=2, text="b")  # 1 was not stepped yet
    desk.work.run_steps()
    desk.say(seq=3, text="c")  # 2 was not searched yet
    assert not desk.work.searching
    desk.work.run_all()
    desk.say(seq=4, text="d")  # 3 was not taken yet
    assert desk.answers() == [{"seq": 4, "hits": [mark("d")]}]
    assert desk.work.searched == 2
    assert desk.metrics.keystrokes["superseded"].value == 3
    assert desk.metrics.keystrokes["served"].value == 1


def test_of_keystrokes_that_are_heard_together_only_the_last_is_work() -> None:
    desk = Desk()
    desk.hear(seq=1, text="bl")
    desk.hear(seq=2, edit={"at": 1, "del": 1, "ins": "oil"})
    desk.hear(seq=3, edit={"at": 4, "del": 0, "ins": " an"})
    assert not desk.work.stepping
    desk.dialogue.settle()
    desk.dialogue.settle()  # nothing is left
    assert [query.text for query in desk.work.stepping] == ["boil an"]
    assert desk.answers() == [{"seq": 3, "hits": [mark("boil an")]}]
    assert desk.metrics.keystrokes["superseded"].value == 2


def test_what_cannot_be_overtaken_is_answered_between_keystrokes_that_are_heard_together() -> None:
    desk = Desk()
    desk.hear(seq=1, text="tea")
    desk.hear(seq=2, submit=True)
    desk.hear(seq=3, text="teas")
    desk.hear(seq=4, text=5)
    desk.dialogue.settle()
    enter, keystroke, refused = desk.answers()
    assert enter == {"seq": 2, "hits": [mark("tea")], "submit": True, "ready": False}
    assert keystroke == {"seq": 3, "hits": [mark("teas")]}
    assert (refused["seq"], refused["error"]["code"]) == (4, "bad_message")


def test_a_submit_is_ready_when_the_results_were_there() -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    desk.work.run_all()
    desk.say(seq=2, submit=True)
    assert desk.take() == [
        {"seq": 1, "hits": [mark("tea")]},
        {"seq": 2, "hits": [mark("tea")], "submit": True, "ready": True},
    ]
    assert desk.metrics.submits[True].value == 1


@pytest.mark.parametrize("steps", [0, 1])
def test_a_submit_that_has_to_wait_is_not_ready_and_shares_the_keystrokes_search(steps: int) -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    for _ in range(steps):
        desk.work.run_steps()
    desk.say(seq=2, submit=True)
    assert desk.answers() == [
        {"seq": 1, "hits": [mark("tea")]},
        {"seq": 2, "hits": [mark("tea")], "submit": True, "ready": False},
    ]
    assert desk.work.searched == 1


def test_a_submit_is_answered_for_the_text_of_its_time_although_more_was_typed() -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    desk.say(seq=2, submit=True)
    desk.say(seq=3, text="tea pot")
    assert desk.answers() == [
        {"seq": 2, "hits": [mark("tea")], "submit": True, "ready": False},
        {"seq": 3, "hits": [mark("tea pot")]},
    ]


def test_a_submit_before_any_key_finds_nothing_at_once() -> None:
    desk = Desk()
    desk.say(seq=1, submit=True)
    assert desk.take() == [{"seq": 1, "hits": [], "submit": True, "ready": True}]


def test_without_an_index_the_embedding_is_what_counts() -> None:
    desk = Desk(searches=False)
    desk.say(hello={"embedding": "float32"})
    desk.say(seq=1, text="tea")
    desk.work.run_steps()
    desk.say(seq=2, submit=True)
    _, first, vector, second, again = desk.take()
    assert (first, second) == ({"seq": 1}, {"seq": 2, "submit": True, "ready": True})
    for frame, seq in ((vector, 1), (again, 2)):
        number, values = read_embedding(frame)
        assert number == seq
        assert values is not None
        assert values.tolist() == MeanEncoder().encode(["tea"])[0].tolist()


def test_in_mode_submit_only_enter_searches_and_it_is_ready_with_the_embedding() -> None:
    desk = Desk()
    desk.say(hello={"search": "submit"})
    desk.say(seq=1, text="tea")
    desk.work.run_steps()
    desk.say(seq=2, submit=True)
    assert desk.answers() == [
        {"hello": 8},
        {"seq": 1},
        {"seq": 2, "hits": [mark("tea")], "submit": True, "ready": True},
    ]


def test_in_mode_word_a_search_comes_with_each_word_that_ends() -> None:
    desk = Desk()
    desk.say(hello={"search": "word"})
    desk.take()
    searched = []
    for seq, text in enumerate(["t", "te", "tea", "tea ", "tea p", "tea pot", "tea", "a b c", "a b c!"]):
        desk.say(seq=seq, text=text)
        (reply,) = desk.answers()
        if "hits" in reply:
            searched.append(text)
    assert searched == ["tea ", "tea", "a b c", "a b c!"]


def test_in_mode_word_a_search_that_was_overtaken_is_made_up_for() -> None:
    desk = Desk()
    desk.say(hello={"search": "word"})
    desk.take()
    desk.say(seq=1, text="tea ")
    desk.say(seq=2, text="tea p")
    assert desk.answers() == [{"seq": 2, "hits": [mark("tea p")]}]
    desk.say(seq=3, text="tea po")
    assert desk.answers() == [{"seq": 3}]


def test_in_mode_word_each_character_of_a_script_without_spaces_is_a_word() -> None:
    desk = Desk()
    desk.say(hello={"search": "word"})
    desk.take()
    for seq, text in enumerate(["水", "水道"]):
        desk.say(seq=seq, text=text)
        assert desk.answers() == [{"seq": seq, "hits": [mark(text)]}]


def test_in_mode_word_a_submit_searches_what_no_keystroke_had_searched() -> None:
    desk = Desk()
    desk.say(hello={"search": "word"})
    desk.say(seq=1, text="tea")
    desk.work.run_all()
    desk.say(seq=2, submit=True)
    desk.say(seq=3, submit=True)
    assert desk.answers()[2:] == [
        {"seq": 2, "hits": [mark("tea")], "submit": True, "ready": False},
        {"seq": 3, "hits": [mark("tea")], "submit": True, "ready": False},
    ]
    assert desk.work.searched == 1


@pytest.mark.parametrize("quality", ["best", "fast"])
def test_the_best_answer_is_wanted_for_what_came_at_once_if_the_hello_asked_for_it(quality: str) -> None:
    desk = Desk(fallback="whole")
    desk.say(hello={"quality": quality})
    wanted = []
    messages: list[dict[str, Any]] = [
        {"text": "how"},
        {"edit": {"at": 3, "del": 0, "ins": " to boil an egg"}},
        {"edit": {"at": 18, "del": 0, "ins": " "}},
        {"edit": {"at": 18, "del": 0, "ins": "s"}},
        {"text": "how to boil an egg"},
        {"text": "how to poach two eggs"},
    ]
    for seq, message in enumerate(messages):
        desk.say(seq=seq, **message)
        (query,) = desk.work.stepping
        if query.best:
            wanted.append(seq)
    assert wanted == ([1, 2, 5] if quality == "best" else [])


def test_a_submit_is_answered_by_what_answered_its_text_and_asks_for_nothing_better() -> None:
    desk = Desk(fallback="whole")
    desk.say(hello={"quality": "best"})
    desk.say(seq=1, text="boil")
    desk.say(seq=2, text="boil an egg")
    desk.work.run_all()
    desk.say(seq=3, submit=True)
    desk.say(seq=4, edit={"at": 11, "del": 0, "ins": "s"})
    desk.work.run_all()
    desk.say(seq=5, submit=True)
    assert desk.work.searched == 2
    assert [(reply["seq"], reply.get("ready")) for reply in desk.take()[1:]] == [(3, True), (4, None), (5, True)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"text": "x" * 51}, "text_too_long"),
        ({"text": "a\ud800"}, "bad_text"),
        ({"edit": {"at": 4, "del": 0, "ins": "x"}}, "bad_edit"),
        ({"edit": {"at": 3, "del": 1, "ins": ""}}, "bad_edit"),
        ({"edit": {"at": -1, "del": 0, "ins": "x"}}, "bad_edit"),
        ({"edit": {"at": 0, "del": -1, "ins": "x"}}, "bad_edit"),
        ({"edit": {"at": 0, "del": 2**70, "ins": "x"}}, "bad_message"),
        ({"edit": {"at": 0, "del": 0, "ins": "x" * 48}}, "text_too_long"),
        ({"edit": {"at": 0, "del": 0, "ins": "\udc00"}}, "bad_text"),
    ],
)
def test_a_refused_keystroke_changes_nothing_and_the_session_goes_on(message: dict[str, Any], code: str) -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    desk.say(seq=2, **message)
    desk.say(seq=3, edit={"at": 3, "del": 0, "ins": "s"})
    error, reply = desk.answers()
    assert (error["seq"], error["error"]["code"]) == (2, code)
    assert reply == {"seq": 3, "hits": [mark("teas")]}


def test_an_error_waits_for_the_reply_before_it() -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    desk.say(seq=2, text="x" * 51)
    assert desk.take() == []
    assert [reply["seq"] for reply in desk.answers()] == [1, 2]


def test_what_fails_is_answered_with_an_error_and_tried_again_at_enter() -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    desk.work.fail()
    (error,) = desk.take()
    assert (error["seq"], error["error"]["code"]) == (1, "internal")
    desk.say(seq=2, submit=True)
    assert desk.answers() == [{"seq": 2, "hits": [mark("tea")], "submit": True, "ready": False}]


def test_it_is_full_when_as_many_replies_wait_as_are_allowed() -> None:
    desk = Desk(max_pending=3)
    desk.say(seq=1, text="tea")
    desk.say(seq=2, submit=True)
    assert not desk.dialogue.full
    desk.say(seq=3, submit=True)
    assert desk.dialogue.full
    desk.answers()
    assert not desk.dialogue.full


def test_keystrokes_never_fill_it() -> None:
    desk = Desk(max_pending=2)
    for seq in range(10_000):
        desk.say(seq=seq, text=f"tea {seq}")
        assert not desk.dialogue.full
    assert len(desk.work.stepping) == 1
    assert desk.answers() == [{"seq": 9999, "hits": [mark("tea 9999")]}]


def test_closing_answers_what_is_pending_and_reads_no_more() -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    desk.dialogue.close(1012, "the server restarts")
    desk.say(seq=2, text="coffee")
    assert not desk.dialogue.finished
    assert desk.answers() == [{"seq": 1, "hits": [mark("tea")]}]
    assert desk.dialogue.finished
    desk.dialogue.close(1000, "idle")
    assert desk.dialogue.closing is not None
    assert desk.dialogue.closing.code == 1012


def test_a_wrong_token_ends_it_after_the_error() -> None:
    desk = Desk(token="s3cret")
    desk.say(hello={"token": "guess"})
    (error,) = desk.take()
    assert error["error"]["code"] == "unauthorized"
    assert desk.dialogue.finished
    assert desk.dialogue.closing is not None
    assert desk.dialogue.closing.code == 1008


def test_abandoning_drops_all_work() -> None:
    desk = Desk()
    desk.say(seq=1, text="tea")
    desk.say(seq=2, submit=True)
    desk.dialogue.abandon()
    assert not desk.work.stepping
    assert desk.metrics.keystrokes["cancelled"].value == 1


def test_a_keystroke_that_was_turned_away_is_told_so_and_its_text_is_taken() -> None:
    desk = Desk()
    desk.say(seq=1, text="boil a")
    desk.work.shed()
    (error,) = desk.take()
    assert (error["error"]["code"], error["seq"]) == ("overloaded", 1)
    assert desk.metrics.keystrokes["overloaded"].value == 1
    desk.say(seq=2, edit={"at": 6, "del": 0, "ins": "n"})
    assert desk.answers() == [{"seq": 2, "hits": [mark("boil an")]}]


@pytest.mark.parametrize("stepped", [False, True])
def test_enter_on_a_keystroke_that_was_turned_away_is_answered(stepped: bool) -> None:
    desk = Desk()
    desk.say(seq=1, text="boil an")
    if stepped:
        desk.work.run_steps()
    desk.work.shed()
    desk.take()
    desk.say(seq=2, submit=True)
    assert desk.answers() == [{"seq": 2, "hits": [mark("boil an")], "submit": True, "ready": False}]


@pytest.mark.parametrize("searched", [False, True])
def test_enter_waits_for_its_own_search_where_earlier_results_stood(searched: bool) -> None:
    desk = Desk()
    desk.say(seq=1, text="boil an")
    desk.answers()
    desk.work.stands = True
    desk.say(seq=2, text="boil an egg")
    assert desk.answers() == [{"seq": 2, "hits": ["stood"]}]
    if searched:
        desk.work.search_behind()
        assert desk.take() == []
    desk.say(seq=3, submit=True)
    assert desk.answers() == [{"seq": 3, "hits": [mark("boil an egg")], "submit": True, "ready": searched}]


def test_a_newer_key_drops_the_search_behind_results_that_stood() -> None:
    desk = Desk()
    desk.say(seq=1, text="boil an")
    desk.answers()
    desk.work.stands = True
    desk.say(seq=2, text="boil an egg")
    desk.answers()
    assert len(desk.work.behind) == 1
    desk.work.stands = False
    desk.say(seq=3, text="boil an egg now")
    assert not desk.work.behind
    assert desk.answers() == [{"seq": 3, "hits": [mark("boil an egg now")]}]


def test_timings_add_up_and_a_ready_submit_has_no_work_of_its_own() -> None:
    ticks = iter(range(0, 10**9, 1_000_000))
    desk = Desk(clock=lambda: next(ticks))
    desk.say(seq=1, text="tea")
    desk.work.run_all()
    desk.say(seq=2, submit=True)
    for _ in range(2):
        taken = desk.dialogue.take()
        assert taken is not None
        reply = json.loads(taken[0])
        timing = reply["timing_us"]
        assert list(timing) == ["queue", "tokenize", "step", "search", "serialize", "total"]
        assert timing["total"] == sum(timing.values()) - timing["total"]
    assert timing == {"queue": 3000, "tokenize": 0, "step": 0, "search": 0, "serialize": 0, "total": 3000}


def test_what_writing_a_reply_took_is_measured_though_no_reply_can_tell() -> None:
    ticks = iter(range(0, 10**9, 1_000_000))
    desk = Desk(clock=lambda: next(ticks))
    desk.say(seq=1, text="tea")
    desk.work.run_all()
    taken = desk.dialogue.take()
    assert taken is not None
    total = json.loads(taken[0])["timing_us"]["total"] / 1e6
    desk.metrics.replies.settle()
    assert desk.metrics.keystroke.sum == pytest.approx(total + 0.001)
    assert desk.metrics.stages["serialize"].sum == pytest.approx(0.001)


def test_a_slow_reply_is_kept_by_its_length_and_stages() -> None:
    ticks = iter(range(0, 10**9, 1_000_000))
    desk = Desk(clock=lambda: next(ticks))
    desk.say(seq=1, text="green tea")
    desk.work.run_all()
    desk.dialogue.take()
    (slow,) = desk.metrics.slow.snapshot(next(ticks), STAGES)
    assert (slow["chars"], slow["tokens"], slow["submit"]) == (9, 2, False)
    assert sum(slow["stages_us"].values()) == slow["total_us"]


messages = st.one_of(
    st.fixed_dictionaries({"text": st.text(max_size=12)}),
    st.fixed_dictionaries(
        {
            "edit": st.fixed_dictionaries(
                {"at": st.integers(-1, 8), "del": st.integers(-1, 4), "ins": st.text(max_size=9)}
            )
        }
    ),
    st.just({"submit": True}),
    st.sampled_from([{"text": 1}, {}, {"text": "\ud800"}, {"hello": {}}]),
)
actions = st.one_of(
    messages, messages, st.sampled_from(["run_steps", "run_searches", "run_all", "fail", "take", "back", "binary"])
)


def after(message: dict[str, Any], text: str) -> str:
    """The text after a message, by the contract; as it was where the message has to be refused."""
    new = message.get("text", text)
    if "edit" in message:
        at, delete, insert = (message["edit"][name] for name in ("at", "del", "ins"))
        new = text[:at] + insert + text[at + delete :] if 0 <= at <= at + delete <= len(text) else text
    return new if isinstance(new, str) and len(new) <= 10 and "\ud800" not in new else text


@settings(max_examples=300)
@given(
    st.lists(st.tuples(actions, st.booleans()), max_size=25),
    st.sampled_from(["keystroke", "word", "submit", None]),
    st.booleans(),
    st.booleans(),
)
def test_whatever_comes_replies_never_run_backwards_and_all_but_overtaken_keystrokes_are_answered(
    script: list[tuple[Any, bool]], mode: str | None, searches: bool, vectors: bool
) -> None:
    desk = Desk(searches=searches, max_chars=10, max_pending=10**6)
    if mode is not None:
        desk.say(hello={"search": mode, **({"embedding": "int8"} if vectors else {})})
    taken: list[Any] = []
    expected: list[int] = []
    keystroke = None
    seq = 0
    text = ""
    texts = {}
    for action, more in script:
        if not isinstance(action, dict):
            desk.dialogue.settle()
        if action == "take":
            taken += desk.take()
        elif action == "back":
            # A hello that is refused has used up no seq.
            desk.say(seq=0, text="x") if expected else None
        elif action == "binary":
            desk.dialogue.receive_binary()
        elif isinstance(action, str):
            getattr(desk.work, action)()
        else:
            seq += 1
            (desk.hear if more else desk.say)(seq=seq, **action)
            if action.keys() & {"text", "edit"}:
                keystroke = seq
            text = texts[seq] = after(action, text)
            if "hello" not in action:
                expected.append(seq)
    desk.dialogue.settle()
    taken += desk.answers()
    replies = [frame for frame in taken if isinstance(frame, dict)]
    numbers = [reply["seq"] for reply in replies if "seq" in reply]
    assert numbers == sorted(set(numbers))
    missing = set(expected) - set(numbers)
    assert keystroke not in missing
    assert desk.metrics.keystrokes["superseded"].value == len(missing)
    if vectors and mode is not None:
        answered = [reply["seq"] for reply in replies if "seq" in reply and "error" not in reply]
        assert [read_embedding(frame)[0] for frame in taken if isinstance(frame, bytes)] == answered
    for reply in replies:
        if "hits" in reply:
            words = texts[reply["seq"]]
            assert reply["hits"] == ([mark(words)] if words.split() else [])
    assert not desk.work.stepping
    assert not desk.work.searching
