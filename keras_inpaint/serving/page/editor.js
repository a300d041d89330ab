/** The stage: the photo, what is painted over it, the brush by pointer and by keys. */

import { showPhoto } from "./photo.js";

// Of the photo's longer side: the smallest and the largest diameter of the brush.
const [SMALLEST, LARGEST] = [0.004, 0.35];
// Pixels of the screen for one of the photo, at most: small photos are shown larger.
const LARGEST_SCALE = 3;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Editor {
  #photo = null;
  #marks = [];
  #stroke = null;
  #pointer = null;
  #cursor = { x: 0, y: 0 };
  #size = 55;

  /**
   * @param {HTMLElement} stage the element with `#frame` and its canvases.
   * @param {(stroke: object) => void} onStroke called with each stroke that is finished.
   */
  constructor(stage, onStroke) {
    this.stage = stage;
    this.onStroke = onStroke;
    this.erases = false;
    this.isEnabled = true;
    this.frame = stage.querySelector("#frame");
    this.after = stage.querySelector("#after");
    this.before = stage.querySelector("#before");
    this.overlay = stage.querySelector("#overlay");
    this.brush = stage.querySelector("#brush-cursor");
    new ResizeObserver(() => this.#fit()).observe(stage);
    // The colour of the overlay goes with the scheme.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#drawMarks());
    this.#listen();
  }

  /** Shows a photo that was opened, with nothing painted on it. */
  async open(photo) {
    this.#photo = photo;
    this.#marks = [];
    this.#cursor = { x: photo.width / 2, y: photo.height / 2 };
    await Promise.all([showPhoto(this.after, photo), showPhoto(this.before, photo)]);
    this.#fit();
  }

  /** Shows the photo again after its pixels have changed. */
  async refresh() {
    await showPhoto(this.after, this.#photo);
  }

  /** Shows other marks: strokes, and masks with a `bitmap` whose alpha is the hole. */
  show(marks) {
    this.#marks = marks;
    this.#drawMarks();
  }

  /** The brush on a scale from 0 to 100. */
  get size() { return this.#size; }
  set size(value) {
    this.#size = Math.min(100, Math.max(0, value));
    this.#placeBrush();
  }

  /** In pixels of the photo. */
  get radius() {
    const longest = Math.max(this.#photo.width, this.#photo.height);
    const diameter = longest * SMALLEST * (LARGEST / SMALLEST) ** (this.#size / 100);
    return Math.max(diameter, 2) / 2;
  }

  get #scale() { return this.frame.clientWidth / this.#photo.width; }

  #fit() {
    if (!this.#photo || !this.stage.clientWidth) return;
    const { width, height } = this.#photo;
    const scale = Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height, LARGEST_SCALE);
    this.frame.style.width = `${Math.max(1, Math.floor(width * scale))}px`;
    this.frame.style.height = `${Math.max(1, Math.floor(height * scale))}px`;
    const density = Math.min(window.devicePixelRatio || 1, 2);
    this.overlay.width = Math.max(1, Math.round(width * scale * density));
    this.overlay.height = Math.max(1, Math.round(height * scale * density));
    this.#drawMarks();
    this.#placeBrush();
  }

  #drawMarks() {
    const context = this.overlay.getContext("2d");
    context.clearRect(0, 0, this.overlay.width, this.overlay.height);
    for (const mark of this.#marks) {
      if (mark.kind === "stroke") this.#drawStroke(mark);
      else this.#drawMask(mark.bitmap);
    }
    if (this.#stroke) this.#drawStroke(this.#stroke);
  }

  get #colour() { return getComputedStyle(this.stage).getPropertyValue("--mask").trim(); }

  #drawMask(bitmap) {
    const { width, height } = this.overlay;
    const tinted = new OffscreenCanvas(width, height);
    const context = tinted.getContext("2d");
    context.drawImage(bitmap, 0, 0, width, height);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = this.#colour;
    context.fillRect(0, 0, width, height);
    this.overlay.getContext("2d").drawImage(tinted, 0, 0);
  }

  /** Draws a stroke from one of its points on; by default, all of it. */
  #drawStroke({ points, radius, erases }, from = 0) {
    const context = this.overlay.getContext("2d");
    const scale = this.overlay.width / this.#photo.width;
    context.save();
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    context.strokeStyle = this.#colour;
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 2 * radius * scale;
    context.beginPath();
    const start = Math.max(from - 2, 0);
    context.moveTo(points[start] * scale, points[start + 1] * scale);
    // A line to where it starts is a dot.
    for (let at = start; at < points.length; at += 2) context.lineTo(points[at] * scale, points[at + 1] * scale);
    context.stroke();
    context.restore();
  }

  #placeBrush() {
    if (!this.#photo) return;
    const radius = this.radius * this.#scale;
    const { x, y } = this.#cursor;
    this.brush.style.width = this.brush.style.height = `${2 * radius}px`;
    this.brush.style.transform = `translate(${x * this.#scale - radius}px, ${y * this.#scale - radius}px)`;
  }

  #begin() {
    this.#stroke = { kind: "stroke", points: [], radius: this.radius, erases: this.erases };
  }

  #extend(points) {
    const from = this.#stroke.points.length;
    for (const { x, y } of points) this.#stroke.points.push(x, y);
    this.#drawStroke(this.#stroke, from);
  }

  #finish() {
    const stroke = this.#stroke;
    this.#stroke = this.#pointer = null;
    if (stroke?.points.length) this.onStroke(stroke);
  }

  #listen() {
    const { frame, stage } = this;
    frame.addEventListener("pointerdown", (event) => {
      if (!this.isEnabled || this.#pointer !== null || event.button !== 0) return;
      event.preventDefault();
      stage.focus({ preventScroll: true, focusVisible: false });
      this.#pointer = event.pointerId;
      frame.setPointerCapture(event.pointerId);
      this.#begin();
      this.#extend([this.#place(event)]);
    });
    frame.addEventListener("pointermove", (event) => {
      this.#cursor = this.#place(event);
      this.#show(event.pointerType !== "touch" || this.#pointer !== null);
      if (event.pointerId !== this.#pointer) return;
      // Those between two frames of the screen too: fast strokes stay round.
      const events = event.getCoalescedEvents?.() ?? [];
      this.#extend((events.length ? events : [event]).map((each) => this.#place(each)));
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      frame.addEventListener(kind, (event) => { if (event.pointerId === this.#pointer) this.#finish(); });
    }
    frame.addEventListener("pointerleave", () => this.#show(false));
    stage.addEventListener("focus", () => { if (stage.matches(":focus-visible")) this.#show(true); });
    stage.addEventListener("blur", () => this.#show(false));
    stage.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #show(isShown) {
    this.stage.classList.toggle("shows-brush", isShown);
    this.#placeBrush();
  }

  /** Where an event is, in pixels of the photo. */
  #place(event) {
    const box = this.frame.getBoundingClientRect();
    return { x: (event.clientX - box.left) / this.#scale, y: (event.clientY - box.top) / this.#scale };
  }

  #onKey(event) {
    if (event.target !== this.stage || !this.isEnabled || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== " ") return;
    event.preventDefault();
    const from = { ...this.#cursor };
    if (arrow) {
      const step = Math.max(this.radius / 2, 1 / this.#scale);
      this.#cursor.x = Math.min(Math.max(from.x + arrow[0] * step, 0), this.#photo.width);
      this.#cursor.y = Math.min(Math.max(from.y + arrow[1] * step, 0), this.#photo.height);
    }
    if (!arrow || event.shiftKey) {
      this.#begin();
      this.#extend(arrow ? [from, this.#cursor] : [from]);
      this.#finish();
    }
    this.#show(true);
  }
}
