/** What is painted: strokes and mask files, one after the other, and the hole that they make. */

/**
 * Paints a stroke: all pixels whose centre is not farther than `radius` from its line.
 *
 * @param {Uint8Array} holes 1 in the hole, row by row; changed in place.
 * @param {{points: number[], radius: number, erases: boolean}} stroke whose `points` are x and
 *   y in turn, in pixels of the photo.
 */
export function paintStroke(holes, width, height, { points, radius, erases }) {
  for (let at = 0; at < points.length; at += 2) {
    const before = Math.max(at - 2, 0);
    paintSegment(holes, width, height, points.slice(before, before + 2), points.slice(at, at + 2), radius, erases ? 0 : 1);
  }
}

function paintSegment(holes, width, height, [x0, y0], [x1, y1], radius, value) {
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius));
  const bottom = Math.min(height, Math.ceil(Math.max(y0, y1) + radius));
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius));
  const right = Math.min(width, Math.ceil(Math.max(x0, x1) + radius));
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy || 1;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
      const along = Math.min(Math.max((px * dx + py * dy) / square, 0), 1);
      const [rx, ry] = [px - along * dx, py - along * dy];
      if (rx * rx + ry * ry <= radius * radius) holes[y * width + x] = value;
    }
  }
}

/** The hole of strokes and masks, in their order: 1 in it, 0 where the photo is known. */
export function rasterise(marks, width, height) {
  const holes = new Uint8Array(width * height);
  for (const mark of marks) {
    if (mark.kind === "stroke") paintStroke(holes, width, height, mark);
    else mark.holes.forEach((isHole, at) => { if (isHole) holes[at] = 1; });
  }
  return holes;
}

/** The smallest box around a hole, or `null` where there is none. */
export function bounds(holes, width, height) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let y = 0; y < height; y++) {
    const row = holes.subarray(y * width, (y + 1) * width);
    const first = row.indexOf(1);
    if (first < 0) continue;
    top = Math.min(top, y);
    bottom = y;
    left = Math.min(left, first);
    right = Math.max(right, row.lastIndexOf(1));
  }
  return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
}

/**
 * Reads what a mask file marks: of two colours the brighter one, of more levels those above
 * 127; transparent pixels count as black, and strokes of one colour on an empty layer are the
 * hole.
 *
 * @param {{pixels: Uint8ClampedArray, hasAlpha: boolean}} picture
 * @returns {Uint8Array} 1 in the hole.
 */
export function readMask({ pixels, hasAlpha }) {
  const value = hasAlpha && hasOneVisibleColour(pixels) ? (at) => pixels[at + 3] * 0x10101 : onBlack;
  const found = [];
  for (let at = 0; at < pixels.length && found.length < 3; at += 4) {
    const colour = value(pixels, at);
    if (!found.includes(colour)) found.push(colour);
  }
  if (found.length === 1) throw new Error("This mask has one value all over: it marks nothing.");
  if (found.length === 2) {
    const [first, second] = found.map(luminance);
    if (first === second) throw new Error("The two colours of this mask are equally bright. Make the hole white.");
    const bright = found[first > second ? 0 : 1];
    return holesWhere(pixels, (at) => value(pixels, at) === bright);
  }
  const level = (at) => Math.floor((luminance(value(pixels, at)) + 500) / 1000);
  checkIsMask(pixels, level);
  return holesWhere(pixels, (at) => level(at) > 127);
}

function holesWhere(pixels, isHole) {
  const holes = new Uint8Array(pixels.length / 4);
  for (let index = 0; index < holes.length; index++) if (isHole(index * 4)) holes[index] = 1;
  return holes;
}

/** A colour as one number, 0xRRGGBB. */
function onBlack(pixels, at) {
  const alpha = pixels[at + 3];
  const [red, green, blue] = [at, at + 1, at + 2];
  if (alpha === 255) return (pixels[red] << 16) | (pixels[green] << 8) | pixels[blue];
  const part = (index) => Math.floor((pixels[index] * alpha) / 255);
  return (part(red) << 16) | (part(green) << 8) | part(blue);
}

/** The weights of ITU-R BT.601, in thousandths. */
function luminance(colour) {
  return 299 * (colour >> 16) + 587 * ((colour >> 8) & 255) + 114 * (colour & 255);
}

function hasOneVisibleColour(pixels) {
  let colour = null;
  for (let at = 0; at < pixels.length; at += 4) {
    // The canvas has rounded the colours of what can hardly be seen.
    if (pixels[at + 3] < 255) continue;
    const here = (pixels[at] << 16) | (pixels[at + 1] << 8) | pixels[at + 2];
    if (colour !== null && here !== colour) return false;
    colour = here;
  }
  return colour !== null;
}

/** Refuses photographs: of a mask, most pixels are near one of two levels. */
function checkIsMask(pixels, level) {
  const counts = new Array(256).fill(0);
  for (let at = 0; at < pixels.length; at += 4) counts[level(at)]++;
  const [darker, brighter] = [counts.slice(0, 128), counts.slice(128)];
  const [dark, bright] = [Math.max(...darker), Math.max(...brighter)];
  const rests = [darker.indexOf(dark), 128 + brighter.indexOf(bright)];
  const isNear = (at) => rests.some((rest) => Math.abs(at - rest) <= 12);
  const near = counts.reduce((sum, count, at) => sum + (isNear(at) ? count : 0), 0);
  if (!dark || !bright || near < pixels.length / 8) {
    throw new Error("What this mask means is unclear. Use a black picture with what should go in white, or paint here.");
  }
}
