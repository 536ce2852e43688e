// Where answers come from: the server of this page, or the file of precomputed schedules beside it.

import { precomputed } from "./precomputed.js";

/** Ask the server of this page. An answer that is no good is an error with the core's own words. */
async function ask(path, content) {
  let response;
  try {
    response = await fetch(`api/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(content),
    });
  } catch {
    throw new Error("hso explore has ended; start it again and reload this page");
  }
  const found = await response.json();
  if (!response.ok) throw new Error(found.error);
  return found;
}

const server = {
  live: true,
  catalogue: () => ask("catalogue", {}),
  view: (state) => ask("view", { state }),
  judge: (state) => ask("judge", { state }),
  compared: (state) => ask("compared", { state }),
  text: (state, host) => ask("text", { state, host }),
  images: (entry) => ask("images", { entry }),
};

/** The source of this page. A page that was exported names its file. */
export function source() {
  const file = document.querySelector('meta[name="hso-schedules"]');
  return file ? precomputed(file.content) : Promise.resolve(server);
}
