// The schedule as text for another program: to read, to copy and to download.

import { copied, fillSelect, find, make } from "./dom.js";

const USUAL = "comfyui";

export class Take {
  /**
   * @param source Where answers come from.
   * @param hosts The programs.
   * @param onChoose Called with the program that was chosen.
   * @param say Tells a screen reader something.
   */
  constructor(source, hosts, onChoose, say) {
    this.source = source;
    this.hosts = hosts;
    this.say = say;
    fillSelect(find("host"), hosts.map((host) => ({ value: host, text: host, group: groupOf(host) })));
    find("host").addEventListener("change", () => onChoose(find("host").value));
    find("copy").addEventListener("click", () => this.copy());
    find("download").addEventListener("click", () => this.download());
  }

  /** Show the text of a question for a program, or why it cannot be told the schedule. */
  async show(question, chosen) {
    const host = chosen || (this.hosts.includes(USUAL) ? USUAL : this.hosts[0]);
    find("host").value = host;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    let found = null;
    let problem = "";
    try {
      found = await this.source.text(question, host);
    } catch (error) {
      problem = error.message;
    }
    if (turn !== this.turn) return;
    this.found = found;
    find("text").textContent = found ? found.text : problem;
    find("lands").textContent = found?.lands ? `What it does with the numbers: ${found.lands}.` : "";
    for (const name of ["copy", "download"]) find(name).disabled = found === null;
  }

  async copy() {
    await copied(find("copy"), this.found.text);
    this.say("The text is copied.");
  }

  download() {
    const { text, file } = this.found;
    const address = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
    make("a", { href: address, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    this.say(`${file} is downloaded.`);
  }
}

function groupOf(host) {
  return host.startsWith("diffusers:") ? "Schedulers of diffusers" : "Programs";
}
