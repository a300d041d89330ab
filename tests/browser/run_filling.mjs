// Answers one request in JSON on standard input: plans, and photos filled by a network that
// paints what it is shown, blurred. Written for the tests that compare with Python.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const module = (name) => import(pathToFileURL(`${folder}/${name}.js`));
const { chooseMethod, plan } = await module("planning");
const { fill } = await module("filling");
const { downsample, upsample, resizeHoles } = await module("resizing");

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (data) => Buffer.from(data).toString("base64");
const maskOf = ({ height, width, holes }) => ({ height, width, data: bytes(holes) });
const listed = (box) => [box.top, box.left, box.height, box.width];

const answers = {
  plan({ imageSize, method, ...mask }) {
    const holes = maskOf(mask);
    const chosen = method ?? chooseMethod(holes, imageSize);
    const windows = plan(chosen, holes, imageSize);
    return { method: chosen, windows: windows.map((each) => [listed(each.hole), listed(each.view), each.scale, each.needsDetail]) };
  },
  async fill({ imageSize, photo, ...mask }) {
    const holes = maskOf(mask);
    const pixels = { height: mask.height, width: mask.width, channels: 3, data: bytes(photo) };
    const windows = plan(chooseMethod(holes, imageSize), holes, imageSize);
    const seen = [];
    // As the fake network in Python: what it is shown, mirrored in value.
    const predict = async (picture, unknown) => {
      seen.push([picture.height, picture.width, unknown.data.reduce((sum, value) => sum + value, 0)]);
      return { ...picture, data: picture.data.map((value) => 255 - value) };
    };
    await fill(pixels, holes, windows, predict, () => {});
    return { filled: text(pixels.data), seen };
  },
  resize({ photo, size, kind, ...mask }) {
    if (kind === "holes") return { result: text(resizeHoles(maskOf(mask), size).data) };
    const picture = { height: mask.height, width: mask.width, channels: 3, data: bytes(photo) };
    const result = kind === "down" ? downsample(picture, size) : upsample(picture, size, kind === "sharp");
    return { result: text(result.data) };
  },
};

const requests = JSON.parse(readFileSync(0, "utf8"));
const results = [];
for (const { name, ...given } of requests) results.push(await answers[name](given));
console.log(JSON.stringify(results));
