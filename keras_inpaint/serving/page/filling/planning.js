/** The plan of filling a photo: windows, one after the other, and their scale. */

import { clamp, cropped, isAny, put, round } from "./arrays.js";
import { findComponents, pool, thickness, thinComponents, tight } from "./components.js";
import { Box, SEAM, Window } from "./window.js";

// Pixels of the network. What is filled at once is no longer than this however thin it is,
// and has at least as many known pixels around it as this.
const LONGEST_HOLE = 256;
const [SMALLEST_MARGIN, LARGEST_MARGIN] = [128, 256];
// Of a window that thin holes share: pixels, whatever the network was trained on.
const [SMALLEST_SHARED, LARGEST_SHARED] = [128, 512];
// Thin holes are up to this part of an image thick, and have as much of a window around them.
const THIN = 8;
// Steps in which such windows are placed: a part of their side.
const STEPS = 32;
// The longest side of a photo seen as a whole, but for networks trained on larger ones.
const LARGEST_VIEW = 512;

/**
 * Chooses how a photo is filled from its size and that of its hole.
 *
 * @param {number} imageSize height and width of the images that the network was trained on.
 * @returns {"whole" | "crop" | "resize"}
 */
export function chooseMethod(holes, imageSize) {
  const longest = Math.max(holes.height, holes.width);
  if (longest <= imageSize) return "whole";
  const thick = thickness(holes);
  const isFamiliar = thick <= Math.floor(imageSize / 2);
  if (isFamiliar) return longest <= viewLimit(imageSize) ? "whole" : "crop";
  return 3 * thick >= Math.min(holes.height, holes.width) ? "resize" : "crop";
}

/**
 * Lists the windows by which a photo is filled, in their order.
 *
 * @param {"whole" | "crop" | "resize"} method
 * @param {{height: number, width: number, data: Uint8Array}} holes 1 somewhere.
 * @returns {Window[]} which hold all of the hole between them.
 */
export function plan(method, holes, imageSize) {
  const { height, width } = holes;
  const everything = new Box(0, 0, height, width);
  if (method === "whole") return [new Window(everything, everything, 1)];
  if (method === "resize") {
    const scale = Math.min(scaleOf(holes, imageSize), viewLimit(imageSize) / Math.max(height, width));
    return [new Window(everything, everything, scale, true)];
  }
  // No two components are nearer to each other than this.
  const cell = Math.max(Math.floor(imageSize / 4), 1);
  // So thin, as dust and scratches are, that little context suffices.
  const thin = thinComponents(holes, cell, Math.max(Math.floor(imageSize / THIN), 1));
  const thick = { ...holes, data: holes.data.map((isHole, at) => (isHole > thin.data[at] ? 1 : 0)) };
  const crops = findComponents(thick, cell).flatMap((part) => cropsOf(thick, part, imageSize));
  return [...shared(thin, clamp(imageSize, SMALLEST_SHARED, LARGEST_SHARED)), ...crops];
}

/** Covers thin holes with few windows of one size and of the photo's own scale. */
function shared(thin, side) {
  const { height, width } = thin;
  const holes = cover(thin, side - 2 * Math.floor(side / THIN), Math.floor(side / STEPS));
  const windows = holes.map((hole) => {
    const [top, shownHeight] = centred(hole.top, hole.height, side, height);
    const [left, shownWidth] = centred(hole.left, hole.width, side, width);
    return new Window(hole, new Box(top, left, shownHeight, shownWidth), 1);
  });
  return apart(windows, SEAM);
}

/** Start and length of `side` pixels around others, moved to where the photo has them. */
function centred(start, length, side, end) {
  const shown = Math.min(side, end);
  const middle = start + Math.floor(length / 2) - Math.floor(shown / 2);
  return [Math.min(Math.max(middle, 0), end - shown), shown];
}

/**
 * Covers all pixels of a hole with few squares, each shrunk to the pixels it adds.
 *
 * A greedy choice on a grid of cells: of the squares that have the topmost cell left to cover
 * in their first row, the one that covers the most.
 */
function cover(holes, side, cell) {
  const left = { ...holes, data: holes.data.slice() };
  const pooled = pool(holes, cell, false);
  const grid = { ...pooled, data: pooled.data.slice() };
  const [steps, boxes] = [Math.floor(side / cell), []];
  for (let row = 0; row < grid.height; row++) {
    for (;;) {
      const first = grid.data.subarray(row * grid.width, (row + 1) * grid.width).indexOf(1);
      if (first < 0) break;
      const start = bestStart(grid, row, first, steps);
      const box = tight(left, new Box(row * cell, start * cell, steps * cell, steps * cell));
      boxes.push(box);
      put(left, box, 0);
      put(grid, new Box(row, start, Math.min(steps, grid.height - row), Math.min(steps, grid.width - start)), 0);
    }
  }
  return boxes;
}

/** Of the squares that hold a cell in their first row, the column of the one with most cells. */
function bestStart(grid, row, first, steps) {
  const [from, end] = [Math.max(first - steps + 1, 0), Math.min(first + steps, grid.width)];
  const covered = new Int32Array(end - from);
  for (let y = row; y < Math.min(row + steps, grid.height); y++) {
    for (let x = from; x < end; x++) covered[x - from] += grid.data[y * grid.width + x];
  }
  let [best, most] = [first, -1];
  for (let start = first; start >= from; start--) {
    const sum = covered.subarray(start - from, start - from + steps).reduce((total, value) => total + value, 0);
    if (sum > most) [best, most] = [start, sum];
  }
  return best;
}

/**
 * Sorts windows so that few depend on one next to them in the list: a greedy colouring of the
 * graph of those that do, one colour after the other.
 */
function apart(windows, reach) {
  const meet = (one, other) =>
    one.top < other.bottom + reach && other.top < one.bottom + reach &&
    one.left < other.right + reach && other.left < one.right + reach;
  const colours = [];
  windows.forEach((window, index) => {
    const taken = new Set();
    for (let before = 0; before < index; before++) {
      const other = windows[before];
      if (meet(window.view, other.hole) || meet(other.view, window.hole)) taken.add(colours[before]);
    }
    let colour = 0;
    while (taken.has(colour)) colour++;
    colours.push(colour);
  });
  const order = windows.map((_, index) => index).sort((one, other) => colours[one] - colours[other] || one - other);
  return order.map((index) => windows[index]);
}

/** Cuts a component into parts that the network can take, each with a margin. */
function cropsOf(holes, component, imageSize) {
  const scale = scaleOf(cropped(holes, component), imageSize);
  const longest = Math.trunc(LONGEST_HOLE / scale);
  const margin = round(clamp(Math.floor(imageSize / 2), SMALLEST_MARGIN, LARGEST_MARGIN) / scale);
  return divide(component, longest)
    .filter((part) => isAny(cropped(holes, part)))
    .map((part) => tight(holes, part))
    .map((part) => new Window(part, part.grown(margin, holes.height, holes.width), scale, true));
}

/** Brings the hole down to half of an image, as thick as holes are in training. */
function scaleOf(holes, imageSize) {
  return Math.min(1, Math.max(Math.floor(imageSize / 2), 1) / Math.max(thickness(holes), 1));
}

function viewLimit(imageSize) {
  return Math.min(2 * imageSize, Math.max(imageSize, LARGEST_VIEW));
}

/** Divides a box into equal ones whose sides are at most `longest`. */
function divide(box, longest) {
  const [rows, columns] = [ends(box.height, longest), ends(box.width, longest)];
  const parts = [];
  for (let y = 0; y + 1 < rows.length; y++) {
    for (let x = 0; x + 1 < columns.length; x++) {
      parts.push(new Box(box.top + rows[y], box.left + columns[x], rows[y + 1] - rows[y], columns[x + 1] - columns[x]));
    }
  }
  return parts;
}

function ends(length, longest) {
  const num = Math.ceil(length / longest);
  return Array.from({ length: num + 1 }, (_, index) => Math.floor((length * index) / num));
}
