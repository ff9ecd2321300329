// Lists cameras and videos, plays one. A finished video is the plain file; a growing one is fed to Media Source
// Extensions chunk by chunk, so that playing follows the recording.
"use strict";

const LIST_MS = 3000, FOLLOW_MS = 700, TYPE = 'video/mp4; codecs="avc3.640033"';
const at = (id) => document.getElementById(id);
const player = at("player");
let chosenCamera = "", playing = null, turn = 0;

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function button(text, pressed, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.setAttribute("aria-pressed", pressed);
  made.addEventListener("click", act);
  return made;
}

function cell(row, content, kind = "") {
  const made = row.insertCell();
  made.append(content);
  made.className = kind;
}

function stateOf(video) {
  const notes = [video.ended ? "complete" : "live"];
  if (video.missing) notes.push(`${video.missing} chunks missing`);
  if (video.conflicts) notes.push(`${video.conflicts} other versions kept`);
  if (video.fault) notes.push(video.fault);
  return notes.join(", ");
}

async function list() {
  const cameras = await json("cameras");
  if (!chosenCamera && cameras.length) chosenCamera = cameras[0].camera_id;
  at("cameras").replaceChildren(...cameras.map((camera) => {
    const item = document.createElement("li");
    const text = `${camera.camera_id} (${camera.videos})${camera.live ? " · live" : ""}`;
    item.append(button(text, camera.camera_id === chosenCamera, () => { chosenCamera = camera.camera_id; list(); }));
    return item;
  }));
  if (!chosenCamera) return;
  at("camera").textContent = `Videos of ${chosenCamera}`;
  const videos = await json(`videos?camera=${encodeURIComponent(chosenCamera)}`);
  at("videos").replaceChildren(...videos.map((video) => {
    const row = document.createElement("tr");
    const when = new Date(video.capture_ms).toLocaleString();
    cell(row, button(when, playing === video.video_id, () => play(video)));
    cell(row, `${video.seconds.toFixed(1)} s`);
    cell(row, String(video.frames));
    cell(row, `${(video.bytes / 2 ** 20).toFixed(2)} MiB`);
    cell(row, stateOf(video), video.fault || video.missing ? "fault" : "");
    return row;
  }));
}

function play(video) {
  playing = video.video_id;
  turn += 1;
  at("title").textContent = video.video_id;
  at("state").textContent = "";
  if (video.ended || !window.MediaSource || !MediaSource.isTypeSupported(TYPE)) {
    player.src = `videos/${video.video_id}.mp4`;
  } else {
    follow(video.video_id, turn).catch((error) => { at("state").textContent = error.message; });
  }
  player.play().catch(() => {});
  list();
}

async function follow(id, mine) {
  const source = new MediaSource();
  player.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  URL.revokeObjectURL(player.src);
  const buffer = source.addSourceBuffer(TYPE);
  const append = (data) => new Promise((done, failed) => {
    buffer.addEventListener("updateend", done, { once: true });
    buffer.addEventListener("error", () => failed(new Error("the video can't be decoded")), { once: true });
    buffer.appendBuffer(data);
  });
  for (let have = 0; mine === turn;) {
    const video = await json(`videos/${id}`);
    if (have === 0) {
      // begin near the live edge, at a chunk border
      const late = video.places.slice(-3);
      have = late.length ? late[0].at : video.init_bytes;
      await append(await bytes(id, 0, video.init_bytes));
    }
    if (video.bytes > have) {
      await append(await bytes(id, have, video.bytes));
      have = video.bytes;
      const kept = buffer.buffered;
      if (kept.length && player.currentTime < kept.start(0)) player.currentTime = kept.start(0);
    } else if (video.ended) {
      source.endOfStream();
      return;
    }
    await new Promise((done) => setTimeout(done, FOLLOW_MS));
  }
}

async function bytes(id, from, to) {
  const answer = await fetch(`videos/${id}.mp4`, { headers: { Range: `bytes=${from}-${to - 1}` } });
  if (answer.status !== 206) throw new Error(`${id}: ${answer.status}`);
  return answer.arrayBuffer();
}

const again = () => list().catch((error) => { at("state").textContent = error.message; });
again();
setInterval(again, LIST_MS);
