/** Writing PNG files, every pixel exactly as it is: a canvas rounds colours under transparency. */

const CRC = new Uint32Array(256).map((_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});
const GREY = 0, RGB = 2, RGBA = 6;
// Bytes that are compressed at once, so that the page goes on answering.
const PART = 2 ** 20;

/**
 * Writes a photo: red, green and blue, and alpha if any pixel is not opaque.
 *
 * @param {{width: number, height: number, pixels: Uint8ClampedArray, hasAlpha: boolean}} photo
 *   whose `pixels` are RGBA, not multiplied by alpha.
 * @param {boolean} withAlpha whether alpha is written where the photo has it.
 * @returns {Promise<Blob>}
 */
export function encodePhoto(photo, withAlpha = true) {
  const channels = photo.hasAlpha && withAlpha ? 4 : 3;
  const takeRow = (y, row) => {
    let at = y * photo.width * 4;
    for (let to = 0; to < row.length; to += channels, at += 4) {
      row[to] = photo.pixels[at];
      row[to + 1] = photo.pixels[at + 1];
      row[to + 2] = photo.pixels[at + 2];
      if (channels === 4) row[to + 3] = photo.pixels[at + 3];
    }
  };
  return encode(photo.width, photo.height, channels, channels === 4 ? RGBA : RGB, takeRow);
}

/**
 * Writes a mask: white is the hole, black is known.
 *
 * @param {Uint8Array} holes 1 in the hole, 0 elsewhere, row by row.
 * @returns {Promise<Blob>}
 */
export function encodeMask(holes, width, height) {
  const takeRow = (y, row) => {
    for (let x = 0; x < width; x++) row[x] = holes[y * width + x] ? 255 : 0;
  };
  return encode(width, height, 1, GREY, takeRow);
}

async function encode(width, height, channels, colourType, takeRow) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, colourType], 8);
  const parts = [
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    ...chunk("IHDR", header),
    ...chunk("sRGB", new Uint8Array(1)),
  ];
  for await (const data of compressed(filteredRows(width, height, channels, takeRow))) {
    parts.push(...chunk("IDAT", data));
  }
  parts.push(...chunk("IEND", new Uint8Array(0)));
  return new Blob(parts, { type: "image/png" });
}

async function* compressed(parts) {
  const stream = new CompressionStream("deflate");
  const writer = stream.writable.getWriter();
  const written = (async () => {
    for (const part of parts) await writer.write(part);
    await writer.close();
  })();
  const reader = stream.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    yield value;
  }
  await written;
}

/** Rows with the number of their filter before them, several at once. */
function* filteredRows(width, height, channels, takeRow) {
  const length = width * channels;
  let above = new Uint8Array(length);
  let row = new Uint8Array(length);
  const rows = Math.max(1, Math.floor(PART / length));
  for (let top = 0; top < height; top += rows) {
    const num = Math.min(rows, height - top);
    const part = new Uint8Array(num * (length + 1));
    for (let index = 0; index < num; index++) {
      takeRow(top + index, row);
      paeth(row, above, channels, part.subarray(index * (length + 1), (index + 1) * (length + 1)));
      [above, row] = [row, above];
    }
    yield part;
  }
}

/** Filter 4 of the PNG specification: the difference to the nearest of three neighbours. */
function paeth(row, above, channels, out) {
  out[0] = 4;
  for (let x = 0; x < row.length; x++) {
    const left = x < channels ? 0 : row[x - channels];
    const up = above[x];
    const corner = x < channels ? 0 : above[x - channels];
    const guess = left + up - corner;
    const toLeft = Math.abs(guess - left);
    const toUp = Math.abs(guess - up);
    const toCorner = Math.abs(guess - corner);
    const nearest = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
    out[x + 1] = row[x] - nearest;
  }
}

function chunk(name, data) {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, data.length);
  head.set(new TextEncoder().encode(name), 4);
  const tail = new Uint8Array(4);
  const sum = ~crc(data, crc(head.subarray(4), 0xffffffff)) >>> 0;
  new DataView(tail.buffer).setUint32(0, sum);
  return [head, data, tail];
}

function crc(bytes, sum) {
  for (const byte of bytes) sum = CRC[(sum ^ byte) & 255] ^ (sum >>> 8);
  return sum;
}
