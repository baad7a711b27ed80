/**
 * The page `/dashboard`: the server's state, once a second, and the visitor's own query, keystroke by keystroke. This
 * module connects the parts in `dashboard/`, which do the drawing.
 * @module
 */

import { History } from "./dashboard/history.js";
import { byId, setText } from "./dashboard/page.js";
import { Panels, SPAN } from "./dashboard/panels.js";
import { Poller } from "./dashboard/poll.js";
import { showSearches } from "./dashboard/searches.js";
import { showSlow } from "./dashboard/slow.js";
import { Waterfall } from "./dashboard/waterfall.js";
import { ClientTimings } from "./timings.js";
import { keepToken, keptToken } from "./token.js";

/** @type {Record<import("./dashboard/poll.js").State, string>} */
const STATES = {
  live: "Live",
  paused: "Paused",
  hidden: "Paused while hidden",
  away: "No answer – retrying",
  unauthorized: "This server needs a token",
};

/** With reduced motion the charts are redrawn only every so many seconds. */
const CALM_SECONDS = 5;

const history = new History(SPAN + 10);
const panels = new Panels(history);
const poller = new Poller("./v1/dashboard", { token: keptToken() });
const websocket = new URL("./v1/type", document.baseURI);
websocket.protocol = websocket.protocol.replace("http", "ws");
const waterfall = new Waterfall(websocket);
if (keptToken() !== null) waterfall.token = keptToken();
const timings = new ClientTimings(waterfall.client, new URL("./v1/client-timings", document.baseURI), { token: keptToken });
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let answers = 0;

poller.addEventListener("answer", (event) => {
  const answer = /** @type {CustomEvent<import("./dashboard/history.js").Answer>} */ (event).detail;
  history.push(answer);
  waterfall.teacher = answer.teacher;
  if (!calm.matches || answers % CALM_SECONDS === 0) {
    panels.draw();
    showSearches(answer.metrics);
    showSlow(byId("slow-rows"), answer.slow);
    byId("slow-empty").hidden = answer.slow.length > 0;
    byId("slow-table").hidden = answer.slow.length === 0;
    const [[build]] = answer.metrics.typeahead_build_info ?? [[{}]];
    setText(byId("build"), `typeahead ${build.version ?? ""} · ${build.encoder ?? ""}`);
  }
  answers += 1;
});

poller.addEventListener("statechange", () => {
  const state = byId("state");
  setText(state, STATES[poller.state]);
  state.dataset.state = poller.state;
  if (poller.state === "unauthorized") askForToken();
  else if (poller.state === "live") byId("token").hidden = true;
});

const pause = byId("pause");
pause.addEventListener("click", () => {
  poller.paused = !poller.paused;
  pause.setAttribute("aria-pressed", String(poller.paused));
});

document.addEventListener("visibilitychange", () => poller.wake());
addEventListener("pagehide", () => timings.flush());

const sources = byId("source");
sources.addEventListener("change", (event) => {
  panels.source = /** @type {import("./dashboard/panels.js").Source} */ (/** @type {HTMLInputElement} */ (event.target).value);
  panels.draw();
});

const target = /** @type {HTMLInputElement} */ (byId("target"));
target.addEventListener("input", () => {
  if (!(target.valueAsNumber > 0)) return;
  panels.target = target.valueAsNumber / 1000;
  panels.draw();
});

for (const id of ["latency-table", "stages-table", "heatmap-table"]) byId(id).addEventListener("toggle", () => panels.draw());

for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
  matchMedia(query).addEventListener("change", () => {
    panels.heatmap.forgetColours();
    panels.draw();
  });
}

const form = /** @type {HTMLFormElement} */ (byId("token"));
const field = /** @type {HTMLInputElement} */ (byId("token-field"));

/** The last token entered. */
let tried = "";

function askForToken() {
  keepToken(null);
  // Both connections ask for it. By the second time the visitor may be typing.
  if (field.value.trim() === tried) form.reset();
  const hidden = form.hidden;
  form.hidden = false;
  if (hidden) field.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const token = field.value.trim();
  tried = token;
  keepToken(token);
  poller.token = token;
  waterfall.token = token;
});
waterfall.addEventListener("unauthorized", askForToken);

poller.wake();
