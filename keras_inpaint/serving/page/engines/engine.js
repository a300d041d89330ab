/** Chooses the engine by `page.json`, which lies beside the page. */

import { ServerEngine } from "./server.js";

/** @returns {Promise<object>} an engine, see `server.js`. */
export async function makeEngine() {
  const answer = await fetch("page.json");
  if (!answer.ok) throw new Error(`The page is not complete: page.json is missing (${answer.status}).`);
  const settings = await answer.json();
  if (settings.engine === "server") return new ServerEngine("inpaint");
  // Loaded where it is used alone.
  const { BrowserEngine } = await import("./browser.js");
  return new BrowserEngine(settings);
}
