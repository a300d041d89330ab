/** The connected components of a photo's hole, and how thick it is. */

import { cropped, newMask } from "./arrays.js";
import { Box } from "./window.js";

// A thickness is found to within twice the 1024th part of the hole's longer side.
const FINEST = 1024;

/**
 * Finds the parts of a hole that lie apart from each other: cells of `cell` pixels that hold a
 * pixel of it and touch, at a corner or a side, are one.
 *
 * @returns {Box[]} from the smallest to the largest.
 */
export function findComponents(holes, cell) {
  const boxes = labelled(holes, cell).map(({ cells }) => tight(holes, pixelsOf(cells, cell, holes)));
  const order = (one, other) =>
    one.height * one.width - other.height * other.width ||
    one.top - other.top || one.left - other.left || one.height - other.height || one.width - other.width;
  return boxes.sort(order);
}

/** Selects the components in which no square of a side above `limit` lies. */
export function thinComponents(holes, cell, limit) {
  const thin = { ...holes, data: holes.data.slice() };
  for (const { cells, label, labels } of labelled(holes, cell)) {
    const box = pixelsOf(cells, cell, holes);
    const inside = cropped(thin, box);
    // Others may reach into the same rectangle.
    const isOwn = (y, x) =>
      labels.data[(cells.top + Math.floor(y / cell)) * labels.width + cells.left + Math.floor(x / cell)] === label;
    for (let y = 0; y < box.height; y++) {
      for (let x = 0; x < box.width; x++) if (!isOwn(y, x)) inside.data[y * box.width + x] = 0;
    }
    if (thickness(inside) <= limit) continue;
    for (let y = 0; y < box.height; y++) {
      for (let x = 0; x < box.width; x++) {
        if (isOwn(y, x)) thin.data[(box.top + y) * thin.width + box.left + x] = 0;
      }
    }
  }
  return thin;
}

/** Components of the grid of cells: each with its box, in cells, and its label. */
function labelled(holes, cell) {
  const grid = pool(holes, cell, false);
  const labels = { ...grid, data: new Int32Array(grid.data.length) };
  const found = [];
  for (let start = 0; start < grid.data.length; start++) {
    if (!grid.data[start] || labels.data[start]) continue;
    const label = found.length + 1;
    found.push({ cells: flood(grid, labels, start, label), label, labels });
  }
  return found;
}

function flood(grid, labels, start, label) {
  const { height, width } = grid;
  let [top, left, bottom, right] = [height, width, 0, 0];
  const waiting = [start];
  labels.data[start] = label;
  while (waiting.length) {
    const at = waiting.pop();
    const [row, column] = [Math.floor(at / width), at % width];
    [top, left] = [Math.min(top, row), Math.min(left, column)];
    [bottom, right] = [Math.max(bottom, row + 1), Math.max(right, column + 1)];
    for (let y = Math.max(row - 1, 0); y < Math.min(row + 2, height); y++) {
      for (let x = Math.max(column - 1, 0); x < Math.min(column + 2, width); x++) {
        const next = y * width + x;
        if (!grid.data[next] || labels.data[next]) continue;
        labels.data[next] = label;
        waiting.push(next);
      }
    }
  }
  return new Box(top, left, bottom - top, right - left);
}

/** The pixels of a box of cells; those at the end may be smaller. */
function pixelsOf(cells, cell, { height, width }) {
  const [top, left] = [cells.top * cell, cells.left * cell];
  return new Box(top, left, Math.min(cells.bottom * cell, height) - top, Math.min(cells.right * cell, width) - left);
}

/** Shrinks a box, which holds a pixel of the hole, to those that it holds. */
export function tight(holes, box) {
  const [endRow, endColumn] = [Math.min(box.bottom, holes.height), Math.min(box.right, holes.width)];
  let [top, left, bottom, right] = [Infinity, Infinity, -1, -1];
  for (let y = box.top; y < endRow; y++) {
    for (let x = box.left; x < endColumn; x++) {
      if (!holes.data[y * holes.width + x]) continue;
      if (y < top) top = y;
      if (x < left) left = x;
      if (x > right) right = x;
      bottom = y;
    }
  }
  return new Box(top, left, bottom - top + 1, right - left + 1);
}

/** The side of the largest square that lies in the hole, rounded up where the hole is large. */
export function thickness(holes) {
  const step = Math.ceil(Math.max(holes.height, holes.width) / FINEST);
  const full = pool(holes, step, true);
  const sums = rectangleSums(full);
  let [fits, fails] = [0, Math.min(full.height, full.width) + 1];
  // A square that fits holds all smaller ones.
  while (fails - fits > 1) {
    const side = Math.floor((fits + fails) / 2);
    if (holdsSquare(sums, full, side)) fits = side;
    else fails = side;
  }
  if (step === 1) return fits;
  // What lies in no whole cell has been left out.
  return holes.data.includes(1) ? Math.min((fits + 1) * step, holes.height, holes.width) : 0;
}

/** Sums over all rectangles that begin at the top left corner. */
function rectangleSums({ height, width, data }) {
  const across = width + 1;
  const sums = new Int32Array((height + 1) * across);
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += data[y * width + x];
      sums[(y + 1) * across + x + 1] = sums[y * across + x + 1] + row;
    }
  }
  return sums;
}

function holdsSquare(sums, { height, width }, side) {
  const across = width + 1;
  for (let y = side; y <= height; y++) {
    for (let x = side; x <= width; x++) {
      const [end, start] = [y * across + x, (y - side) * across + x];
      if (sums[end] - sums[start] - sums[end - side] + sums[start - side] === side * side) return true;
    }
  }
  return false;
}

/**
 * Merges the pixels of each cell; those at the end may be smaller.
 *
 * @param {boolean} isAll whether all pixels must be in the hole, or one.
 */
export function pool(holes, cell, isAll) {
  if (cell === 1) return holes;
  const pooled = newMask(Math.ceil(holes.height / cell), Math.ceil(holes.width / cell));
  if (isAll) pooled.data.fill(1);
  for (let y = 0; y < holes.height; y++) {
    const row = Math.floor(y / cell) * pooled.width;
    for (let x = 0; x < holes.width; x++) {
      const isHole = holes.data[y * holes.width + x] === 1;
      if (isHole !== isAll) pooled.data[row + Math.floor(x / cell)] = isAll ? 0 : 1;
    }
  }
  return pooled;
}
