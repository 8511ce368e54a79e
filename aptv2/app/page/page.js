// The page: one clip at a time, from the video to its corrected tracks.

import { floats, get, post, save, upload } from "./api.js";
import { drawAnimals } from "./draw.js";
import { Lanes } from "./lanes.js";
import { look } from "./look.js";
import { Marks } from "./marks.js";
import { Player } from "./player.js";
import { Poses } from "./poses.js";

const POLL = 400; // milliseconds

const $ = (id) => document.getElementById(id);
const shown = (id, wanted) => ($(id).hidden = !wanted);

let settings = null;
let clip = null; // the latest state of the clip on the page
let poses = null; // the animals of `clip.result`
let selected = null; // a track
let again = false; // the user wants to run it again
let sending = null; // ends an upload

const player = new Player($("picture"), (context, unit, frame) => {
  if (poses && !marks.active) drawAnimals(context, unit, poses.of(frame), poses, selected);
  else marks.paint(context, unit, frame);
});
const marks = new Marks(player, $("boxes"), (boxes) => {
  const count = boxes.length;
  $("go").textContent = count ? `Follow ${count === 1 ? "this animal" : `these ${count} animals`}` : "Track all animals";
});
const lanes = new Lanes($("lanes"), select, (frame) => player.seek(frame));

// ---- what is on the page ----

function fail(error) {
  $("error").textContent = error ? error.message : "";
  shown("error", Boolean(error));
}

/** Run what a user asked for; an error is shown, not thrown. */
async function attempt(action) {
  fail(null);
  try {
    await action();
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  }
}

function start() {
  clip = poses = selected = null;
  again = false;
  player.close();
  marks.clear();
  for (const id of ["work", "note", "new", "clip-name", "clip-choice"]) shown(id, false);
  shown("start", true);
  document.title = "APTv2";
  history.replaceState(null, "", "/");
}

async function open(id) {
  clip = poses = selected = null;
  again = false;
  marks.clear();
  const state = await get(`/api/clips/${id}`);
  player.open(state);
  $("clip-name").textContent = state.name;
  document.title = `${state.name} – APTv2`;
  history.replaceState(null, "", `#${id}`);
  for (const id of ["work", "new"]) shown(id, true);
  shown("start", false);
  shown("clip-choice", settings.clips.length > 1);
  shown("clip-name", settings.clips.length <= 1);
  $("clips").value = id;
  await take(state);
  watch(id);
}

/** Poll the server for as long as there is work. */
async function watch(id) {
  while (clip?.id === id) {
    const working = Boolean(clip.job);
    await new Promise((resolve) => setTimeout(resolve, working ? POLL : 4 * POLL));
    if (clip?.id !== id) return;
    if (!working) continue;
    await attempt(async () => {
      const state = await get(`/api/clips/${id}`);
      if (clip?.id === id) await take(state);
    });
  }
}

/** Show the state of the clip. */
async function take(state) {
  const before = clip;
  clip = state;
  if (clip.playable) player.load(clip);
  if (clip.result && (!before?.result || before.result.version !== clip.result.version)) {
    const rows = await floats(`/api/clips/${clip.id}/poses`);
    poses = new Poses(clip.result, rows, Math.max(clip.frames, 1));
    if (!clip.result.tracks.includes(selected)) selected = null;
    lanes.open(poses, Math.max(clip.frames, 1));
  } else if (clip.result && before && before.frames !== clip.frames) {
    poses = new Poses(clip.result, poses.rows, clip.frames);
    lanes.open(poses, clip.frames);
  }
  if (clip.error) fail(new Error(clip.error));
  show();
}

function show() {
  const { job, result } = clip;
  const tracking = job && job.title !== "Preparing the video";
  const asking = (!result || again) && !tracking;
  marks.active = asking;
  player.canvas.classList.toggle("marking", asking);
  const notes = [clip.note];
  if (clip.unfinished && !tracking) notes.push("Cancelled. Start again with the same options to resume.");
  $("note").textContent = notes.join(" ").trim();
  shown("note", $("note").textContent);
  shown("player", clip.playable);
  shown("timeline", clip.playable);
  const looking = result && !asking;
  shown("legend", looking && result.tracks.length);
  shown("lanes", looking);
  shown("nothing", looking && !result.tracks.length);
  shown("ask", asking);
  for (const id of ["keep", "again-text"]) shown(id, result);
  shown("downloads", looking);
  shown("download-video", clip.drawable);
  shown("again", clip.uploaded);
  showProgress(job, tracking);
  $("scrub").max = Math.max(clip.frames - 1, 0);
  // Its ends are the middles of the first and the last frame, as in the lanes; 8 pixels are half
  // of its thumb.
  const half = 50 / Math.max(clip.frames, 1);
  $("scrub").style.width = `calc(${100 - 2 * half}% + 16px)`;
  $("scrub").style.marginLeft = `calc(${half}% - 8px)`;
  showSelected();
  showEdits();
  showFrame(player.frame);
  player.paint();
}

function showProgress(job, tracking) {
  shown("progress", job);
  if (!job) return;
  $("progress-title").textContent = job.title;
  const share = job.total ? Math.min(job.done / job.total, 1) : 0;
  if (job.done && job.total) $("bar").value = share;
  else $("bar").removeAttribute("value");
  shown("cancel", tracking);
  let text = "Waiting for earlier work to finish …";
  if (job.state === "running") {
    text = job.done ? `Frame ${job.done}${job.total ? ` of ${job.total}` : ""}` : "Starting …";
    if (share > 0.02 && share < 1) text += `, ${span((job.seconds * (1 - share)) / share)} left`;
  }
  $("progress-text").textContent = text;
}

function span(seconds) {
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s`;
  return `about ${Math.round(seconds / 60)} min`;
}

function showSelected() {
  const fact = !marks.active && poses?.facts().find(({ track }) => track === selected);
  shown("selected", fact);
  if (!fact) return;
  const name = clip.result.names[selected];
  $("selected-title").textContent = poses.name(selected);
  $("selected-colour").style.background = poses.colour(selected);
  const score = Number.isNaN(fact.score) ? "" : `, mean confidence ${fact.score.toFixed(2)}`;
  const seen = fact.frames === 1 ? "1 frame" : `${fact.frames} frames`;
  $("name-value").placeholder = name ?? `Animal ${selected}`;
  $("selected-facts").textContent = `${name ? `Animal ${selected}, seen` : "Seen"} in ${seen}, from ${fact.first} to ${fact.last}${score}.`;
  const others = clip.result.tracks.filter((track) => track !== selected);
  $("merge-value").replaceChildren(...others.map((track) => new Option(poses.name(track), track)));
  $("merge").hidden = !others.length;
}

function showEdits() {
  const { edits = 0, saved = null } = clip.result ?? {};
  shown("edits", !marks.active && (edits || saved));
  $("undo").disabled = !edits;
  const count = edits === 1 ? "1 edit" : `${edits} edits`;
  $("edits-text").textContent = `${count}, saved as ${saved}. The original is kept.`;
}

function showFrame(frame) {
  if (!clip) return;
  $("scrub").value = frame;
  const seconds = frame / clip.fps;
  const time = `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
  $("place").textContent = `${time} · frame ${frame} of ${Math.max(clip.frames - 1, 0)}`;
  $("scrub").setAttribute("aria-valuetext", $("place").textContent);
  $("split").textContent = `Split at frame ${frame}`;
  if (poses) lanes.mark(selected, new Set(poses.of(frame).map(({ track }) => track)));
  placeHead(frame);
}

function placeHead(frame) {
  const lane = $("lanes").querySelector("canvas");
  shown("playhead", lane && !$("lanes").hidden);
  if (!lane) return;
  const area = lane.getBoundingClientRect();
  const left = area.left - $("timeline").getBoundingClientRect().left;
  $("playhead").style.left = `${left + (area.width * (frame + 0.5)) / Math.max(clip.frames, 1)}px`;
}

function select(track) {
  fail(null);
  selected = track === selected ? null : track;
  showSelected();
  showFrame(player.frame);
  player.paint();
}

// ---- what the user does ----

async function send(file) {
  if (file.size > settings.maxBytes) {
    throw new Error(`${file.name} is too large: the limit is ${settings.maxBytes / 1e9} GB. Cut it into shorter videos.`);
  }
  sending = new AbortController();
  shown("start", false);
  shown("work", true);
  for (const id of ["ask", "player", "timeline", "downloads", "selected", "edits"]) shown(id, false);
  showProgress({ title: `Reading ${file.name}`, state: "running", done: 0 }, true);
  try {
    const state = await upload(file, (share) => ($("bar").value = share), sending.signal);
    settings.clips.push({ id: state.id, name: state.name });
    listClips();
    await open(state.id);
  } catch (error) {
    start();
    throw error;
  } finally {
    sending = null;
    $("file").value = "";
  }
}

/** Draw the tracks on the video, unless that is done already, and save it. */
async function saveVideo() {
  const { id } = clip;
  if (!clip.result.drawn) {
    await take(await post(`/api/clips/${id}/draw`));
    while (clip?.id === id && clip.job) await new Promise((resolve) => setTimeout(resolve, POLL));
  }
  if (clip?.id === id && clip.result.drawn) await save(`/api/clips/${id}/pose.mp4`);
}

function listClips() {
  $("clips").replaceChildren(...settings.clips.map(({ id, name }) => new Option(name, id)));
}

async function edit(kind, track, more = {}) {
  await attempt(async () => {
    const state = await post(`/api/clips/${clip.id}/edits`, { kind, track, ...more });
    // The same animal stays chosen under its new number.
    if (kind === "renumber" && selected === track) selected = more.value;
    await take(state);
  });
}

$("file").onchange = () => $("file").files.length && attempt(() => send($("file").files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file && !sending) attempt(() => send(file));
  });
}
$("new").onclick = () => attempt(async () => start());
$("clips").onchange = () => attempt(() => open($("clips").value));
$("go").onclick = () =>
  attempt(async () => {
    const order = {
      boxes: marks.boxes,
      pose: $("pose").value,
      tracker: $("tracker").value,
      smooth: $("smooth").checked,
      flip_test: $("flip").checked,
    };
    const state = await post(`/api/clips/${clip.id}/track`, order);
    again = false;
    await take(state);
  });
$("find").onclick = () =>
  attempt(async () => {
    player.video.pause();
    $("find").disabled = true;
    try {
      const boxes = await post(`/api/clips/${clip.id}/find`, { frame: player.frame });
      if (!boxes.length) throw new Error("No animal was found in this frame; draw a box, or go to another frame.");
      boxes.filter((box) => !marks.has(box)).forEach((box) => marks.add(box));
    } finally {
      $("find").disabled = false;
    }
  });
$("again").onclick = () => {
  again = true;
  show();
};
$("keep").onclick = () => {
  again = false;
  show();
};
$("cancel").onclick = () =>
  attempt(async () => {
    if (sending) sending.abort();
    else await take(await post(`/api/clips/${clip.id}/cancel`));
  });
$("add-box").onclick = () => marks.add();
$("undo").onclick = () => attempt(async () => take(await post(`/api/clips/${clip.id}/undo`)));
$("rename").onsubmit = (event) => {
  event.preventDefault();
  const given = $("name-value").value.trim();
  if (given === (clip.result.names[selected] ?? "")) return;
  const number = /^[0-9]{1,10}$/.test(given);
  edit(number ? "renumber" : "name", selected, number ? { value: Number(given) } : { name: given });
  $("name-value").value = "";
};
$("merge").onsubmit = (event) => {
  event.preventDefault();
  edit("merge", selected, { value: Number($("merge-value").value) });
};
$("split").onclick = () => edit("split", selected, { value: player.frame });
$("delete").onclick = () => edit("delete", selected);

player.onframe = showFrame;
player.onstate = (playing) => {
  $("play").classList.toggle("playing", playing);
  $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
};
$("play").onclick = () => player.toggle();
$("back").onclick = () => player.step(-1);
$("forward").onclick = () => player.step(1);
$("scrub").oninput = () => player.seek($("scrub").valueAsNumber);
$("speed").onchange = () => (player.video.playbackRate = Number($("speed").value));
new ResizeObserver(() => clip && placeHead(player.frame)).observe($("timeline"));
$("picture").addEventListener("click", (event) => {
  if (!poses || marks.active) return;
  const [x, y] = player.point(event);
  const inside = poses
    .of(player.frame)
    .filter(({ box }) => box && x >= box[0] && y >= box[1] && x <= box[0] + box[2] && y <= box[1] + box[3])
    .sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3]);
  if (inside.length) select(inside[0].track);
});
addEventListener("keydown", (event) => {
  if (!clip?.playable || event.ctrlKey || event.metaKey || event.altKey) return;
  // Controls keep the keys that they use themselves.
  if (event.target.closest("input, select, button, summary, a")) return;
  const far = event.shiftKey ? 10 : 1;
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.step(-far),
    ArrowRight: () => player.step(far),
    Home: () => player.seek(0),
    End: () => player.seek(clip.frames - 1),
    Escape: () => selected !== null && select(selected),
  };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
});

await attempt(async () => {
  settings = await get("/api/settings");
  Object.assign(look, settings.look);
  $("pose").replaceChildren(...settings.poses.map((name) => new Option(name)));
  $("tracker").replaceChildren(...settings.trackers.map((name) => new Option(name)));
  listClips();
  const wanted = location.hash.slice(1);
  const there = settings.clips.map(({ id }) => id);
  if (there.includes(wanted)) await open(wanted);
  else if (there.length) await open(there.at(-1));
  else start();
  $("formats").replaceChildren(
    ...settings.formats.map(({ name, label }) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.textContent = label;
      link.id = `download-${name}`;
      link.onclick = (event) => {
        event.preventDefault();
        attempt(() => save(`/api/clips/${clip.id}/export/${name}`));
      };
      link.href = `#${name}`;
      item.append(link);
      return item;
    }),
  );
  $("download-video").onclick = () => attempt(saveVideo);
});
