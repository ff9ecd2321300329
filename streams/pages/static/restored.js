// The restored video, fetched once and played from memory, and the desensitised one beside it at the same moment.

const DRIFT_S = 0.12;

async function fetched(address, tell) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const size = Number(answer.headers.get("content-length")), parts = [];
  let have = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    have += value.length;
    tell(`Fetching: ${Math.round(100 * have / size)} %`);
  }
  return URL.createObjectURL(new Blob(parts, { type: "video/mp4" }));
}

// The desensitised one follows: exactly while the restored one stands still, closely while it plays.
function together(restored, shown) {
  const align = (drift) => {
    if (Math.abs(shown.currentTime - restored.currentTime) > drift) shown.currentTime = restored.currentTime;
  };
  const rest = () => {
    shown.pause();
    align(0);
  };
  restored.addEventListener("play", () => shown.play().catch(() => {}));
  restored.addEventListener("ratechange", () => { shown.playbackRate = restored.playbackRate; });
  restored.addEventListener("timeupdate", () => align(restored.paused ? 0 : DRIFT_S));
  for (const kind of ["pause", "ended"]) restored.addEventListener(kind, rest);
  for (const kind of ["seeking", "seeked"]) restored.addEventListener(kind, () => align(0));
}

function attach() {
  const button = document.getElementById("show"), pair = document.getElementById("pair");
  if (!button || button.dataset.ready) return;
  button.dataset.ready = "";
  const restored = document.getElementById("restored"), loading = document.getElementById("loading");
  const tell = (text) => { loading.textContent = text; };
  restored.addEventListener("error", () => tell("This browser can't play it. Keep the file, and play it elsewhere."));
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      restored.src = await fetched(pair.dataset.file, tell);
      together(restored, document.getElementById("public"));
      tell("");
      button.hidden = true;
      restored.focus();
      restored.play().catch(() => {});
    } catch (error) {
      button.disabled = false;
      tell(`It can't be fetched: ${error.message}. Try again; the case may not be open any more.`);
    }
  });
}

document.addEventListener("fresh", attach);
attach();
