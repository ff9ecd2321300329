// Lists cameras and videos, plays one. A finished video is the plain file; a growing one is fed to Media Source
// Extensions piece by piece, so that playing follows the recording.
"use strict";

const LIST_MS = 3000, FOLLOW_MS = 700, TYPE = 'video/mp4; codecs="avc3.640033"';
// Seconds kept behind and read ahead of what plays, and bytes a request: a browser takes only so much at once.
// `GAP_S`: how long before a gap a player may begin to wait.
const KEEP_S = 60, AHEAD_S = 60, GAP_S = 1, PIECE = 4 * 2 ** 20;
const at = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const player = at("player"), shown = new Map();
let chosenCamera = "", playing = null, turn = 0;

async function ask(path, status, headers = {}) {
  const answer = await fetch(path, { headers });
  if (answer.status !== status) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

const json = async (path) => (await ask(path, 200)).json();

function button(key, text, pressed, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.dataset.key = key;
  made.setAttribute("aria-pressed", pressed);
  made.addEventListener("click", act);
  return made;
}

// Make the children of an element anew only if `data`, what they show, has changed; the focus stays where it was.
function show(id, data, make) {
  const state = JSON.stringify(data), parent = at(id);
  if (shown.get(id) === state) return;
  shown.set(id, state);
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...make());
  if (focused !== undefined) [...parent.querySelectorAll("button")].find((b) => b.dataset.key === focused)?.focus();
}

function stateOf(video) {
  const notes = [video.ended ? "complete" : "live"];
  if (video.missing) notes.push(`${video.missing} ${video.missing === 1 ? "chunk" : "chunks"} missing`);
  if (video.conflicts) notes.push(`${video.conflicts} other ${video.conflicts === 1 ? "version" : "versions"} kept`);
  if (video.fault && !(video.missing && video.fault === "MissingChunk")) notes.push(`fault: ${video.fault}`);
  return notes.join(", ");
}

function cameraItem(camera) {
  const item = document.createElement("li");
  const text = `${camera.camera_id} (${camera.videos})${camera.live ? " · live" : ""}`;
  item.append(button(camera.camera_id, text, camera.camera_id === chosenCamera, () => {
    chosenCamera = camera.camera_id;
    refresh();
  }));
  return item;
}

function videoRow(video) {
  const row = document.createElement("tr");
  const when = new Date(video.capture_ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const cells = [
    button(video.video_id, when, playing === video.video_id, () => play(video)),
    `${video.seconds.toFixed(1)} s`, String(video.frames), `${(video.bytes / 2 ** 20).toFixed(2)} MiB`, stateOf(video),
  ];
  for (const content of cells) row.insertCell().append(content);
  row.lastChild.className = video.fault || video.missing ? "state fault" : "state";
  return row;
}

async function list() {
  const cameras = await json("cameras");
  if (!chosenCamera && cameras.length) chosenCamera = cameras[0].camera_id;
  show("cameras", [cameras, chosenCamera], () => cameras.map(cameraItem));
  const asked = chosenCamera;
  const videos = asked ? await json(`videos?camera=${encodeURIComponent(asked)}`) : [];
  if (asked !== chosenCamera) return;
  at("camera").textContent = asked ? `Videos of ${asked}` : "No camera has sent video yet";
  show("videos", [videos, playing], () => videos.map(videoRow));
}

const refresh = () => list().then(
  () => { at("service").textContent = ""; },
  (error) => { at("service").textContent = `The list can't be refreshed: ${error.message}`; },
);

const say = (text) => { at("state").textContent = text; };

function play(video) {
  playing = video.video_id;
  turn += 1;
  at("title").textContent = video.video_id;
  say("");
  player.hidden = false;
  if (video.ended || !window.MediaSource || !MediaSource.isTypeSupported(TYPE)) {
    player.src = `videos/${video.video_id}.mp4`;
  } else {
    follow(video.video_id, turn);
  }
  player.play().catch(() => {});
  refresh();
}

async function follow(id, mine) {
  const source = new MediaSource();
  player.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  URL.revokeObjectURL(player.src);
  if (mine !== turn) return;
  const feed = { id, source, buffer: source.addSourceBuffer(TYPE), have: 0 };
  for (let more = true; mine === turn && source.readyState === "open"; more || await pause(FOLLOW_MS)) {
    try {
      more = await grow(feed, () => mine === turn);
      if (mine !== turn) return;
      say("");
      skipGap();
    } catch (error) {
      // what the player can't decode it says itself; anything else may be better at the next turn
      more = false;
      if (mine === turn && !player.error) say(error.message);
    }
  }
}

// Append what the video has grown by, one piece; whether there is more. `wanted` ends when another video plays.
async function grow(feed, wanted) {
  const video = await json(`videos/${feed.id}`);
  if (feed.have === 0) {
    const init = await piece(feed.id, 0, video.init_bytes);
    if (!wanted()) return false;
    await change(feed.buffer, () => feed.buffer.appendBuffer(init));
    // begin near the live edge, at a chunk border
    const late = video.places.slice(-3);
    feed.have = late.length ? late[0].at : video.init_bytes;
  }
  if (feed.have === video.bytes && video.ended && wanted()) feed.source.endOfStream();
  const kept = feed.buffer.buffered, until = kept.length ? kept.end(kept.length - 1) : 0;
  if (feed.have === video.bytes || until - player.currentTime > AHEAD_S) return false;
  const to = Math.min(video.bytes, feed.have + PIECE);
  const data = await piece(feed.id, feed.have, to);
  if (!wanted()) return false;
  await change(feed.buffer, () => feed.buffer.appendBuffer(data));
  feed.have = to;
  const old = player.currentTime - KEEP_S;
  if (kept.length && old - kept.start(0) > KEEP_S) await change(feed.buffer, () => feed.buffer.remove(0, old));
  return to < video.bytes;
}

function change(buffer, act) {
  return new Promise((done, failed) => {
    buffer.addEventListener("updateend", done, { once: true });
    buffer.addEventListener("error", () => failed(new Error("the video can't be decoded")), { once: true });
    act();
  });
}

const piece = async (id, from, to) =>
  (await ask(`videos/${id}.mp4`, 206, { Range: `bytes=${from}-${to - 1}` })).arrayBuffer();

// A lost chunk leaves a gap, at which Media Source Extensions would wait for ever, up to a few pictures before it:
// a player that waits there goes on behind it.
function skipGap() {
  const ranges = player.buffered, now = player.currentTime, near = player.seeking ? 0 : GAP_S;
  if (!player.src.startsWith("blob:") || player.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) return;
  for (let i = 0; i < ranges.length; i++) {
    if (ranges.start(i) <= now && now < ranges.end(i) - near) return;
    if (ranges.start(i) > now) {
      player.currentTime = ranges.start(i);
      return;
    }
  }
}

async function keepFresh() {
  for (;;) {
    await refresh();
    await pause(LIST_MS);
  }
}

player.addEventListener("waiting", skipGap);
player.addEventListener("error", () => say("The video can't be played: it is damaged or out of reach."));
keepFresh();
