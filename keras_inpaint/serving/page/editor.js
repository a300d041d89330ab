/** The stage: the photo, how large it is shown, what is painted over it, the brush. */

import { showPhoto } from "./photo.js";

// Of the photo's longer side: the smallest and the largest diameter of the brush.
const [SMALLEST, LARGEST] = [0.004, 0.35];
// Pixels of the screen for one of the photo, at most: small photos are shown larger.
const LARGEST_SCALE = 3;
// And where it is zoomed into.
const LARGEST_ZOOMED = 16;
// Pixels of what is painted over it, on the longer side.
const LONGEST_OVERLAY = 4096;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Editor {
  #photo = null;
  #marks = [];
  #stroke = null;
  #pointer = null;
  #cursor = { x: 0, y: 0 };
  #size = 55;
  // Times as large as all of it fits, and where its corner then is on the stage.
  #zoom = 1;
  #corner = { x: 0, y: 0 };
  // Fingers on the stage: two of them zoom and move.
  #fingers = new Map();
  // The place between them when they came, and the zoom for each pixel of their distance.
  #pinch = null;

  /**
   * @param {HTMLElement} stage the element with `#frame` and its canvases.
   * @param {(stroke: object) => void} onStroke called with each stroke that is finished.
   * @param {(zoom: number) => void} onZoom called with each new zoom, 1 where all of it fits.
   */
  constructor(stage, onStroke, onZoom) {
    this.stage = stage;
    this.onStroke = onStroke;
    this.onZoom = onZoom;
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
    this.zoomBy(0);
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

  /**
   * Shows the photo larger or smaller, at least as large as fits.
   *
   * @param {number} factor 0 for all of it.
   * @param {{clientX: number, clientY: number}} at what stays where it is; the middle by default.
   */
  zoomBy(factor, at = this.#middle) {
    if (this.#photo) this.#show({ zoom: this.#zoom * factor, place: this.#place(at), at });
  }

  /** Shows a place of the photo at one of the screen. */
  #show({ zoom, place: { x, y }, at }) {
    if (!this.stage.clientWidth) return;
    this.#zoom = Math.min(Math.max(zoom, 1), Math.max(LARGEST_ZOOMED / this.#fitting, 1));
    this.#fit();
    const box = this.stage.getBoundingClientRect();
    this.#move(at.clientX - box.left - x * this.#scale, at.clientY - box.top - y * this.#scale);
    this.onZoom(this.#zoom);
  }

  get #middle() {
    const box = this.stage.getBoundingClientRect();
    return { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
  }

  /** Pixels of the screen for one of the photo. */
  get #scale() { return this.frame.clientWidth / this.#photo.width; }

  /** Those at which all of it fits. */
  get #fitting() {
    const { width, height } = this.#photo;
    return Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height, LARGEST_SCALE);
  }

  #fit() {
    if (!this.#photo || !this.stage.clientWidth) return;
    const { width, height } = this.#photo;
    const scale = this.#fitting * this.#zoom;
    this.frame.style.width = `${Math.max(1, Math.floor(width * scale))}px`;
    this.frame.style.height = `${Math.max(1, Math.floor(height * scale))}px`;
    this.frame.classList.toggle("is-magnified", scale > LARGEST_SCALE);
    const density = Math.min(window.devicePixelRatio || 1, 2, LONGEST_OVERLAY / (Math.max(width, height) * scale));
    this.overlay.width = Math.max(1, Math.round(width * scale * density));
    this.overlay.height = Math.max(1, Math.round(height * scale * density));
    this.#move(this.#corner.x, this.#corner.y);
    this.#drawMarks();
    this.#placeBrush();
  }

  /** Moves the photo's corner: in the middle where it fits, else without a gap at its sides. */
  #move(x, y) {
    // Whole pixels: between them, all would be blurred.
    const limited = (at, size, room) => Math.round(size <= room ? (room - size) / 2 : Math.min(Math.max(at, room - size), 0));
    this.#corner.x = limited(x, this.frame.clientWidth, this.stage.clientWidth);
    this.#corner.y = limited(y, this.frame.clientHeight, this.stage.clientHeight);
    this.frame.style.left = `${this.#corner.x}px`;
    this.frame.style.top = `${this.#corner.y}px`;
  }

  /** Moves the photo so that the brush, moved by keys, is seen. */
  #reveal() {
    const missing = (at, room) => Math.max(-at, 0) + Math.min(room - at, 0);
    const x = this.#corner.x + this.#cursor.x * this.#scale;
    const y = this.#corner.y + this.#cursor.y * this.#scale;
    this.#move(this.#corner.x + missing(x, this.stage.clientWidth), this.#corner.y + missing(y, this.stage.clientHeight));
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
    this.#listenToBrush();
    this.#listenToView();
  }

  /** Wheels, two fingers and the middle button, which choose what is seen of the photo. */
  #listenToView() {
    const { stage } = this;
    stage.addEventListener("wheel", (event) => {
      if (!this.#photo) return;
      event.preventDefault();
      // Lines and pages of wheels that count in them.
      const unit = [1, 30, 300][event.deltaMode];
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        this.#moveBy(-unit * (event.deltaX || event.deltaY), 0);
      } else {
        // Fingers on a touch pad come as a wheel with Ctrl, in smaller steps.
        this.zoomBy(2 ** ((-unit * event.deltaY) / (event.ctrlKey ? 60 : 300)), event);
      }
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch") return;
      this.#fingers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
      if (this.#fingers.size !== 2 || !this.#photo) return;
      this.#drop();
      const middle = between(this.#fingers);
      this.#pinch = { zoom: this.#zoom / Math.max(middle.distance, 1), place: this.#place(middle) };
    });
    stage.addEventListener("pointermove", (event) => {
      if (event.buttons & 4) this.#moveBy(event.movementX, event.movementY);
      if (!this.#fingers.has(event.pointerId)) return;
      this.#fingers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
      if (this.#fingers.size !== 2 || !this.#pinch) return;
      // From how it began, not from move to move: nothing adds up.
      const at = between(this.#fingers);
      this.#show({ zoom: this.#pinch.zoom * at.distance, place: this.#pinch.place, at });
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      addEventListener(kind, (event) => {
        if (this.#fingers.delete(event.pointerId)) this.#pinch = null;
      });
    }
    // Else the middle button scrolls or pastes, as systems have it.
    for (const kind of ["mousedown", "auxclick"]) {
      stage.addEventListener(kind, (event) => { if (event.button === 1) event.preventDefault(); });
    }
  }

  #moveBy(x, y) {
    if (this.#photo) this.#move(this.#corner.x + x, this.#corner.y + y);
  }

  /** Forgets a stroke that has begun. */
  #drop() {
    this.#stroke = this.#pointer = null;
    this.#drawMarks();
    this.#showBrush(false);
  }

  #listenToBrush() {
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
      this.#showBrush(event.pointerType !== "touch" || this.#pointer !== null);
      if (event.pointerId !== this.#pointer) return;
      // Those between two frames of the screen too: fast strokes stay round.
      const events = event.getCoalescedEvents?.() ?? [];
      this.#extend((events.length ? events : [event]).map((each) => this.#place(each)));
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      frame.addEventListener(kind, (event) => { if (event.pointerId === this.#pointer) this.#finish(); });
    }
    frame.addEventListener("pointerleave", () => this.#showBrush(false));
    stage.addEventListener("focus", () => { if (stage.matches(":focus-visible")) this.#showBrush(true); });
    stage.addEventListener("blur", () => this.#showBrush(false));
    stage.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #showBrush(isShown) {
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
    this.#reveal();
    this.#showBrush(true);
  }
}

/** The middle between two fingers, and their distance. */
function between(fingers) {
  const [first, second = first] = fingers.values();
  return {
    clientX: (first.clientX + second.clientX) / 2,
    clientY: (first.clientY + second.clientY) / 2,
    distance: Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY),
  };
}
