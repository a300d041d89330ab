/** Fills in the browser itself, see `server.js` for what an engine is: photos stay where they are. */

export class BrowserEngine {
  #worker = null;

  /** @param {{model: string, imageSize: number}} settings of `page.json`. */
  constructor(settings) {
    this.settings = settings;
    this.privacy = "Photos stay on this device: the page fills them itself.";
  }

  fill(photo, holes, onProgress, signal) {
    return new Promise((resolve, reject) => {
      const worker = this.#ready();
      const finish = (settle, value) => {
        signal.removeEventListener("abort", onAbort);
        settle(value);
      };
      // Nothing else stops a network under way; the next filling loads it again.
      const onAbort = () => {
        this.#end();
        finish(reject, signal.reason);
      };
      signal.addEventListener("abort", onAbort);
      worker.onmessage = ({ data }) => {
        if (data.kind === "progress") onProgress(data.text, data.fraction);
        else if (data.kind === "filled") finish(resolve, data.pixels);
        else {
          // What has failed once, such as for lack of memory, starts afresh.
          this.#end();
          finish(reject, new Error(data.message));
        }
      };
      worker.onerror = (event) => {
        this.#end();
        finish(reject, new Error(`The page's worker failed. ${event.message ?? ""}`));
      };
      const { width, height, pixels } = photo;
      worker.postMessage({ settings: this.settings, width, height, pixels, holes });
    });
  }

  #ready() {
    this.#worker ??= new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    return this.#worker;
  }

  #end() {
    this.#worker?.terminate();
    this.#worker = null;
  }
}
