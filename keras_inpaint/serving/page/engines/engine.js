/** Chooses the engine by `page.json`, which lies beside the page. */

import { ServerEngine } from "./server.js";

/** @returns {Promise<object>} an engine, see `server.js`. */
export async function makeEngine() {
  const answer = await fetch("page.json");
  if (!answer.ok) throw new Error(`The page is not complete: page.json is missing (${answer.status}).`);
  const { engine } = await answer.json();
  if (engine !== "server") throw new Error(`This page knows no engine of the name ${engine}.`);
  return new ServerEngine("inpaint");
}
