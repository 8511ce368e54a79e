// The video and what lies over it, painted together on one canvas so that they never part.
//
// The server's copy has frame i at i / fps. Seeking aims at the middle of a frame, and the browser
// reports the time of the frame that it shows: so the number of the frame is exact.

export class Player {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {function} paintOver - takes context, unit (a screen pixel in video pixels) and frame
   */
  constructor(canvas, paintOver) {
    this.canvas = canvas;
    this.paintOver = paintOver;
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true, preload: "auto" });
    this.onframe = () => {};
    this.onstate = () => {};
    for (const kind of ["play", "pause", "ended"]) {
      this.video.addEventListener(kind, () => this.onstate(!this.video.paused));
    }
    new ResizeObserver(() => this.fit()).observe(canvas);
    const next = (_, { mediaTime }) => {
      this.show(Math.round(mediaTime * this.clip.fps));
      this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback(next);
    this.image = null;
    this.clip = null;
    this.frame = 0;
  }

  /** Begin with another clip: its first frame is shown until the copy is there. */
  open(clip) {
    this.close();
    this.clip = clip;
    this.canvas.style.aspectRatio = `${clip.width} / ${clip.height}`;
    this.canvas.style.maxWidth = `calc(72vh * ${clip.width / clip.height})`;
    this.poster = new Image();
    this.poster.onload = () => {
      if (this.image === null) this.image = this.poster;
      this.paint();
    };
    this.poster.src = `/api/clips/${clip.id}/first.jpg`;
    this.fit();
  }

  /** The copy is there. */
  load(clip) {
    this.clip = clip;
    if (!this.video.src) this.video.src = `/api/clips/${clip.id}/video.mp4`;
  }

  close() {
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    this.image = null;
    this.frame = 0;
  }

  get playing() {
    return !this.video.paused;
  }

  toggle() {
    if (!this.video.src) return;
    if (!this.video.paused) this.video.pause();
    else {
      if (this.frame >= this.clip.frames - 1) this.video.currentTime = 0;
      this.video.play();
    }
  }

  seek(frame) {
    if (!this.video.src) return;
    const wanted = Math.max(0, Math.min(frame, this.clip.frames - 1));
    this.video.currentTime = (wanted + 0.5) / this.clip.fps;
  }

  step(frames) {
    this.video.pause();
    this.seek(this.frame + frames);
  }

  show(frame) {
    this.frame = Math.min(frame, this.clip.frames - 1);
    this.image = this.video;
    this.paint();
    this.onframe(this.frame);
  }

  fit() {
    if (!this.clip) return;
    const { width } = this.canvas.getBoundingClientRect();
    const wide = Math.max(1, Math.round(width * devicePixelRatio));
    this.canvas.width = wide;
    this.canvas.height = Math.round((wide * this.clip.height) / this.clip.width);
    this.paint();
  }

  paint() {
    if (!this.clip) return;
    const { canvas, clip } = this;
    const context = canvas.getContext("2d");
    const scale = canvas.width / clip.width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.image) context.drawImage(this.image, 0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    this.paintOver(context, devicePixelRatio / scale, this.frame);
  }

  /** Where a pointer is, in pixels of the video. */
  point(event) {
    const area = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - area.left) / area.width) * this.clip.width,
      ((event.clientY - area.top) / area.height) * this.clip.height,
    ];
  }
}
