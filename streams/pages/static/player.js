// Plays a video of the operating platform. A finished one is the plain file; a growing one is fed to Media Source
// Extensions piece by piece, so that playing follows the recording. Where a browser has none (Safari on phones), the
// HLS list over the same file is played.

const TYPE = 'video/mp4; codecs="avc3.640033"', HLS = "application/vnd.apple.mpegurl", FOLLOW_MS = 700;
// Seconds kept behind and read ahead of what plays, and bytes a request: a browser takes only so much at once.
// `GAP_S`: how long before a gap a player may begin to wait.
const KEEP_S = 60, AHEAD_S = 60, GAP_S = 1, PIECE = 4 * 2 ** 20;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function ask(path, status, headers = {}) {
  const answer = await fetch(path, { headers });
  if (answer.status !== status) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

// Plays into a <video>; gives what ends it. `say` takes what the reader should know, "" when there is nothing.
// `pace`: milliseconds between two looks at a video that grows.
export function play(player, id, { live = false, say = () => {}, at = 0, pace = FOLLOW_MS } = {}) {
  const run = { on: true };
  const broken = () => run.on && say("This video can't be played: it is damaged or out of reach.");
  const waiting = () => run.on && skipGap(player);
  player.addEventListener("error", broken);
  player.addEventListener("waiting", waiting);
  say("");
  if (live && window.MediaSource?.isTypeSupported(TYPE)) {
    follow(run, player, id, say, pace);
  } else if (live && player.canPlayType(HLS)) {
    player.src = `/videos/${id}.m3u8`;
  } else {
    player.src = `/videos/${id}.mp4${at > 0 ? `#t=${at}` : ""}`;
  }
  player.play().catch(() => {});
  return () => {
    run.on = false;
    player.removeEventListener("error", broken);
    player.removeEventListener("waiting", waiting);
  };
}

async function follow(run, player, id, say, pace) {
  const source = new MediaSource();
  player.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  URL.revokeObjectURL(player.src);
  if (!run.on) return;
  const feed = { id, player, source, buffer: source.addSourceBuffer(TYPE), have: 0 };
  for (let more = true; run.on && source.readyState === "open"; more || await pause(pace)) {
    try {
      more = await grow(feed, run);
      if (!run.on) return;
      say("");
      skipGap(player);
    } catch (error) {
      // what the player can't decode it says itself; anything else may be better at the next turn
      more = false;
      if (run.on && !player.error) say(`Waiting for the recording: ${error.message}`);
    }
  }
}

// Append what the video has grown by, one piece; whether there is more.
async function grow(feed, run) {
  const { player, buffer } = feed;
  const video = await (await ask(`/videos/${feed.id}?newest=${feed.have ? 0 : 3}`, 200)).json();
  if (feed.have === 0) {
    const init = await piece(feed.id, 0, video.init_bytes);
    if (!run.on) return false;
    await change(buffer, () => buffer.appendBuffer(init));
    // begin near the live edge, at a chunk border
    feed.have = video.places.length ? video.places[0].at : video.init_bytes;
  }
  if (feed.have === video.bytes && video.ended && run.on) feed.source.endOfStream();
  const kept = buffer.buffered, until = kept.length ? kept.end(kept.length - 1) : 0;
  if (feed.have === video.bytes || until - player.currentTime > AHEAD_S) return false;
  const to = Math.min(video.bytes, feed.have + PIECE);
  const data = await piece(feed.id, feed.have, to);
  if (!run.on) return false;
  await change(buffer, () => buffer.appendBuffer(data));
  feed.have = to;
  const old = player.currentTime - KEEP_S;
  if (kept.length && old - kept.start(0) > KEEP_S) await change(buffer, () => buffer.remove(0, old));
  return to < video.bytes;
}

function change(buffer, act) {
  return new Promise((done, failed) => {
    buffer.addEventListener("updateend", done, { once: true });
    buffer.addEventListener("error", () => failed(new Error("it can't be decoded")), { once: true });
    act();
  });
}

const piece = async (id, from, to) =>
  (await ask(`/videos/${id}.mp4`, 206, { Range: `bytes=${from}-${to - 1}` })).arrayBuffer();

// A lost chunk leaves a gap, at which Media Source Extensions would wait for ever, up to a few pictures before it:
// a player that waits there goes on behind it.
function skipGap(player) {
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
