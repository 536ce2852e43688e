// The state of the page, and the part of the address that restores it.

/** What the core is asked; the rest is how the page looks. */
const NUMBERS = ["nfe", "start", "boundary", "per_expert"];

export const EMPTY = {
  noise: "", solver: "", nfe: null, start: null, boundary: null, per_expert: null, calibrated: false, times: null,
  axis: "t", hidden: [], host: "", cell: "",
};

/** The question in a state, as the core reads it. */
export function question(state) {
  const { noise, solver, nfe, start, boundary, per_expert, calibrated, times } = state;
  return { noise, solver, nfe, start, boundary, per_expert, calibrated, times };
}

/** A number as it was typed; what is no number stays text, so that the core can say what is wrong with it. */
export function number(text) {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : trimmed;
}

/** The part of the address after #. */
export function toFragment(state) {
  const words = new URLSearchParams();
  words.set("noise", state.noise);
  if (state.solver) words.set("solver", state.solver);
  for (const name of NUMBERS) if (state[name] !== null) words.set(name, state[name]);
  if (state.calibrated) words.set("calibrated", "1");
  if (state.times) words.set("times", state.times.join(","));
  if (state.axis !== "t") words.set("axis", state.axis);
  if (state.hidden.length) words.set("hidden", state.hidden.join(","));
  if (state.host) words.set("host", state.host);
  if (state.cell) words.set("cell", state.cell);
  return words.toString();
}

/** The state of a fragment; null if it holds none. */
export function fromFragment(fragment) {
  const words = new URLSearchParams(fragment.replace(/^#/, ""));
  if (!words.has("noise")) return null;
  const state = { ...EMPTY, noise: words.get("noise"), calibrated: words.get("calibrated") === "1" };
  for (const name of ["solver", "host", "cell"]) state[name] = words.get(name) ?? "";
  for (const name of NUMBERS) state[name] = number(words.get(name) ?? "");
  if (["lambda", "sigma"].includes(words.get("axis"))) state.axis = words.get("axis");
  if (words.get("hidden")) state.hidden = words.get("hidden").split(",");
  if (words.get("times")) state.times = words.get("times").split(",").map(number);
  return state;
}
