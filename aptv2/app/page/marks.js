// The boxes that the user draws: which animals to follow, and where they first appear.

import { drawBox } from "./draw.js";
import { look } from "./look.js";

const colour = (index) => look.tracks[index % look.tracks.length];
const SMALLEST = 4; // pixels of a side; less is a click

export class Marks {
  /**
   * @param {Player} player
   * @param {HTMLUListElement} list - shows them, with numbers to change by keyboard
   * @param {function} onchange
   */
  constructor(player, list, onchange) {
    Object.assign(this, { player, list, onchange, boxes: [], active: false, drawn: null });
    const canvas = player.canvas;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.drawn && this.draw(event));
    canvas.addEventListener("pointerup", () => this.end());
    canvas.addEventListener("pointercancel", () => this.end());
  }

  clear() {
    this.boxes = [];
    this.show();
  }

  paint(context, unit, frame) {
    const all = this.drawn ? [...this.boxes, this.drawn] : this.boxes;
    all.forEach((box, index) => {
      if (box.frame !== frame) return;
      const sides = [box.x, box.y, box.width, box.height];
      drawBox(context, unit, sides, colour(index), String(index + 1), false);
    });
  }

  begin(event) {
    if (!this.active || event.button !== 0) return;
    event.preventDefault();
    this.player.canvas.focus({ preventScroll: true });
    this.player.video.pause();
    this.player.canvas.setPointerCapture(event.pointerId);
    this.from = this.player.point(event);
    this.draw(event);
  }

  draw(event) {
    const { width, height } = this.player.clip;
    const inside = ([x, y]) => [Math.max(0, Math.min(x, width)), Math.max(0, Math.min(y, height))];
    const [left, top] = inside(this.from), [x, y] = inside(this.player.point(event));
    this.drawn = {
      frame: this.player.frame,
      x: Math.min(left, x),
      y: Math.min(top, y),
      width: Math.abs(x - left),
      height: Math.abs(y - top),
    };
    this.player.paint();
  }

  end() {
    const box = this.drawn;
    this.drawn = null;
    if (box && box.width >= SMALLEST && box.height >= SMALLEST) this.add(box);
    else this.player.paint();
  }

  /** A box; without one, in the middle of the frame that is shown. */
  add(box) {
    const { clip, frame } = this.player;
    const sides = { x: clip.width / 3, y: clip.height / 3, width: clip.width / 3, height: clip.height / 3 };
    const chosen = box ?? { frame, ...sides };
    for (const side of ["x", "y", "width", "height"]) chosen[side] = Math.round(chosen[side] * 10) / 10;
    this.boxes.push(chosen);
    this.show();
  }

  /** True if a box overlaps an existing one of its frame with an IoU above 0.5. */
  has(box) {
    const common = (one, at, side) =>
      Math.max(0, Math.min(one[at] + one[side], box[at] + box[side]) - Math.max(one[at], box[at]));
    return this.boxes.some((one) => {
      const both = common(one, "x", "width") * common(one, "y", "height");
      return one.frame === box.frame && 2 * both > one.width * one.height + box.width * box.height - both;
    });
  }

  show() {
    this.list.replaceChildren(...this.boxes.map((box, index) => this.item(box, index)));
    this.player.paint();
    this.onchange(this.boxes);
  }

  item(box, index) {
    const item = document.createElement("li");
    const dot = Object.assign(document.createElement("span"), { className: "dot" });
    dot.style.background = colour(index);
    const title = document.createElement("strong");
    title.textContent = `Animal ${index + 1}, frame ${box.frame}`;
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "Remove" });
    remove.setAttribute("aria-label", `Remove the box of animal ${index + 1}`);
    remove.onclick = () => {
      this.boxes.splice(index, 1);
      this.show();
    };
    const head = document.createElement("div"), fields = document.createElement("div");
    head.append(dot, title, remove);
    fields.append(...["x", "y", "width", "height"].map((side) => this.field(box, side)));
    item.append(head, fields);
    return item;
  }

  field(box, side) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "number", step: 1, value: box[side] });
    input.oninput = () => {
      if (!Number.isFinite(input.valueAsNumber)) return;
      box[side] = input.valueAsNumber;
      this.player.paint();
    };
    label.append(side, input);
    return label;
  }
}
