/**
 * Arrays of pixels, row by row, as all modules of this folder pass them.
 *
 * A mask is `{height, width, data: Uint8Array}` of zeros and ones: 1 in the hole. A picture is
 * `{height, width, channels, data: Uint8Array | Uint8ClampedArray | Float32Array}`, whose
 * channels lie beside each other.
 *
 * This folder does what `keras_inpaint.inpainting` does in Python, function by function; the
 * tests compare the two.
 */

export function newMask(height, width) {
  return { height, width, data: new Uint8Array(height * width) };
}

export function newPicture(height, width, channels, Kind = Uint8Array) {
  return { height, width, channels, data: new Kind(height * width * channels) };
}

/** Copies a box out of a mask or a picture. */
export function cropped(array, { top, left, height, width }) {
  const channels = array.channels ?? 1;
  const data = new array.data.constructor(height * width * channels);
  for (let y = 0; y < height; y++) {
    const at = ((top + y) * array.width + left) * channels;
    data.set(array.data.subarray(at, at + width * channels), y * width * channels);
  }
  return { ...array, height, width, data };
}

/** Puts another array, or where `value` is a number that, into a box of a mask or a picture. */
export function put(array, { top, left, height, width }, value) {
  const channels = array.channels ?? 1;
  for (let y = 0; y < height; y++) {
    const at = ((top + y) * array.width + left) * channels;
    if (typeof value === "number") array.data.fill(value, at, at + width * channels);
    else array.data.set(value.data.subarray(y * width * channels, (y + 1) * width * channels), at);
  }
}

/** The array with left and right exchanged. */
export function mirrored(array) {
  const { width, data, channels = 1 } = array;
  const turned = data.map((_, at) => {
    const x = Math.floor(at / channels) % width;
    return data[at + (width - 1 - 2 * x) * channels];
  });
  return { ...array, data: turned };
}

export function isAny(mask) {
  return mask.data.includes(1);
}

/** Rounds halves to the even neighbour, as Python and NumPy do. */
export function round(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
