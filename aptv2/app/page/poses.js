// The animals of a clip: rows of numbers, found by frame.

import { look } from "./look.js";

const FRAME = 0, PLACE = 1, SCORE = 2, BOX = 3, KEYPOINTS = 7;

export class Poses {
  /**
   * @param {object} result - the description of a clip's tracks, from the server
   * @param {Float32Array} rows - by frame; see `pose_array` on the server
   * @param {number} frames - of the video
   */
  constructor(result, rows, frames) {
    this.result = result;
    this.rows = rows;
    this.stride = KEYPOINTS + 3 * result.keypoints.length;
    this.count = rows.length / this.stride;
    this.starts = new Uint32Array(frames + 1); // first row of each frame
    for (let row = 0; row < this.count; row++) {
      this.starts[Math.min(this.at(row, FRAME) + 1, frames)]++;
    }
    for (let frame = 0; frame < frames; frame++) this.starts[frame + 1] += this.starts[frame];
  }

  at(row, column) {
    return this.rows[row * this.stride + column];
  }

  /** The animals of a frame: {track, score, box, keypoints}; box is null where there is none. */
  of(frame) {
    const animals = [];
    for (let row = this.starts[frame]; row < this.starts[frame + 1]; row++) {
      const start = row * this.stride;
      const box = this.rows.subarray(start + BOX, start + KEYPOINTS);
      animals.push({
        track: this.result.tracks[this.at(row, PLACE)],
        score: this.at(row, SCORE),
        box: Number.isNaN(box[0]) ? null : box,
        keypoints: this.rows.subarray(start + KEYPOINTS, start + this.stride),
      });
    }
    return animals;
  }

  /** The label of a track: its name, or its number. */
  name(track) {
    return this.result.names[track] ?? `Animal ${track}`;
  }

  colour(track) {
    return track < 0 ? look.noTrack : look.tracks[track % look.tracks.length];
  }

  /** Facts of each track in the order of `result.tracks`: first, last, frames, score. */
  facts() {
    const facts = this.result.tracks.map((track) => ({ track, first: Infinity, last: -1, frames: 0, score: 0 }));
    for (let row = 0; row < this.count; row++) {
      const fact = facts[this.at(row, PLACE)], frame = this.at(row, FRAME);
      fact.first = Math.min(fact.first, frame);
      fact.last = Math.max(fact.last, frame);
      fact.frames++;
      fact.score += this.at(row, SCORE);
    }
    for (const fact of facts) fact.score /= fact.frames;
    return facts;
  }

  /**
   * Mean confidence of each track over the frames that fall into each of some columns.
   * @returns {Array<{animal: Float32Array, keypoints: Float32Array}>} NaN where it is not seen
   */
  confidence(columns, frames) {
    const of = () => new Float32Array(columns);
    const sums = this.result.tracks.map(() => ({ animal: of(), keypoints: of(), count: of() }));
    const keypoints = this.result.keypoints.length;
    // A frame covers all columns from its own to the next one's, where columns outnumber frames.
    for (let row = 0; row < this.count; row++) {
      const sum = sums[this.at(row, PLACE)], frame = this.at(row, FRAME);
      let mean = 0;
      for (let keypoint = 0; keypoint < keypoints; keypoint++) mean += this.at(row, KEYPOINTS + 3 * keypoint + 2);
      const first = Math.floor((frame * columns) / frames);
      const end = Math.max(first + 1, Math.floor(((frame + 1) * columns) / frames));
      for (let column = first; column < Math.min(end, columns); column++) {
        sum.animal[column] += this.at(row, SCORE);
        sum.keypoints[column] += mean / keypoints;
        sum.count[column]++;
      }
    }
    for (const { animal, keypoints: mean, count } of sums) {
      for (let column = 0; column < columns; column++) {
        animal[column] /= count[column];
        mean[column] /= count[column];
      }
    }
    return sums;
  }
}
