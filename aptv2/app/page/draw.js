// What is drawn over a frame. Coordinates are pixels of the video; `unit` is one of the screen's.

import { look } from "./look.js";

/** The animals of a frame; that of the selected track stands out. */
export function drawAnimals(context, unit, animals, poses, selected) {
  const { limbs, keypointColours } = poses.result;
  for (const animal of animals) {
    const colour = poses.colour(animal.track);
    const chosen = animal.track === selected;
    context.globalAlpha = selected === null || chosen ? 1 : 0.55;
    if (animal.box) drawBox(context, unit, animal.box, colour, tag(animal, poses), chosen);
    drawSkeleton(context, unit, animal.keypoints, limbs, keypointColours);
  }
  context.globalAlpha = 1;
}

function tag(animal, poses) {
  const score = Number.isNaN(animal.score) ? "" : ` ${animal.score.toFixed(2)}`;
  return animal.track < 0 ? score.trim() : `${poses.result.names[animal.track] ?? animal.track}${score}`;
}

/** A box with a tag. */
export function drawBox(context, unit, [x, y, width, height], colour, text, strong) {
  context.lineWidth = (strong ? 4 : 2) * unit;
  context.strokeStyle = colour;
  context.strokeRect(x, y, width, height);
  context.font = `600 ${13 * unit}px system-ui, sans-serif`;
  const tag = context.measureText(text).width + 8 * unit;
  const top = y >= 19 * unit ? y - 19 * unit : y;
  context.fillStyle = colour;
  context.fillRect(x - unit, top, tag, 19 * unit);
  context.fillStyle = look.tagInk[colour] ?? look.outline;
  context.textBaseline = "middle";
  context.fillText(text, x + 3 * unit, top + 10 * unit);
}

function drawSkeleton(context, unit, keypoints, limbs, colours) {
  const shown = (keypoint) => keypoints[3 * keypoint + 2] >= look.minScore;
  const lines = limbs.filter(([a, b]) => shown(a) && shown(b));
  context.lineCap = "round";
  for (const [width, outline] of [[5, look.outline], [3, null]]) {
    for (const [a, b] of lines) {
      context.lineWidth = width * unit;
      context.strokeStyle = outline ?? colours[b];
      context.beginPath();
      context.moveTo(keypoints[3 * a], keypoints[3 * a + 1]);
      context.lineTo(keypoints[3 * b], keypoints[3 * b + 1]);
      context.stroke();
    }
  }
  for (let keypoint = 0; keypoint < colours.length; keypoint++) {
    if (!shown(keypoint)) continue;
    context.beginPath();
    context.arc(keypoints[3 * keypoint], keypoints[3 * keypoint + 1], 3.5 * unit, 0, 7);
    context.fillStyle = colours[keypoint];
    context.strokeStyle = look.outline;
    context.lineWidth = unit;
    context.fill();
    context.stroke();
  }
}
