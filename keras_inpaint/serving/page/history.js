/**
 * What was done to a photo, in order: marks (strokes, mask files), clearings, and fillings.
 *
 * A step is `{kind: "stroke" | "mask" | "clear" | "fill", ...}`. Marks count from the last
 * clearing or filling on: taking back a filling shows what was painted for it again.
 */
export class History {
  #done = [];
  #undone = [];

  get canUndo() { return this.#done.length > 0; }
  get canRedo() { return this.#undone.length > 0; }
  get isFilled() { return this.#done.some((step) => step.kind === "fill"); }

  /** The strokes and masks that make the hole now. */
  get marks() {
    const start = this.#done.findLastIndex((step) => step.kind === "clear" || step.kind === "fill");
    return this.#done.slice(start + 1);
  }

  push(step) {
    this.#done.push(step);
    this.#undone = [];
  }

  /** Takes back the last step, and returns it. */
  undo() {
    const step = this.#done.pop();
    if (step) this.#undone.push(step);
    return step;
  }

  /** Does again what was taken back last, and returns it. */
  redo() {
    const step = this.#undone.pop();
    if (step) this.#done.push(step);
    return step;
  }
}
