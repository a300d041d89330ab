/** Where a GPU was tried, and the CPU may do. */
class GpuError extends Error {}

/** Fills in the browser itself, see `server.js` for what an engine is: photos stay where they are. */
export class BrowserEngine {
  #worker = null;

  /** @param {{model: string, imageSize: number}} settings of `page.json`. */
  constructor(settings) {
    this.settings = settings;
    this.privacy = "Photos stay on this device: the page fills them itself.";
  }

  async fill(photo, holes, onProgress, signal) {
    try {
      return await this.#fill(photo, holes, onProgress, signal);
    } catch (error) {
      if (!(error instanceof GpuError)) throw error;
      // Of memory, the CPU has more, and drivers have faults.
      this.settings = { ...this.settings, device: "wasm" };
      return this.#fill(photo, holes, onProgress, signal);
    }
  }

  #fill(photo, holes, onProgress, signal) {
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
          finish(reject, new (data.kind === "gpu failed" ? GpuError : Error)(data.message));
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
