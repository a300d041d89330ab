/** Parts of a photo that are filled at once. */

import { round } from "./arrays.js";

// Pixels over which two windows of one hole blend into each other.
export const SEAM = 16;

/** A rectangle of pixels; rows and columns count from the top left. */
export class Box {
  constructor(top, left, height, width) {
    Object.assign(this, { top, left, height, width });
  }

  get bottom() { return this.top + this.height; }
  get right() { return this.left + this.width; }

  /** The rectangle with a margin, where a picture `height` by `width` has one. */
  grown(margin, height, width) {
    const [top, left] = [Math.max(this.top - margin, 0), Math.max(this.left - margin, 0)];
    const [bottom, right] = [Math.min(this.bottom + margin, height), Math.min(this.right + margin, width)];
    return new Box(top, left, bottom - top, right - left);
  }

  /** The rectangle as counted from the top left of `other`, which holds it. */
  within(other) {
    return new Box(this.top - other.top, this.left - other.left, this.height, this.width);
  }
}

/**
 * A part of a photo that the network sees at once.
 *
 * `hole`: the hole's pixels in this `Box` are filled. `view`: what the network is shown. `scale`:
 * pixels of the network for one of the photo, at most 1. `needsDetail`: whether the filling is
 * softer than the photo and large enough for that to be seen.
 */
export class Window {
  constructor(hole, view, scale, needsDetail = false) {
    Object.assign(this, { hole, view, scale, needsDetail });
  }

  /** Height and width of the view as the network is shown it. */
  get size() {
    return [this.view.height, this.view.width].map((side) => Math.max(1, round(side * this.scale)));
  }
}
