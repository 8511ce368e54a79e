// One lane an animal under the video: when it is seen, and how sure that is.

const HEIGHT = 34;

export class Lanes {
  /**
   * @param {HTMLElement} place
   * @param {function} select - takes a track
   * @param {function} seek - takes a frame
   */
  constructor(place, select, seek) {
    Object.assign(this, { place, select, seek, rows: [], poses: null, frames: 0 });
    new ResizeObserver(() => this.paint()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  open(poses, frames) {
    Object.assign(this, { poses, frames });
    this.rows = (poses?.result.tracks ?? []).map((track) => this.row(track));
    this.place.replaceChildren(...this.rows.map(({ row }) => row));
    this.paint();
  }

  row(track) {
    const row = Object.assign(document.createElement("div"), { className: "lane" });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const dot = Object.assign(document.createElement("span"), { className: "dot" });
    dot.style.background = this.poses.colour(track);
    const given = this.poses.result.names[track];
    const word = Object.assign(document.createElement("span"), { className: given ? "name" : "word" });
    word.textContent = given ?? "Animal";
    button.append(dot, word, ...(given ? [] : [` ${track}`]));
    button.setAttribute("aria-label", this.poses.name(track));
    button.title = this.poses.name(track);
    button.onclick = () => this.select(track);
    const canvas = document.createElement("canvas");
    const go = (event) => {
      const area = canvas.getBoundingClientRect();
      this.seek(Math.floor(((event.clientX - area.left) / area.width) * this.frames));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.select(track);
      go(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
    row.append(button, canvas);
    return { track, row, button, canvas };
  }

  mark(selected, present) {
    for (const { track, button } of this.rows) {
      button.setAttribute("aria-pressed", String(track === selected));
      button.classList.toggle("absent", !present.has(track));
    }
  }

  paint() {
    if (!this.rows.length) return;
    const width = Math.round(this.rows[0].canvas.clientWidth * devicePixelRatio);
    if (!width) return;
    const height = Math.round(HEIGHT * devicePixelRatio);
    const confidence = this.poses.confidence(width, this.frames);
    const ink = getComputedStyle(this.place).color;
    this.rows.forEach(({ track, canvas }, index) => {
      Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d");
      const { animal, keypoints } = confidence[index];
      context.fillStyle = this.poses.colour(track);
      context.globalAlpha = 0.6; // The line of the keypoints has to stand out.
      for (let x = 0; x < width; x++) {
        if (Number.isNaN(keypoints[x])) continue;
        // Animals that a person marked have no score: they are certain.
        const up = Number.isNaN(animal[x]) ? 1 : animal[x];
        context.fillRect(x, height * (1 - up), 1, height * up);
      }
      context.globalAlpha = 1;
      context.strokeStyle = ink;
      context.lineWidth = 1.5 * devicePixelRatio;
      context.beginPath();
      keypoints.forEach((mean, x) => {
        const y = height * (1 - Math.min(mean, 1));
        if (Number.isNaN(mean)) return;
        if (x && !Number.isNaN(keypoints[x - 1])) context.lineTo(x, y);
        else context.moveTo(x, y);
      });
      context.stroke();
    });
  }
}
