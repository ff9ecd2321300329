// The wall: cameras in view play what they record; those out of view rest.
import { play } from "/static/player.js";

const PACE_MS = 700, PACE_EACH_MS = 90;
const running = new Map();

function start(player) {
  if (running.has(player)) return;
  const said = player.closest("li").querySelector(".trouble");
  const say = (text) => {
    said.textContent = text;
    said.hidden = !text;
  };
  const pace = Math.max(PACE_MS, PACE_EACH_MS * (running.size + 1));
  running.set(player, play(player, player.dataset.video, { live: true, pace, say }));
}

function stop(player) {
  if (!running.has(player)) return;
  running.get(player)();
  running.delete(player);
  player.removeAttribute("src");
  player.load();
}

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) (isIntersecting ? start : stop)(target);
}, { rootMargin: "200px" });

function watch() {
  for (const player of [...running.keys()]) if (!player.isConnected) stop(player);
  for (const player of document.querySelectorAll("video[data-live]")) seen.observe(player);
}

document.addEventListener("fresh", watch);
watch();
