// The time line: a slider over the shown hours, a mark that moves with the player, recordings one after another.
import { play } from "/static/player.js";

const at = (id) => document.getElementById(id);
const line = at("timeline"), slider = at("seek"), player = at("player"), said = at("said");
const from = Number(line.dataset.from), to = Number(line.dataset.to);
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);
const runs = () => [...line.querySelectorAll("a[data-video]")].map((link) => ({
  id: link.dataset.video, link, from: Number(link.dataset.from), to: Number(link.dataset.to), live: "live" in link.dataset,
}));
let chosen = null, stop = () => {};

function drawn() {
  for (const run of runs()) run.link.querySelector(".run").toggleAttribute("data-on", run.id === chosen?.id);
}

// A growing one is followed from its newest pictures on; played from an earlier time, it is the file so far.
function show(run, seconds = 0) {
  stop();
  chosen = run;
  drawn();
  at("playing").textContent = `From ${new Date(run.from).toISOString().slice(0, 19).replace("T", " ")}`;
  const say = (text) => { said.textContent = text; };
  stop = play(player, run.id, { live: run.live && !seconds, at: seconds, say });
}

const holds = (ranges, seconds) =>
  [...Array(ranges.length).keys()].some((i) => ranges.start(i) <= seconds && seconds <= ranges.end(i));

function mark(ms) {
  const x = 1000 * (ms - from) / (to - from);
  for (const end of ["x1", "x2"]) at("mark").setAttribute(end, x);
  slider.setAttribute("aria-valuetext", clock(ms));
  at("now").textContent = clock(ms);
}

// Where nothing was recorded, the next recording counts, else the last one.
function seek(ms) {
  const all = runs();
  const run = all.find((one) => one.to > ms) ?? all.at(-1);
  if (!run) return;
  const seconds = Math.max(0, ms - run.from) / 1000;
  const same = chosen?.id === run.id;
  if (same && (!player.src.startsWith("blob:") || holds(player.buffered, seconds))) player.currentTime = seconds;
  else show(run, seconds);
  mark(Math.max(ms, run.from));
}

slider.addEventListener("input", () => seek(Number(slider.value)));
player.addEventListener("timeupdate", () => {
  if (!chosen) return;
  const ms = chosen.from + player.currentTime * 1000;
  if (document.activeElement !== slider) slider.value = ms;
  mark(ms);
});
player.addEventListener("ended", () => {
  const after = runs().find((one) => chosen && one.from >= chosen.to - 1);
  if (after) show(after);
});
document.addEventListener("fresh", drawn);
const first = runs().find((run) => run.id === player.dataset.video);
if (first) show(first, Number(player.dataset.at));
