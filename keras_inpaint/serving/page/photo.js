/** Photos as the page holds them: pixels that were decoded once, and what is shown of them. */

// Pixels of a canvas that are read at once; some browsers have none of more than 16 million.
const STRIP = 2 ** 22;
// The longest side of what is shown and zoomed into. What is filled and downloaded has all pixels.
const LONGEST_SHOWN = 4096;

/**
 * Decodes a picture file: upright, in sRGB, 8 bits a channel.
 *
 * @param {Blob} file
 * @returns {Promise<{name: string, width: number, height: number, pixels: Uint8ClampedArray,
 *   hasAlpha: boolean}>} a photo, whose `pixels` are RGBA, row by row.
 */
export async function openPhoto(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`This is no picture that your browser can read: ${file.name || file.type || "unknown kind"}`);
  }
  try {
    const { width, height } = bitmap;
    const pixels = readPixels(bitmap);
    return { name: file.name || "photo", width, height, pixels, hasAlpha: hasAlpha(pixels) };
  } finally {
    bitmap.close();
  }
}

function readPixels(bitmap) {
  const { width, height } = bitmap;
  const rows = Math.max(1, Math.min(height, Math.floor(STRIP / width)));
  const canvas = new OffscreenCanvas(width, rows);
  // In the memory of the CPU: graphics cards may round.
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let top = 0; top < height; top += rows) {
    const num = Math.min(rows, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, top, width, num, 0, 0, width, num);
    pixels.set(context.getImageData(0, 0, width, num).data, top * width * 4);
  }
  return pixels;
}

function hasAlpha(pixels) {
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at] !== 255) return true;
  return false;
}

/**
 * Shows a photo, smaller where it is larger than screens are.
 *
 * @param {HTMLCanvasElement} canvas whose size is set.
 */
export async function showPhoto(canvas, photo) {
  const scale = Math.min(1, LONGEST_SHOWN / Math.max(photo.width, photo.height));
  const width = Math.max(1, Math.round(photo.width * scale));
  const height = Math.max(1, Math.round(photo.height * scale));
  const data = new ImageData(photo.pixels, photo.width, photo.height);
  const options = { resizeWidth: width, resizeHeight: height, resizeQuality: "high" };
  const bitmap = await createImageBitmap(data, scale < 1 ? options : {});
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

/**
 * Cuts the pixels of a box out of a photo.
 *
 * @param {{top: number, left: number, height: number, width: number}} box
 */
export function cut(photo, box) {
  const pixels = new Uint8ClampedArray(box.width * box.height * 4);
  for (let y = 0; y < box.height; y++) {
    const at = ((box.top + y) * photo.width + box.left) * 4;
    pixels.set(photo.pixels.subarray(at, at + box.width * 4), y * box.width * 4);
  }
  return pixels;
}

/** Puts pixels that `cut` took, or others as many, into a photo. */
export function paste(photo, box, pixels) {
  for (let y = 0; y < box.height; y++) {
    const row = pixels.subarray(y * box.width * 4, (y + 1) * box.width * 4);
    photo.pixels.set(row, ((box.top + y) * photo.width + box.left) * 4);
  }
}
