/** Filling a photo, window by window. */

import { cropped, isAny, mirrored, newMask, newPicture, put, round } from "./arrays.js";
import { addDetail, VIEWS } from "./detail.js";
import { downsample, resizeHoles, upsample } from "./resizing.js";
import { SEAM } from "./window.js";

/**
 * Fills the holes of a photo; a window sees what those before it have filled.
 *
 * @param photo picture of bytes, changed in place; known pixels stay as they are.
 * @param holes mask like it.
 * @param {import("./window.js").Window[]} windows which hold all of the hole between them.
 * @param predict asynchronous function of a picture and its mask that returns a prediction of
 *   every pixel.
 * @param {(numDone: number, num: number) => void} onWindow called after each window.
 */
export async function fill(photo, holes, windows, predict, onWindow) {
  const missing = { ...holes, data: holes.data.slice() };
  let numDone = 0;
  for (const window of windows) {
    // Others may have filled all of it.
    if (isAny(cropped(missing, window.hole))) await fillWindow(photo, missing, holes, window, predict);
    onWindow(++numDone, windows.length);
  }
}

async function fillWindow(photo, missing, holes, window, predict) {
  const { view, size } = window;
  const [pixels, unknown, inside] = [photo, missing, holes].map((array) => cropped(array, view));
  const small = downsample(pixels, size);
  const smallUnknown = resizeHoles(unknown, size);
  const weights = weightsOf(unknown, inside, window);
  const isChanged = { ...unknown, data: Uint8Array.from(weights, (weight) => (weight > 0 ? 1 : 0)) };
  const isWanted = resizeHoles(isChanged, size);
  const predicted = await (window.needsDetail ? predictLowBand(predict, small, smallUnknown) : predict(small, smallUnknown));
  // The known pixels are put back before the filling is made larger: what it is mixed with at
  // the hole's edge is then true.
  const painted = newPicture(size[0], size[1], photo.channels);
  painted.data.forEach((_, at) => {
    const place = Math.floor(at / photo.channels);
    const isPainted = smallUnknown.data[place] || isWanted.data[place];
    painted.data[at] = (isPainted ? predicted : small).data[at];
  });
  const large = window.needsDetail
    ? addDetail(pixels, inside, painted, isWanted)
    : upsample(painted, [view.height, view.width]);
  blend(pixels, large, weights);
  put(photo, view, pixels);
  put(missing, window.hole, 0);
}

/** A prediction as soft as what detail is added to may be: the mean over smaller views. */
async function predictLowBand(predict, picture, mask) {
  const size = [picture.height, picture.width];
  const total = new Uint16Array(picture.data.length);
  for (const { scale, isMirrored } of VIEWS) {
    const view = size.map((side) => Math.max(round(scale * side), 1));
    const turned = (array) => (isMirrored ? mirrored(array) : array);
    const seen = [downsample(turned(picture), view), resizeHoles(turned(mask), view)];
    const { data } = upsample(turned(await predict(...seen)), size);
    data.forEach((value, at) => { total[at] += value; });
  }
  return { ...picture, data: Uint8Array.from(total, (sum) => Math.floor((sum + (VIEWS.length >> 1)) / VIEWS.length)) };
}

/** The filling's weight at each pixel: 1 in the hole, then less and less over what was filled. */
function weightsOf(unknown, holes, window) {
  const inside = window.hole.within(window.view);
  const target = newMask(unknown.height, unknown.width);
  put(target, inside, cropped(unknown, inside));
  const weights = Float32Array.from(target.data);
  const isFilled = holes.data.map((isHole, at) => (isHole && !unknown.data[at] ? 1 : 0));
  if (isFilled.includes(1) && isAny(target)) {
    const falling = ramp(target, SEAM);
    isFilled.forEach((filled, at) => { if (filled) weights[at] = falling[at]; });
  }
  return weights;
}

/** 1 in the hole, falling evenly to 0 at a distance of `feather + 1` pixels. */
function ramp(holes, feather) {
  const { height, width, data } = holes;
  // Rows to the nearest pixel of the hole in the same column; then the nearest of columns.
  const rows = new Float32Array(data.length).fill(Infinity);
  for (let x = 0; x < width; x++) {
    for (const [start, end, step] of [[0, height, 1], [height - 1, -1, -1]]) {
      let distance = Infinity;
      for (let y = start; y !== end; y += step) {
        const at = y * width + x;
        distance = data[at] ? 0 : distance + 1;
        rows[at] = Math.min(rows[at], distance);
      }
    }
  }
  const weights = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let square = Infinity;
      for (let near = Math.max(x - feather, 0); near <= Math.min(x + feather, width - 1); near++) {
        const down = rows[y * width + near];
        square = Math.min(square, down * down + (near - x) ** 2);
      }
      const distance = Math.fround(Math.sqrt(square));
      if (distance <= feather) weights[y * width + x] = 1 - Math.fround(distance / (feather + 1));
    }
  }
  return weights;
}

/** Changes `pixels` in place, but no pixel whose weight is 0. */
function blend(pixels, painted, weights) {
  const { channels } = pixels;
  weights.forEach((weight, place) => {
    if (!weight) return;
    for (let at = place * channels; at < (place + 1) * channels; at++) {
      const mixed = Math.fround(weight * painted.data[at]) + Math.fround((1 - weight) * pixels.data[at]);
      pixels.data[at] = weight === 1 ? painted.data[at] : round(Math.fround(mixed));
    }
  });
}
