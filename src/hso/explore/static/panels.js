// What stands around the curve: objective, spacing, bands, tables.

import { find, fixed, make, precise, shown } from "./dom.js";
import { sigmaOf } from "./scale.js";

/** More distances than this are drawn side by side, without numbers. */
const MOST_ROWS = 12;

/** J, and how it compares with the best. */
export function drawObjective({ judged, best, objective }, isMoved, live) {
  find("objective").textContent = precise(judged.objective);
  find("objective").parentElement.classList.toggle("moved", isMoved);
  find("objective-note").textContent = objectiveNote(judged, best, objective, isMoved, live);
}

function objectiveNote(judged, best, name, isMoved, live) {
  if (!live && isMoved) return "This page has precomputed schedules. Run hso explore to see what a moved node does to J.";
  if (judged.note) return judged.note;
  if (!isMoved || best === null || judged.objective === null) return `J of ${name} for the nodes that were found; less is better.`;
  const change = judged.objective / best - 1;
  const words = `${shown(Math.abs(100 * change), 3)} % ${change < 0 ? "below" : "above"}`;
  return `${words} the schedule that was found (${precise(best)}).`;
}

/** The distances of neighbouring knots in t. */
export function drawGaps(judged, nodes) {
  const { gaps, d_min: least, kept } = judged;
  const note = find("spacing-note");
  note.classList.toggle("bad", !kept);
  note.textContent = spacingNote(judged);
  const most = Math.max(...gaps, least, 1e-9);
  const rows = gaps.map((gap, index) => ({
    name: index + 1 < nodes ? `${index + 1} → ${index + 2}` : `${index + 1} → end`,
    text: fixed(gap, 4),
    parts: [["fill", gap / most]],
    mark: least > 0 ? least / most : null,
    isShort: least > 0 && gap < least - 1e-9,
  }));
  find("gaps").replaceChildren(rows.length > MOST_ROWS ? columns(rows) : bars(rows));
}

function spacingNote({ gaps, d_min: least, kept, penalty }) {
  if (gaps.length === 0) return "One node has no neighbour.";
  const shortest = `Least distance in t ${fixed(Math.min(...gaps), 5)}`;
  if (least === 0) return `${shortest}; no least distance is asked for.`;
  const asked = `${fixed(least, 5)} asked for`;
  return kept ? `${shortest}; ${asked}, kept.` : `${shortest}; ${asked}, not kept. Penalty ${shown(penalty, 3)}.`;
}

/** The predicted error of each band, with a calibration. */
export function drawBands(judged, view) {
  const bands = judged.bands;
  const note = find("bands-note");
  if (!bands) {
    note.textContent = bandsMissing(judged, view);
    find("bands").replaceChildren();
    return;
  }
  note.textContent =
    `RMS error ${percent(bands.total)} of the spread of the images. Solid is what follows from the recording, ` +
    "pale adds the doubt about it. Bands go from coarse to fine.";
  const most = Math.max(...bands.with_doubt, 0.01);
  const rows = bands.sizes.map((size, index) => ({
    name: `${index + 1}`,
    title: `${size} coefficients`,
    text: percent(bands.with_doubt[index]),
    parts: [["more", bands.with_doubt[index] / most], ["fill", bands.errors[index] / most]],
  }));
  find("bands").replaceChildren(bars(rows));
}

function bandsMissing(judged, view) {
  if (view.calibrated) return judged.note;
  if (view.calibration_fits) return "Turn the calibration on to see it.";
  return "It takes a calibration of this model: hso explore --calibration FILE.";
}

const percent = (value) => `${precise(100 * value, 3)} %`;

/** Horizontal bars: [{name, title, text, parts: [[class, share]], mark, isShort}]. */
function bars(rows) {
  const list = make("div", { class: "bars", role: "list" });
  for (const { name, title, text, parts, mark, isShort } of rows) {
    const bar = make("div", { class: isShort ? "bar short" : "bar" });
    for (const [kind, part] of parts) bar.append(wide(make("div", { class: kind }), "width", part));
    if (mark !== null && mark !== undefined) bar.append(wide(make("div", { class: "least" }), "left", mark));
    const item = make("div", { role: "listitem", title }, make("span", {}, name), bar, make("span", { class: "value" }, text));
    item.style.display = "contents";
    list.append(item);
  }
  return list;
}

/** The same as columns, for many of them. */
function columns(rows) {
  const [first, last] = [rows[0], rows[rows.length - 1]];
  const label = `${rows.length} distances, from ${first.text} to ${last.text}`;
  const list = make("div", { class: "columns", role: "img", "aria-label": label });
  for (const { text, parts, isShort } of rows) {
    list.append(wide(make("div", { class: isShort ? "column short" : "column", title: text }), "height", parts[0][1]));
  }
  if (first.mark !== null) list.append(wide(make("div", { class: "least" }), "bottom", first.mark));
  return list;
}

function wide(element, property, part) {
  element.style[property] = `${(100 * part).toFixed(2)}%`;
  return element;
}

/** One row for each node. */
export function drawNodes(schedule, noise, gaps) {
  const [name] = sigmaOf(0, noise.flow);
  const heads = ["Node", "t", ...(schedule.timesteps ? ["Timestep"] : []), name, "λ"];
  const body = schedule.t.map((t, index) => [
    `${index + 1}`,
    fixed(t, 5),
    ...(schedule.timesteps ? [String(schedule.timesteps[index])] : []),
    shown(sigmaOf(schedule.lambda[index], noise.flow)[1], 5),
    fixed(schedule.lambda[index], 4),
  ]);
  const table = make("table", {}, head([...heads, "Gap in t"], "narrow-away"), make("tbody"));
  for (const [index, cells] of body.entries()) {
    const row = make("tr", {}, ...cells.map((text) => make("td", {}, text)));
    row.append(make("td", { class: "narrow-away" }, index < gaps.length ? fixed(gaps[index], 5) : "to the clean sample"));
    table.tBodies[0].append(row);
  }
  find("nodes").replaceChildren(scrolled(table, "Table of nodes"));
}

/** One row for each schedule; those that do not apply are listed with the reasons. */
export function drawCompared(mine, others, hidden, isCalibrated, onHide) {
  const heads = ["Schedule", "J", ...(isCalibrated ? ["Error"] : []), "Least gap", "Kept"];
  const table = make("table", {}, head([...heads, "t"], "narrow-away"), make("tbody"));
  const rows = [mine, ...others.filter((one) => one.schedule)];
  for (const one of rows) table.tBodies[0].append(comparedRow(one, one === mine, hidden, isCalibrated, onHide));
  const parts = [scrolled(table, "Table of schedules")];
  const without = others.filter((one) => !one.schedule);
  if (without.length) {
    const items = without.map((one) => make("li", {}, `${one.title}: ${one.reason}`));
    parts.push(
      make("details", { class: "apart" }, make("summary", {}, `Not for this question (${without.length})`), make("ul", {}, ...items)),
    );
  }
  find("compared").replaceChildren(...parts);
}

function comparedRow(one, isMine, hidden, isCalibrated, onHide) {
  const { judged, schedule } = one;
  const cells = [precise(judged.objective), ...(isCalibrated ? [judged.bands ? percent(judged.bands.total) : "–"] : [])];
  cells.push(judged.gaps.length ? fixed(Math.min(...judged.gaps), 4) : "–", judged.kept ? "yes" : "no");
  const times = make("td", { class: "wide narrow-away" }, schedule.t.map((t) => fixed(t, 3)).join("  "));
  const label = isMine ? one.title : ticked(one, hidden, onHide);
  return make("tr", { class: isMine ? "own" : null }, make("th", { scope: "row" }, label), ...cells.map((text) => make("td", { class: text === "no" ? "bad" : null }, text)), times);
}

function ticked(one, hidden, onHide) {
  const box = make("input", { type: "checkbox", "data-rival": one.name, onchange: () => onHide(one.name, !box.checked) });
  box.checked = !hidden.includes(one.name);
  return make("label", { class: "check" }, box, make("span", {}, one.title));
}

function head(texts, lastClass) {
  const cells = texts.map((text, index) => make("th", { scope: "col", class: index === texts.length - 1 ? lastClass : null }, text));
  return make("thead", {}, make("tr", {}, ...cells));
}

/** A table that scrolls by itself where the page is narrow. */
function scrolled(table, label) {
  return make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);
}
