/**
 * How the box looks on any page. It is a constructed style sheet, which a strict Content-Security-Policy allows. Pages
 * adjust it by the custom properties `--typeahead-…` and `::part()`: see `embedding.md`. Colours follow the page's
 * `color-scheme`.
 * @module
 */

const CSS = `
:host {
  --_ink: var(--typeahead-ink, #1d1c1a);
  --_soft: var(--typeahead-soft, #5f5c56);
  --_surface: var(--typeahead-surface, #fff);
  --_line: var(--typeahead-line, #d5d2ca);
  --_accent: var(--typeahead-accent, #1f5f5b);
  --_mark: var(--typeahead-mark, #fdecb2);
  --_warn: var(--typeahead-warn, #8a4c06);
  --_bad: var(--typeahead-bad, #ac2f25);
  --_good: var(--typeahead-good, #1c6e43);
  --_radius: var(--typeahead-radius, 0.7rem);
  --_height: var(--typeahead-height, 3rem);
  --_wash: color-mix(in srgb, var(--_accent) 9%, transparent);
  --_shadow: var(--typeahead-shadow, 0 8px 28px #0000001f);
  --_lift: var(--typeahead-field-shadow, 0 0 #0000);
  display: block;
  color: var(--_ink);
  line-height: 1.5;
  text-align: start;
}
@supports (color: light-dark(#000, #fff)) {
  :host {
    --_ink: var(--typeahead-ink, light-dark(#1d1c1a, #eceae4));
    --_soft: var(--typeahead-soft, light-dark(#5f5c56, #a5a39b));
    --_surface: var(--typeahead-surface, light-dark(#fff, #1f2120));
    --_line: var(--typeahead-line, light-dark(#d5d2ca, #3d413d));
    --_accent: var(--typeahead-accent, light-dark(#1f5f5b, #7fcabd));
    --_mark: var(--typeahead-mark, light-dark(#fdecb2, #5c4a17));
    --_warn: var(--typeahead-warn, light-dark(#8a4c06, #e5b063));
    --_bad: var(--typeahead-bad, light-dark(#ac2f25, #f0968c));
    --_good: var(--typeahead-good, light-dark(#1c6e43, #7dcf9e));
  }
}
:host([hidden]), [hidden] { display: none !important; }
*, *::before, *::after { box-sizing: border-box; }
ul, ol, p { margin: 0; padding: 0; list-style: none; }
button, input { font: inherit; color: inherit; }
button { border: 0; background: none; cursor: pointer; }
[part=box] { position: relative; }
[part=field] {
  display: flex;
  align-items: center;
  gap: 0.65em;
  padding-inline: 0.9em 0.25em;
  border: 1px solid var(--_line);
  border-radius: var(--_radius);
  background: var(--_surface);
  box-shadow: var(--_lift);
  transition: border-color 120ms, box-shadow 120ms;
}
[part=field]:focus-within { border-color: var(--_accent); box-shadow: 0 0 0 3px color-mix(in srgb, var(--_accent) 25%, transparent), var(--_lift); }
svg { display: block; width: 1.3em; height: 1.3em; fill: none; stroke: var(--_soft); stroke-width: 1.9; stroke-linecap: round; }
[part=field]:focus-within [part=icon] svg { stroke: var(--_accent); }
[part=input] {
  flex: 1;
  min-width: 0;
  height: var(--_height);
  padding: 0;
  border: 0;
  outline: 0;
  background: none;
  caret-color: var(--_accent);
}
[part=input]::placeholder { color: var(--_soft); opacity: 1; }
[part=clear] { display: grid; flex: none; place-items: center; width: 2.75rem; height: 2.75rem; border-radius: var(--_radius); }
[part=clear]:hover, [part=forget]:hover { background: var(--_wash); }
[data-waiting] [part=icon] { animation: waiting 1.2s ease-in-out infinite; }
@keyframes waiting { 50% { opacity: 0.3; } }
[part=status] {
  display: flex;
  flex-wrap: wrap;
  justify-content: space-between;
  gap: 0 1em;
  min-height: 1.25rem;
  margin: 0.5rem 0.35rem;
  color: var(--_soft);
  font-size: 0.8125rem;
  line-height: 1.25rem;
  font-variant-numeric: tabular-nums;
}
[part=connection]::before {
  content: "";
  display: inline-block;
  width: 0.5rem;
  height: 0.5rem;
  margin-inline-end: 0.45rem;
  border-radius: 50%;
  background: var(--_dot, var(--_line));
  forced-color-adjust: none;
}
[data-state=open] [part=connection] { --_dot: var(--_good); }
:is([data-state=http], [data-state=waiting], [data-state=offline], [data-doubt]) [part=connection] { --_dot: var(--_warn); color: var(--_warn); }
[data-state=refused] [part=connection], .trouble { --_dot: var(--_bad); color: var(--_bad); }
.ready { color: var(--_good); }
[part=facet-groups], [part=facet-note] { margin: 0.5rem 0.35rem; }
[part=facet-groups], [part=facet-group] { display: flex; flex-wrap: wrap; align-items: center; gap: 0.35rem 1.25rem; }
[part=facet-group] { gap: 0.35rem; }
[part=facet-name], [part=facet-more], [part=facet-note] { color: var(--_soft); font-size: 0.8125rem; }
[part=facet], [part=facet-clear] { min-height: 1.9rem; padding: 0 0.7rem; border-radius: 1rem; font-size: 0.8125rem; }
[part=facet] { border: 1px solid var(--_line); background: var(--_surface); overflow-wrap: anywhere; }
[part=facet]:hover, [part=facet-clear]:hover, [part=more]:hover, [part=facet][aria-pressed=true] { background: var(--_wash); }
[part=facet][aria-pressed=true] { border-color: var(--_accent); box-shadow: inset 0 0 0 1px var(--_accent); }
[part=facet-count] { color: var(--_soft); font-variant-numeric: tabular-nums; }
[part=panel] {
  position: var(--typeahead-panel-position, absolute);
  inset: calc(var(--_height) + 0.5rem) 0 auto;
  z-index: var(--typeahead-panel-layer, 10);
  max-height: var(--typeahead-panel-height, min(34rem, 75vh));
  padding: 0.35rem;
  overflow: auto;
  overscroll-behavior: contain;
  border: 1px solid var(--_line);
  border-radius: var(--_radius);
  background: var(--_surface);
  box-shadow: var(--_shadow);
}
/* With facets under the field, the panel starts below them. */
[part=facets]:not([hidden]) ~ [part=panel] { inset-block-start: auto; margin-top: 0.5rem; }
[part=settled] { padding: 0.35rem; }
[part=more], [part~=row][part~=more-row] { width: 100%; min-height: 2.75rem; color: var(--_accent); text-align: center; }
[part=more] { border-radius: var(--_radius); }
[part~=row] {
  position: relative;
  display: grid;
  padding: 0.6rem 0.75rem;
  border-radius: calc(var(--_radius) - 0.2rem);
  color: inherit;
  text-decoration: none;
  overflow: hidden;
  overflow-wrap: anywhere;
  scroll-margin: 0.5rem;
}
li + li { border-top: 1px solid color-mix(in srgb, var(--_line) 60%, transparent); }
a[part~=row]:active, [aria-selected=true] { background: var(--_wash); }
@media (hover: hover) { [part~=row]:hover { background: var(--_wash); } }
[aria-selected=true]::before {
  content: "";
  position: absolute;
  inset-block: 0.6rem;
  inset-inline-start: 0;
  width: 3px;
  border-radius: 2px;
  background: var(--_accent);
}
:is(a, button):focus-visible { outline: 2px solid var(--_accent); outline-offset: -2px; }
[data-hit] { display: block; min-width: 0; overflow: hidden; unicode-bidi: isolate; }
/* Each line has its own direction, but all start on the side where the page's lines do. */
[data-hit], [part~=row][dir] { text-align: left; }
:host(:dir(rtl)) :is([data-hit], [part~=row][dir]) { text-align: right; }
[part=title], [part=text] { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }
[part=title] { height: 1.5em; -webkit-line-clamp: 1; font-weight: 600; word-break: break-all; }
a > [part=title] { color: var(--_accent); }
[part=text] { height: 2.9em; font-size: 0.9em; line-height: 1.45; }
.foot { display: flex; gap: 1.5em; min-width: 0; height: 1.6em; margin-top: 0.2em; color: var(--_soft); font-size: 0.78em; line-height: 1.6; white-space: nowrap; }
[part=address] { flex: 1; text-overflow: ellipsis; }
[part=copies] { flex: none; }
[part=weak] { padding: 0.6rem 0.75rem 0.5rem; color: var(--_ink); font-size: 0.875rem; font-weight: 600; }
[part~=weak-row], [part~=weak-row] > [part=title] { color: var(--_soft); }
/* Dimmed letters on a mark would be too faint in the dark. */
[part~=weak-row] mark { color: var(--_ink); }
mark { border-radius: 0.2em; background: var(--_mark); color: inherit; }
[part=recent] { display: flex; align-items: center; justify-content: space-between; padding-inline: 0.75rem 0; color: var(--_soft); font-size: 0.875rem; }
[part=forget] { min-height: 2.75rem; padding: 0 0.75rem; border-radius: var(--_radius); }
[part=message] { padding: 1.1rem 0.75rem; color: var(--_soft); text-align: center; overflow-wrap: anywhere; }
[part=announcer] { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) {
  *, *::before { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  [part=field]:focus-within, [aria-selected=true], [aria-pressed=true] { outline: 2px solid Highlight; outline-offset: -2px; }
  mark { forced-color-adjust: none; background: Highlight; color: HighlightText; }
}
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** Style a shadow root. All boxes of a page share one sheet. @param {ShadowRoot} root */
export function dress(root) {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    // Environments of unit tests draw nothing, and some have no such method.
    sheet.replaceSync?.(CSS);
  }
  root.adoptedStyleSheets = [sheet];
}
