/**
 * Detail of a filling, copied from the known part of the same photo.
 *
 * A network that sees a photo smaller than it is leaves a hole soft. So its filling is split
 * into a low band, which is kept, and a high band, which is replaced by that of known positions
 * whose low band looks most alike. See `keras_inpaint/inpainting/detail.py` for the sources.
 */

import { clamp, newPicture, round } from "./arrays.js";
import { downsample, resizeHoles, upsample } from "./resizing.js";

// How the network sees what detail is added to: the part of a window's size, and whether mirrored.
export const VIEWS = [
  { scale: 0.6, isMirrored: false },
  { scale: 0.5, isMirrored: true },
  { scale: 0.35, isMirrored: false },
];

// In pixels of the network: those that one sample of the low band covers, how far the patches
// that are compared reach, and from one copy to the next.
const [BAND, REACH, STEP] = [4, 8, 12];
// The part of a step over which copies blend into each other.
const BLENDED = 0.8;
// Network's pixels over which a filling's colours move towards those of known pixels near it.
const EDGE = 2;
// Known positions that are looked at.
const MOST_KEYS = 2 ** 14;

/**
 * Makes a filling as large as the photo, with detail from its known part.
 *
 * @param pixels picture: a part of a photo.
 * @param holes mask of that part: 1 where nothing is copied from.
 * @param filled picture: the same part as the network saw it, and filled.
 * @param isPainted mask like `filled`: where detail is wanted.
 * @returns picture like `pixels`: the filling, of use where `isPainted`.
 */
export function addDetail(pixels, holes, filled, isPainted) {
  const size = [filled.height, filled.width];
  const soft = downsample(filled, [Math.ceil(size[0] / BAND), Math.ceil(size[1] / BAND)]);
  const isUnknown = resizeHoles(holes, size);
  const [targets, sources] = [targetsOf(isPainted), sourcesOf(isUnknown)];
  if (!sources.length) return upsample(filled, [pixels.height, pixels.width]);
  const low = upsample(soft, size);
  const nearest = nearestOf(patchesOf(low, targets), patchesOf(low, sources)).map((index) => sources[index]);
  const detailed = upsample(soft, [pixels.height, pixels.width]);
  addResidual(detailed, pixels, targets, nearest, size);
  meetKnown(detailed, filled, isUnknown, isPainted);
  return detailed;
}

/** 1 where any pixel within `reach` rows and columns is 1; beyond the edges is `outside`. */
function widened({ height, width, data }, reach, outside) {
  const spread = (source, length, num, along, across) => {
    const result = new Uint8Array(source.length);
    for (let line = 0; line < num; line++) {
      let last = outside ? -1 : -Infinity;
      for (let at = 0; at < length + reach; at++) {
        if (at < length ? source[line * across + at * along] : outside) last = at;
        const to = at - reach;
        if (to >= 0 && last >= to - reach) result[line * across + to * along] = 1;
      }
    }
    return result;
  };
  const rows = spread(data, width, height, 1, width);
  return { height, width, data: spread(rows, height, width, width, 1) };
}

/** Positions of a grid whose copies reach a painted pixel, as `[row, column]`. */
function targetsOf(isPainted) {
  const isReached = widened(isPainted, STEP, false);
  // The last one at the edge, so that nothing is left between.
  const [rows, columns] = [isPainted.height, isPainted.width].map((side) => {
    const places = new Set([side - 1]);
    for (let at = 0; at < side; at += STEP) places.add(at);
    return [...places].sort((one, other) => one - other);
  });
  return rows.flatMap((row) => columns.map((column) => [row, column])).filter(([row, column]) => isReached.data[row * isPainted.width + column]);
}

/** Positions around which all that is compared or copied is known. */
function sourcesOf(isUnknown) {
  const isBarred = widened(isUnknown, Math.max(REACH, STEP), true);
  const positions = [];
  isBarred.data.forEach((barred, at) => {
    if (!barred) positions.push([Math.floor(at / isUnknown.width), at % isUnknown.width]);
  });
  // Every n-th along the lines: at all phases of a regular texture.
  const every = Math.max(Math.ceil(positions.length / MOST_KEYS), 1);
  return positions.filter((_, index) => index % every === 0);
}

/** The patches around positions, mirrored at the edges: one after the other in one array. */
function patchesOf({ height, width, channels, data }, positions) {
  const mirrored = (at, length) => {
    while (at < 0 || at >= length) at = at < 0 ? -at - 1 : 2 * length - 1 - at;
    return at;
  };
  const length = ((2 * REACH) / BAND + 1) ** 2 * channels;
  const patches = new Uint8Array(positions.length * length);
  let to = 0;
  for (const [row, column] of positions) {
    // The low band does not change between samples that are as far apart as it is coarse.
    for (let y = -REACH; y <= REACH; y += BAND) {
      const start = mirrored(row + y, height) * width;
      for (let x = -REACH; x <= REACH; x += BAND) {
        const at = (start + mirrored(column + x, width)) * channels;
        for (let channel = 0; channel < channels; channel++) patches[to++] = data[at + channel];
      }
    }
  }
  return { patches, length };
}

/** Indices of those of the others that differ least from each patch, by squares. */
function nearestOf({ patches, length }, { patches: others }) {
  // Most others differ too much in their first lines already.
  const line = length / ((2 * REACH) / BAND + 1);
  return Array.from({ length: patches.length / length }, (_, index) => {
    const patch = patches.subarray(index * length, (index + 1) * length);
    let [nearest, least] = [0, Infinity];
    for (let start = 0; start < others.length; start += length) {
      let distance = 0;
      for (let first = 0; first < length && distance < least; first += line) {
        for (let at = first; at < first + line; at++) {
          const difference = patch[at] - others[start + at];
          distance += difference * difference;
        }
      }
      if (distance < least) [nearest, least] = [start / length, distance];
    }
    return nearest;
  });
}

/** Adds to the low band around each target what the photo has above it at its source. */
function addResidual(low, pixels, targets, sources, size) {
  const sides = [pixels.height, pixels.width];
  const { channels, width } = pixels;
  const scale = sides.map((side, axis) => side / size[axis]);
  const reach = scale.map((by) => round(STEP * by));
  const at = (position) => position.map((place, axis) => round((place + 0.5) * scale[axis]));
  const to = targets.map(at);
  const from = sources.map((source) => at(source).map((place, axis) => Math.min(Math.max(place, reach[axis]), sides[axis] - reach[axis])));
  const first = [0, 1].map((axis) => Math.max(Math.min(...to.map((place) => place[axis])) - reach[axis], 0));
  const last = [0, 1].map((axis) => Math.min(Math.max(...to.map((place) => place[axis])) + reach[axis], sides[axis]));
  const span = [last[0] - first[0], last[1] - first[1]];
  const sums = new Float32Array(span[0] * span[1] * channels);
  const weights = new Float32Array(span[0] * span[1]);
  const ramps = reach.map(rampOf);
  for (let index = 0; index < to.length; index++) {
    const [there, here] = [to[index], from[index]];
    for (let y = 0; y < 2 * reach[0]; y++) {
      const row = there[0] - reach[0] + y - first[0];
      if (row < 0 || row >= span[0]) continue;
      for (let x = 0; x < 2 * reach[1]; x++) {
        const column = there[1] - reach[1] + x - first[1];
        if (column < 0 || column >= span[1]) continue;
        const weight = Math.fround(ramps[0][y] * ramps[1][x]);
        const place = row * span[1] + column;
        const source = ((here[0] - reach[0] + y) * width + here[1] - reach[1] + x) * channels;
        for (let channel = 0; channel < channels; channel++) {
          sums[place * channels + channel] += weight * (pixels.data[source + channel] - low.data[source + channel]);
        }
        weights[place] += weight;
      }
    }
  }
  for (let row = 0; row < span[0]; row++) {
    for (let column = 0; column < span[1]; column++) {
      const place = row * span[1] + column;
      const pixel = ((first[0] + row) * width + first[1] + column) * channels;
      for (let channel = 0; channel < channels; channel++) {
        const mean = weights[place] ? Math.fround(sums[place * channels + channel] / weights[place]) : 0;
        low.data[pixel + channel] = round(clamp(Math.fround(mean + low.data[pixel + channel]), 0, 255));
      }
    }
  }
}

/** The weight of a copy along one axis: 1 in its middle; with those around it, 1 everywhere. */
function rampOf(reach) {
  return Float64Array.from({ length: 2 * reach }, (_, index) =>
    clamp((0.5 - Math.abs(index - reach + 0.5) / reach) / BLENDED + 0.5, 0, 1),
  );
}

/** Moves colours near the edge of a filling by what they are wrong just outside of it. */
function meetKnown(detailed, filled, isUnknown, isPainted) {
  const { height, width } = isUnknown;
  const { channels } = filled;
  const small = downsample(detailed, [height, width]);
  const errors = newPicture(height, width, channels, Float32Array);
  const known = newPicture(height, width, 1, Float32Array);
  for (let place = 0; place < known.data.length; place++) {
    if (isUnknown.data[place]) continue;
    known.data[place] = 1;
    for (let at = place * channels; at < (place + 1) * channels; at++) errors.data[at] = filled.data[at] - small.data[at];
  }
  const [smooth, nearness] = [blurred(errors), blurred(known)];
  // As bytes, for at the photo's size they are many.
  const moves = newPicture(height, width, channels);
  smooth.data.forEach((error, at) => {
    // Half of what is near the edge is known.
    const move = Math.fround(error / Math.max(nearness.data[Math.floor(at / channels)], 0.5));
    moves.data[at] = clamp(round(move), -128, 127) + 128;
  });
  const large = upsample(moves, [detailed.height, detailed.width], false);
  const inside = paintedBounds(isPainted, detailed);
  for (let y = inside.top; y < inside.bottom; y++) {
    for (let at = (y * detailed.width + inside.left) * channels; at < (y * detailed.width + inside.right) * channels; at++) {
      detailed.data[at] = clamp(detailed.data[at] + large.data[at] - 128, 0, 255);
    }
  }
}

function paintedBounds({ height, width, data }, detailed) {
  let [top, left, bottom, right] = [height, width, 0, 0];
  data.forEach((painted, at) => {
    if (!painted) return;
    const [row, column] = [Math.floor(at / width), at % width];
    [top, left] = [Math.min(top, row), Math.min(left, column)];
    [bottom, right] = [Math.max(bottom, row + 1), Math.max(right, column + 1)];
  });
  const [down, across] = [detailed.height / height, detailed.width / width];
  return {
    top: Math.trunc(top * down),
    left: Math.trunc(left * across),
    bottom: Math.min(Math.ceil(bottom * down), detailed.height),
    right: Math.min(Math.ceil(right * across), detailed.width),
  };
}

/** A Gaussian mean, of columns and then of rows, mirrored at the edges. */
function blurred(picture) {
  const reach = 3 * EDGE;
  const bell = Array.from({ length: 2 * reach + 1 }, (_, index) => Math.exp(-0.5 * ((index - reach) / EDGE) ** 2));
  const total = bell.reduce((sum, value) => sum + value, 0);
  const weights = Float64Array.from(bell, (value) => value / total);
  const { height, width, channels, data } = picture;
  const row = width * channels;
  const down = blurredLines(data, height, row, row, 1, weights);
  const result = newPicture(height, width, channels, Float32Array);
  for (let y = 0; y < height; y++) {
    const line = down.subarray(y * row, (y + 1) * row);
    result.data.set(blurredLines(line, width, channels, channels, 1, weights), y * row);
  }
  return result;
}

/** Blurs `num` lines of `length` values, which lie `step` apart, and the lines `across`. */
function blurredLines(data, length, num, step, across, weights) {
  const reach = (weights.length - 1) / 2;
  const result = new Float32Array(length * num);
  const padded = new Float64Array(length + 2 * reach);
  for (let line = 0; line < num; line++) {
    for (let at = -reach; at < length + reach; at++) {
      let place = at;
      while (place < 0 || place >= length) place = place < 0 ? -place - 1 : 2 * length - 1 - place;
      padded[at + reach] = data[place * step + line * across];
    }
    for (let at = 0; at < length; at++) {
      let sum = 0;
      for (let index = 0; index < weights.length; index++) sum += weights[index] * padded[at + index];
      result[at * step + line * across] = sum;
    }
  }
  return result;
}
