/**
 * Fills by asking the server that this page came from.
 *
 * An engine is an object with
 * - `fill(photo, holes, onProgress, signal)`, which resolves to RGBA pixels like `photo.pixels`,
 *   of which those in the hole count. `holes` is 1 in the hole. `onProgress(text, fraction)`
 *   says what is being done, and how much of it is, from 0 to 1, where that is known. It
 *   rejects with an `Error` whose message a user can read, and with the signal's reason
 *   once that is aborted;
 * - `privacy`, a sentence that says where photos go.
 */

import { openPhoto } from "../photo.js";
import { encodeMask, encodePhoto } from "../png.js";

/** The server wants a key, or another one. */
export class KeyNeeded extends Error {}

export class ServerEngine {
  #key = null;

  /** @param {string} url of `POST /inpaint`. */
  constructor(url) {
    this.url = url;
    this.privacy = "Photos go to the server that this page came from, which does not keep them.";
  }

  /** What is sent as the bearer token from now on. */
  set key(key) { this.#key = key; }

  async fill(photo, holes, onProgress, signal) {
    onProgress("Preparing the photo");
    const form = new FormData();
    // The network sees colours alone.
    form.append("photo", await encodePhoto(photo, false), "photo.png");
    form.append("mask", await encodeMask(holes, photo.width, photo.height), "mask.png");
    signal.throwIfAborted();
    const filled = await openPhoto(await this.#post(form, onProgress, signal));
    if (filled.width !== photo.width || filled.height !== photo.height) {
      throw new Error("The server answered with a photo of another size.");
    }
    return filled.pixels;
  }

  // Not `fetch`, which does not say how much has been sent.
  #post(form, onProgress, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", this.url);
      request.responseType = "blob";
      request.setRequestHeader("Accept", "image/png");
      if (this.#key !== null) request.setRequestHeader("Authorization", `Bearer ${this.#key}`);
      request.upload.onprogress = ({ loaded, total }) => {
        if (loaded < total) onProgress("Sending the photo", loaded / total);
      };
      request.upload.onload = () => onProgress("The server fills it");
      request.onprogress = ({ loaded, total }) => {
        if (request.status === 200) onProgress("Receiving the result", total ? loaded / total : undefined);
      };
      request.onload = async () => {
        if (request.status === 200) resolve(request.response);
        else reject(await failure(request));
      };
      request.onerror = () => reject(new Error("The server does not answer. Is it still running?"));
      request.onabort = () => reject(signal.reason);
      signal.addEventListener("abort", () => request.abort(), { once: true });
      request.send(form);
    });
  }
}

/** The server's own words, in one line. */
async function failure(request) {
  let message = `The server answered ${request.status}.`;
  try {
    message = JSON.parse(await request.response.text()).error ?? message;
  } catch {
    // A proxy may have answered in its own way.
  }
  const wait = request.getResponseHeader("Retry-After");
  if (wait) message += ` Try again in ${wait} s.`;
  return request.status === 401 ? new KeyNeeded(message) : new Error(message);
}
