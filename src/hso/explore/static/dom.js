// Small helpers to make and fill elements.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

/** An HTML element with attributes and children; a child may be text. */
export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Put the options into a select, in groups if there are any: [{value, text, group}]. */
export function fillSelect(select, options) {
  const groups = new Map();
  select.replaceChildren();
  for (const { value, text, group } of options) {
    const option = make("option", { value }, text);
    if (!group) {
      select.append(option);
      continue;
    }
    if (!groups.has(group)) {
      groups.set(group, make("optgroup", { label: group }));
      select.append(groups.get(group));
    }
    groups.get(group).append(option);
  }
}

/** A number with so many significant digits, as people write it. */
export function shown(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-4)) return value.toExponential(2).replace("-", "−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/** A number with so many significant digits, zeros at the end included, so that a column of them lines up. */
export function precise(value, digits = 5) {
  const text = shown(value, digits);
  return /^−?[\d.]+$/.test(text) ? value.toPrecision(digits).replace("-", "−") : text;
}

/** A number with so many digits after the point. */
export function fixed(value, digits) {
  return value.toFixed(digits).replace("-", "−");
}

/** Let a text be on the clipboard, and the button say so for a moment. */
export async function copied(button, text) {
  await copyText(text);
  const name = (button.dataset.name ??= button.textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = name), 1500);
}

/** Older browsers copy what is selected. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
