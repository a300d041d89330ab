/** The page: opens photos, keeps what was done, has holes filled, saves the result. */

import { Editor } from "./editor.js";
import { KeyNeeded } from "./engines/server.js";
import { makeEngine } from "./engines/engine.js";
import { History } from "./history.js";
import { bounds, rasterise, readMask } from "./mask.js";
import { cut, openPhoto, paste } from "./photo.js";
import { encodePhoto } from "./png.js";

const SIZE_STEP = 5;
const ZOOM_STEP = 1.5;
const element = (id) => document.getElementById(id);
const { body } = document;

let engine = null;
let photo = null;
let history = new History();
// Of the filling that is under way.
let running = null;
let isSaved = true;

const editor = new Editor(element("stage"), (stroke) => {
  history.push(stroke);
  changed();
}, (zoom) => {
  element("fit").hidden = zoom === 1;
  element("zoom").textContent = `${Math.round(zoom * 100)} %`;
});

// What is said

function say(text) {
  element("error").textContent = "";
  element("status").textContent = text;
}

function complain(error) {
  if (!(error instanceof Error)) error = new Error(String(error));
  element("status").textContent = "";
  element("error").textContent = error.message;
}

/** Makes a function of the page one whose errors are shown. */
function shown(action) {
  return async (...given) => {
    try {
      await action(...given);
    } catch (error) {
      complain(error);
    }
  };
}

function update() {
  const isBusy = running !== null;
  const isComparing = body.classList.contains("is-comparing");
  body.classList.toggle("is-empty", photo === null);
  body.classList.toggle("is-busy", isBusy);
  editor.isEnabled = photo !== null && !isBusy && !isComparing;
  element("undo").disabled = isBusy || !history.canUndo;
  element("redo").disabled = isBusy || !history.canRedo;
  element("clear").disabled = isBusy || history.marks.length === 0;
  element("fill").disabled = isBusy || history.marks.length === 0 || engine === null;
  element("compare").disabled = isBusy || !history.isFilled;
  for (const id of ["open", "load-mask", "download"]) element(id).disabled = isBusy;
  element("fill").hidden = isBusy;
  element("cancel").hidden = !isBusy;
  element("progress").hidden = !isBusy;
  element("brush").setAttribute("aria-pressed", String(!editor.erases));
  element("eraser").setAttribute("aria-pressed", String(editor.erases));
  element("compare").setAttribute("aria-pressed", String(isComparing));
}

// Photos and masks

async function open(file) {
  if (running || !file) return;
  say("Opening the photo");
  const opened = await openPhoto(file);
  photo = opened;
  history = new History();
  isSaved = true;
  body.classList.remove("is-empty");
  compare(false);
  await editor.open(photo);
  element("stage").focus({ focusVisible: false });
  update();
  const transparency = photo.hasAlpha ? " Its transparency is kept; browsers round colours under it." : "";
  say(`${photo.width} × ${photo.height} pixels. Paint over what should go.${transparency}`);
}

async function loadMask(file) {
  if (running || !photo || !file) return;
  const picture = await openPhoto(file);
  if (picture.width !== photo.width || picture.height !== photo.height) {
    throw new Error(
      `The mask must be of the photo's size, ${photo.width} × ${photo.height} pixels. It has ${picture.width} × ${picture.height}.`,
    );
  }
  const holes = readMask(picture);
  history.push({ kind: "mask", holes, bitmap: await alphaBitmap(holes) });
  compare(false);
  changed();
  say("The mask is loaded: what is coloured will be filled.");
}

/** A bitmap whose alpha is the hole, no larger than screens are. */
function alphaBitmap(holes) {
  const { width, height } = photo;
  const pixels = new Uint8ClampedArray(holes.length * 4);
  for (let index = 0; index < holes.length; index++) pixels[index * 4 + 3] = holes[index] * 255;
  const scale = Math.min(1, 2400 / Math.max(width, height));
  const options = { resizeWidth: Math.max(1, Math.round(width * scale)), resizeHeight: Math.max(1, Math.round(height * scale)) };
  return createImageBitmap(new ImageData(pixels, width, height), scale < 1 ? options : {});
}

async function download() {
  if (!photo || running) return;
  say("Writing the file");
  const blob = await encodePhoto(photo);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${photo.name.replace(/\.[^.]*$/, "")}-filled.png`;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  isSaved = true;
  say(`Saved as ${link.download}, ${photo.width} × ${photo.height} pixels.`);
}

// What was done

function changed() {
  editor.show(history.marks);
  update();
}

async function step(direction) {
  if (running || !photo) return;
  const taken = direction === "undo" ? history.undo() : history.redo();
  if (!taken) return;
  if (taken.kind === "fill") {
    paste(photo, taken.box, direction === "undo" ? taken.before : taken.after);
    await editor.refresh();
  }
  if (!history.isFilled) compare(false);
  changed();
  say(direction === "undo" ? "Undone." : "Done again.");
}

function clear() {
  if (running || history.marks.length === 0) return;
  history.push({ kind: "clear" });
  changed();
  say("Nothing is painted now.");
}

function compare(isComparing) {
  if (isComparing && (running || !history.isFilled)) return;
  body.classList.toggle("is-comparing", isComparing);
  const split = element("split");
  split.hidden = !isComparing;
  if (isComparing) split.focus({ focusVisible: false });
  update();
}

// Filling

async function fill() {
  if (running || !photo || !engine || history.marks.length === 0) return;
  const holes = rasterise(history.marks, photo.width, photo.height);
  const box = bounds(holes, photo.width, photo.height);
  if (box === null) throw new Error("Nothing is painted: all of it was erased, or lies outside of the photo.");
  if (!holes.includes(0)) throw new Error("All of the photo is painted. Leave some of it, from which it can be filled.");
  running = new AbortController();
  compare(false);
  say("Starting");
  element("cancel").focus({ focusVisible: false });
  try {
    const filled = await engine.fill(photo, holes, progress, running.signal);
    keep(filled, holes, box);
    await editor.refresh();
    say("Filled. Paint again where it is not right yet.");
  } catch (error) {
    if (running.signal.aborted) say("Cancelled.");
    else throw error;
  } finally {
    running = null;
    changed();
    element("stage").focus({ focusVisible: false });
  }
}

/** Takes the pixels of the hole, and no other. */
function keep(filled, holes, box) {
  const before = cut(photo, box);
  const { pixels, width } = photo;
  for (let y = box.top; y < box.top + box.height; y++) {
    for (let x = box.left; x < box.left + box.width; x++) {
      const index = y * width + x;
      if (!holes[index]) continue;
      for (let at = index * 4; at < index * 4 + 3; at++) pixels[at] = filled[at];
    }
  }
  history.push({ kind: "fill", box, before, after: cut(photo, box) });
  isSaved = false;
}

function progress(text, fraction) {
  const bar = element("progress");
  if (fraction === undefined) bar.removeAttribute("value");
  else bar.value = fraction;
  const percent = fraction === undefined ? "" : `, ${Math.round(fraction * 100)} %`;
  element("status").textContent = text + percent;
}

async function fillOrAsk() {
  for (;;) {
    try {
      return await fill();
    } catch (error) {
      if (!(error instanceof KeyNeeded)) throw error;
      const key = await askKey();
      if (key === null) throw error;
      engine.key = key;
    }
  }
}

function askKey() {
  const dialog = element("key-dialog");
  element("key").value = "";
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? element("key").value : null), { once: true });
  });
}

// Buttons, files, keys

function setTool(erases) {
  editor.erases = erases;
  compare(false);
}

function setSize(value) {
  editor.size = value;
  element("size").value = editor.size;
}

const actions = {
  open: () => element("photo-file").click(),
  mask: () => { if (photo && !running) element("mask-file").click(); },
  download: shown(download),
  undo: shown(() => step("undo")),
  redo: shown(() => step("redo")),
  clear,
  fill: shown(fillOrAsk),
  cancel: () => running?.abort(new Error("Cancelled.")),
  compare: () => compare(!body.classList.contains("is-comparing")),
  help: () => element("shortcuts").showModal(),
  brush: () => setTool(false),
  eraser: () => setTool(true),
  smaller: () => setSize(editor.size - SIZE_STEP),
  larger: () => setSize(editor.size + SIZE_STEP),
  zoomIn: () => editor.zoomBy(ZOOM_STEP),
  zoomOut: () => editor.zoomBy(1 / ZOOM_STEP),
  fit: () => {
    editor.zoomBy(0);
    element("stage").focus({ focusVisible: false });
  },
};
const KEYS = {
  o: "open", m: "mask", d: "download", b: "brush", e: "eraser", c: "compare", "[": "smaller", "]": "larger", "?": "help",
  "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "fit",
  Delete: "clear", Backspace: "clear", Escape: "cancel",
};

function actionOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") return event.shiftKey ? "redo" : "undo";
    return key === "y" ? "redo" : undefined;
  }
  if (event.altKey) return undefined;
  // Enter presses the button that has the focus, and fills everywhere else.
  if (key === "Enter") return event.target.closest("button, input") ? undefined : "fill";
  return KEYS[key];
}

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || event.isComposing) return;
  const name = actionOf(event);
  if (!name) return;
  event.preventDefault();
  actions[name]();
});

for (const [id, name] of Object.entries({
  open: "open", choose: "open", "load-mask": "mask", download: "download", undo: "undo", redo: "redo", clear: "clear",
  fill: "fill", cancel: "cancel", compare: "compare", help: "help", brush: "brush", eraser: "eraser", fit: "fit",
})) {
  element(id).addEventListener("click", () => actions[name]());
}

element("key-cancel").addEventListener("click", () => element("key-dialog").close("cancel"));

for (const [id, take] of [["photo-file", open], ["mask-file", loadMask]]) {
  const input = element(id);
  input.addEventListener("change", shown(async () => {
    const [file] = input.files;
    // So that the same file can be chosen again.
    input.value = "";
    await take(file);
  }));
}

element("size").addEventListener("input", () => { editor.size = Number(element("size").value); });
element("split").addEventListener("input", () => {
  element("frame").style.setProperty("--split", `${element("split").value / 10}%`);
});

const pictureOf = (items) => [...(items ?? [])].find((file) => file.type.startsWith("image/"));
const onFiles = shown(async (files) => {
  const file = pictureOf(files);
  if (!file) throw new Error("This is no picture.");
  await open(file);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) onFiles(event.clipboardData.files);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  body.classList.add("is-dropping");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) body.classList.remove("is-dropping"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  body.classList.remove("is-dropping");
  onFiles(event.dataTransfer.files);
});
// Nothing of it is anywhere else.
addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });

await shown(async () => {
  engine = await makeEngine();
  element("privacy").textContent = engine.privacy;
})();
update();
