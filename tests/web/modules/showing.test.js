import { createShowing } from "../showing.js";
import { equal, test } from "./harness.js";

const HIT = { id: "x" };

function answer(text, { hits = [HIT], offset = 0 } = {}) {
  return { seq: 1, text, hits, offset, submit: false, ready: false, keyAt: 0, sentAt: 0, timing: {} };
}

/** The policy over a panel that notes what it is told to draw. */
function desk() {
  const told = [];
  const note = (name) => (...parameters) => told.push([name, ...parameters]);
  const made = { told, active: undefined, accepted: [], drawn: [] };
  const panel = {
    active: () => made.active,
    activate: () => { made.active = undefined; },
    open: (hits, words) => told.push(["open", hits.length, words]),
    settle: (hits, words) => told.push(["settle", hits.length, words]),
    close: () => {
      made.active = undefined;
      told.push(["close"]);
    },
    sayAway: note("sayAway"),
    reset: note("reset"),
    blank: note("blank"),
  };
  made.showing = createShowing(panel, {
    nothing: (text) => `nothing for ${text}`,
    accepted: ({ text }) => made.accepted.push(text),
    drawn: ({ text }) => made.drawn.push(text),
  });
  return made;
}

test("after typing, an answer opens the panel", () => {
  const { showing, told, accepted, drawn } = desk();
  showing.typed();
  showing.receive(answer("egg"));
  equal([[["open", 1, ""]], ["egg"], ["egg"], "egg"], [told, accepted, drawn, showing.answer().text]);
});

test("an answer without hits says so", () => {
  const { showing, told } = desk();
  showing.typed();
  showing.receive(answer("egg", { hits: [] }));
  equal([["open", 0, "nothing for egg"]], told);
});

test("an answer that nobody typed for counts but opens nothing", () => {
  const { showing, told, accepted, drawn } = desk();
  showing.receive(answer("egg"));
  equal([[], ["egg"], [], "egg"], [told, accepted, drawn, showing.answer().text]);
});

test("a closed panel stays closed until the user types, or asks for it", () => {
  const { showing, told } = desk();
  showing.typed();
  showing.close();
  showing.receive(answer("egg"));
  equal([["close"]], told);
  equal(true, showing.reopen());
  equal(["open", 1, ""], told.at(-1));
});

test("without an answer there is nothing to reopen", () => {
  const { showing, told } = desk();
  equal([false, []], [showing.reopen(), told]);
});

test("rows under the pointer stay until it leaves; only the newest answer comes then", () => {
  const { showing, told, accepted } = desk();
  showing.typed();
  showing.freeze();
  showing.receive(answer("e"));
  showing.receive(answer("eg"));
  equal([[], [], null], [told, accepted, showing.answer()]);
  showing.release();
  equal([[["open", 1, ""]], ["eg"]], [told, accepted]);
  showing.release();
  equal(1, accepted.length);
});

test("rows stay while one of them is active", () => {
  const made = desk();
  made.showing.typed();
  made.active = {};
  made.showing.receive(answer("egg"));
  made.showing.release();
  equal([], made.accepted);
  made.active = undefined;
  made.showing.release();
  equal(["egg"], made.accepted);
});

test("typing frees the rows", () => {
  const made = desk();
  made.active = {};
  made.showing.freeze();
  made.showing.receive(answer("egg"));
  made.showing.typed();
  equal(["egg"], made.accepted);
});

test("a settled text's results go into the page, now and when newer ones come", () => {
  const { showing, told } = desk();
  showing.typed();
  showing.receive(answer("egg"));
  showing.close();
  showing.settle("egg");
  showing.receive(answer("egg", { hits: [] }));
  equal([["settle", 1, ""], ["settle", 0, "nothing for egg"]], told.slice(2));
  showing.typed();
  showing.receive(answer("egg"));
  equal(["open", 1, ""], told.at(-1));
});

test("that the server is away is said only where results are wanted and none are shown", () => {
  const { showing, told } = desk();
  showing.sayAway("away");
  equal([], told);
  showing.typed();
  showing.sayAway("away");
  equal([["sayAway", "away", false]], told);
  showing.receive(answer("egg"));
  showing.sayAway("away");
  equal(["open", 1, ""], told.at(-1));
  showing.sayAway("");
  equal(["sayAway", "", true], told.at(-1));
});

test("an emptied field forgets all answers, those held back too", () => {
  const made = desk();
  made.showing.typed();
  made.showing.receive(answer("egg"));
  made.showing.settle("egg");
  made.showing.reset();
  equal([["close"], ["reset"]], made.told.slice(-2));
  equal([null, false], [made.showing.answer(), made.showing.reopen()]);
  made.showing.close();
  made.showing.receive(answer("egg"));
  equal(["close"], made.told.at(-1));
});

test("the next page comes while the user points at the rows, since the user has asked for it", () => {
  const made = desk();
  made.showing.typed();
  made.showing.receive(answer("egg"));
  made.showing.freeze();
  made.active = {};
  made.showing.receive(answer("egg", { hits: [HIT, HIT], offset: 1 }));
  equal(["open", 2, ""], made.told.at(-1));
});

test("the answer that waits may be asked for", () => {
  const made = desk();
  made.showing.typed();
  equal(false, made.showing.catchUp());
  made.active = {};
  made.showing.receive(answer("egg"));
  equal([true, ["egg"], undefined], [made.showing.catchUp(), made.accepted, made.active]);
});

test("another filter takes all answers away, those held back too; it opens the panel if the user chose it", () => {
  for (const byUser of [false, true]) {
    const made = desk();
    made.showing.receive(answer("egg"));
    made.showing.freeze();
    made.showing.receive(answer("eggs"));
    made.showing.refilter(byUser);
    made.showing.release();
    equal([null, ["blank"], ["egg"]], [made.showing.answer(), made.told.at(-1), made.accepted]);
    made.showing.receive(answer("egg"));
    equal(byUser ? "open" : "blank", made.told.at(-1)[0]);
  }
});

test("another filter leaves settled results in the page", () => {
  const { showing, told } = desk();
  showing.typed();
  showing.receive(answer("egg"));
  showing.close();
  showing.settle("egg");
  showing.refilter(true);
  showing.receive(answer("egg"));
  equal([["blank"], ["settle", 1, ""]], told.slice(-2));
});

test("why nothing is searched stands where the results would", () => {
  const { showing, told } = desk();
  showing.bar("why");
  equal([["blank"]], told);
  showing.typed();
  showing.bar("why");
  equal(["sayAway", "why", false], told.at(-1));
  showing.settle("egg");
  showing.bar("why");
  equal(["settle", 0, "why"], told.at(-1));
});
