/** The network and all that is done around it, beside the page, which goes on answering. */

import * as ort from "../vendor/ort.webgpu.min.mjs";
import { fill } from "../filling/filling.js";
import { chooseMethod, plan } from "../filling/planning.js";

ort.env.wasm.wasmPaths = new URL("../vendor/", import.meta.url).href;
// Browsers share memory between threads on pages alone that are isolated from others.
const cores = Math.min(navigator.hardwareConcurrency ?? 1, 8);
ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? cores : 1;

const MIB = 2 ** 20;
let loading = null;
let session = null;
// Whether the network is on a GPU that nobody asked for.
let gpuMayFail = false;

onmessage = async ({ data }) => {
  try {
    const pixels = await filled(data);
    postMessage({ kind: "filled", pixels }, [pixels.buffer]);
  } catch (error) {
    postMessage({ kind: gpuMayFail ? "gpu failed" : "failed", message: readable(error) });
  }
};

async function filled({ settings, width, height, pixels, holes: marked }) {
  loading ??= load(settings);
  await loading;
  const holes = { height, width, data: marked };
  const photo = { height, width, channels: 3, data: colours(pixels) };
  const windows = plan(chooseMethod(holes, settings.imageSize), holes, settings.imageSize);
  const report = (numDone, num) => {
    const text = num === 1 ? "Filling" : `Filling part ${Math.min(numDone + 1, num)} of ${num}`;
    postMessage({ kind: "progress", text, fraction: num === 1 ? undefined : numDone / num });
  };
  report(0, windows.length);
  await fill(photo, holes, windows, predict, report);
  const result = new Uint8ClampedArray(pixels);
  for (let place = 0; place < marked.length; place++) {
    if (!marked[place]) continue;
    for (let channel = 0; channel < 3; channel++) result[place * 4 + channel] = photo.data[place * 3 + channel];
  }
  return result;
}

function colours(pixels) {
  const data = new Uint8Array((pixels.length / 4) * 3);
  for (let at = 0, to = 0; at < pixels.length; at += 4) {
    data[to++] = pixels[at];
    data[to++] = pixels[at + 1];
    data[to++] = pixels[at + 2];
  }
  return data;
}

async function predict(picture, mask) {
  const size = [1, picture.height, picture.width];
  const masks = mask.data.map((isHole) => isHole * 255);
  // A mask of one value marks nothing: two levels mark all of it.
  if (!masks.includes(0)) masks[0] = 254;
  const inputs = {
    images: new ort.Tensor("uint8", picture.data, [...size, picture.channels]),
    masks: new ort.Tensor("uint8", masks, [...size, 1]),
  };
  // Guided networks take what is drawn into the hole: here nothing, as zeros say.
  if (session.inputNames.includes("sketches")) {
    inputs.sketches = new ort.Tensor("uint8", new Uint8Array(masks.length), [...size, 1]);
  }
  const outputs = await session.run(inputs, ["predicted"]);
  return { ...picture, data: outputs.predicted.data };
}

async function load({ model, device }) {
  const file = await download(new URL(`../../${model}`, import.meta.url));
  postMessage({ kind: "progress", text: "Preparing the network" });
  const provider = device ?? ((await hasGpu()) ? "webgpu" : "wasm");
  gpuMayFail = !device && provider === "webgpu";
  session = await ort.InferenceSession.create(file, { executionProviders: [provider] });
}

/** Whether there is a GPU: one that the CPU imitates is slower than WebAssembly. */
async function hasGpu() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return Boolean(adapter) && !adapter.info.isFallbackAdapter;
  } catch {
    return false;
  }
}

async function download(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The network could not be loaded (${answer.status}).`);
  const total = Number(answer.headers.get("Content-Length"));
  const [parts, reader] = [[], answer.body.getReader()];
  for (let num = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    num += value.length;
    // Of what comes compressed, the length is another one.
    const fraction = num <= total ? num / total : undefined;
    postMessage({ kind: "progress", text: `Loading the network, ${(num / MIB).toFixed(0)} MiB`, fraction });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Errors of WebAssembly in words; they may be numbers. */
function readable(error) {
  const message = String(error?.message ?? error);
  if (/memory|alloc|^\d+$/i.test(message)) {
    return "The browser's memory does not suffice. Paint less at once, or close other pages.";
  }
  return message.split("\n")[0];
}
