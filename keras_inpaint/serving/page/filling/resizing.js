/** Photos and masks at other sizes, as Pillow makes them: rows first, and bytes in between. */

import { newMask, newPicture } from "./arrays.js";

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const BOX = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const BILINEAR = { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) };
const LANCZOS = { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) };
// Weights are whole numbers of this part.
const UNIT = 2 ** 22;

/** Makes a picture of bytes smaller; each pixel is the mean of those that it covers. */
export function downsample(picture, [height, width]) {
  return resize(picture, height, width, BOX);
}

/** Makes a picture of bytes larger: as sharp as that can be, or without values beyond its own. */
export function upsample(picture, [height, width], isSharp = true) {
  return resize(picture, height, width, isSharp ? LANCZOS : BILINEAR);
}

/** Makes a mask smaller: a pixel is in the hole if any that it covers is. */
export function resizeHoles(holes, [height, width]) {
  if (holes.height === height && holes.width === width) return holes;
  const [rows, columns] = [windowsOf(holes.height, height, BOX), windowsOf(holes.width, width, BOX)];
  const narrow = newMask(holes.height, width);
  for (let y = 0; y < holes.height; y++) {
    for (let x = 0; x < width; x++) {
      const { start, weights } = columns[x];
      const at = y * holes.width + start;
      if (weights.some((weight, index) => weight && holes.data[at + index])) narrow.data[y * width + x] = 1;
    }
  }
  const small = newMask(height, width);
  for (let y = 0; y < height; y++) {
    const { start, weights } = rows[y];
    for (let x = 0; x < width; x++) {
      const isHole = weights.some((weight, index) => weight && narrow.data[(start + index) * width + x]);
      if (isHole) small.data[y * width + x] = 1;
    }
  }
  return small;
}

/** Of each pixel of the result: the first one that it is made of, and the weights of all. */
function windowsOf(length, newLength, { support, weight }) {
  const scale = length / newLength;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: newLength }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support * stretch + 0.5), length);
    const weights = [];
    for (let at = start; at < end; at++) weights.push(weight((at - centre + 0.5) * (1 / stretch)));
    const sum = weights.reduce((total, value) => total + value, 0);
    return { start, weights: weights.map((value) => value * (sum ? 1 / sum : 1)) };
  });
}

function resize(picture, height, width, filter) {
  const narrow = picture.width === width ? picture : resizeRows(picture, width, filter);
  return picture.height === height ? narrow : resizeColumns(narrow, height, filter);
}

function whole({ start, weights }) {
  return { start, weights: Int32Array.from(weights, (value) => Math.trunc(value * UNIT + (value < 0 ? -0.5 : 0.5))) };
}

const toByte = (sum) => Math.min(Math.max(sum >> 22, 0), 255);

function resizeRows(picture, width, filter) {
  const { height, channels } = picture;
  const result = newPicture(height, width, channels);
  windowsOf(picture.width, width, filter).map(whole).forEach(({ start, weights }, x) => {
    for (let y = 0; y < height; y++) {
      const first = (y * picture.width + start) * channels;
      const to = (y * width + x) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = UNIT / 2;
        for (let index = 0, at = first + channel; index < weights.length; index++, at += channels) {
          sum += picture.data[at] * weights[index];
        }
        result.data[to + channel] = toByte(sum);
      }
    }
  });
  return result;
}

function resizeColumns(picture, height, filter) {
  const { width, channels } = picture;
  const result = newPicture(height, width, channels);
  const row = width * channels;
  windowsOf(picture.height, height, filter).map(whole).forEach(({ start, weights }, y) => {
    for (let x = 0; x < row; x++) {
      let sum = UNIT / 2;
      for (let index = 0, at = start * row + x; index < weights.length; index++, at += row) {
        sum += picture.data[at] * weights[index];
      }
      result.data[y * row + x] = toByte(sum);
    }
  });
  return result;
}
