import { BoxEvents } from "../events.js";
import { equal, test } from "./harness.js";

/** The events of a box at a server that wants `wanted`, and what was sent: [address, request] each. */
function desk({ wanted = "numbers", token = null, status = 204, url = "wss://search.example/v1/type" } = {}) {
  const requests = [];
  const fetch = async (address, request) => {
    requests.push([address, request]);
    return { status };
  };
  const box = new BoxEvents(url, () => token, fetch);
  box.heard("welcome", { events: wanted });
  return { box, requests, sent: () => requests.map(([, { body }]) => JSON.parse(body).events) };
}

function answer(text, hits = 2, more = {}) {
  return { text, hits: Array(hits).fill({}), weak: false, submit: false, ...more };
}

const QUERY = { kind: "query", results: 2, weak: false };

test("Enter counts a query, with how many results it had and whether they were poor", () => {
  const { box, sent } = desk();
  box.heard("hits", answer("egg"));
  equal([], sent());
  box.heard("hits", answer("eggs", 3, { weak: true, submit: true }));
  equal([[{ kind: "query", results: 3, weak: true }]], sent());
});

test("a choice counts the query and its place from 1, in one request", () => {
  const { box, sent } = desk();
  box.heard("hits", answer("eggs"));
  box.heard("select", { hit: { id: "x" }, index: 1, newTab: false });
  box.heard("select", { hit: { id: "y" }, index: 0, newTab: true });
  equal([[QUERY, { kind: "select", position: 2 }], [{ kind: "select", position: 1 }]], sent());
});

test("a text that was left counts once, whatever is done next", () => {
  const { box, sent } = desk();
  box.heard("hits", answer("eg"));
  box.heard("hits", answer("eggs", 0));
  box.left();
  box.left();
  box.heard("hits", answer("eggs", 0, { submit: true }));
  equal([[{ kind: "query", results: 0, weak: false }]], sent());
  box.heard("hits", answer("eggs boiled"));
  box.left();
  equal(2, sent().length);
});

test("an emptied field ends a query, and the same text is another one", () => {
  const { box, sent } = desk();
  for (let times = 0; times < 2; times += 1) {
    box.heard("hits", answer("eggs"));
    box.left(true);
    box.left();
  }
  equal([[QUERY], [QUERY]], sent());
});

test("an empty text is no query", () => {
  const { box, sent } = desk();
  box.heard("hits", answer("  ", 0, { submit: true }));
  box.left();
  equal([], sent());
});

test("no text is sent unless the server records texts", () => {
  for (const [wanted, texts] of [["numbers", [{}, {}]], ["texts", [{ text: "eggs" }, { text: "eggs", id: "x" }]]]) {
    const { box, sent } = desk({ wanted });
    box.heard("hits", answer("eggs"));
    box.heard("select", { hit: { id: "x" }, index: 0 });
    equal([[{ ...QUERY, ...texts[0] }, { kind: "select", position: 1, ...texts[1] }]], sent());
  }
});

test("a server that does not ask is sent nothing", () => {
  for (const wanted of [null, false, true, "all"]) {
    const { box, sent } = desk({ wanted });
    box.heard("hits", answer("eggs", 2, { submit: true }));
    box.heard("select", { hit: { id: "x" }, index: 0 });
    box.left();
    equal([], sent());
  }
});

test("events go beside the websocket, outlive the page, and carry the token but no cookie", () => {
  const { box, requests } = desk({ token: "s3cret" });
  box.heard("hits", answer("eggs", 2, { submit: true }));
  const [[url, { method, keepalive, credentials, headers }]] = requests;
  equal("https://search.example/v1/events", url);
  equal(["POST", true, "omit", { authorization: "Bearer s3cret" }], [method, keepalive, credentials, headers]);
  const plain = desk({ url: "ws://localhost:8765/search/v1/type" });
  plain.box.heard("hits", answer("eggs", 2, { submit: true }));
  const [[beside, request]] = plain.requests;
  equal(["http://localhost:8765/search/v1/events", {}], [beside, request.headers]);
});

test("a server that refuses events gets no more until it asks again; a busy one does", async () => {
  for (const [status, expected] of [[403, 1], [401, 1], [429, 2], [503, 2]]) {
    const { box, sent } = desk({ status });
    box.heard("hits", answer("eggs", 2, { submit: true }));
    await null;
    await null;
    box.heard("hits", answer("ham", 2, { submit: true }));
    equal([status, expected], [status, sent().length]);
    box.heard("welcome", { events: "numbers" });
    box.heard("hits", answer("tea", 2, { submit: true }));
    equal(expected + 1, sent().length);
  }
});

test("a network that is away disturbs nobody", async () => {
  const box = new BoxEvents("ws://a.example/v1/type", () => null, async () => { throw new TypeError("no network"); });
  box.heard("welcome", { events: "numbers" });
  box.heard("hits", answer("eggs", 2, { submit: true }));
  await null;
});
