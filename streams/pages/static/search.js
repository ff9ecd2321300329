// Searches without leaving the page, so that the picture stays for another try; dropping a picture; its preview.
// Without this module the forms work all the same: the page comes back with its results.

const results = document.getElementById("results"), notice = document.getElementById("notice");
const drop = document.getElementById("drop"), picture = document.getElementById("picture"), preview = document.getElementById("preview");

async function search(form, submitter) {
  const button = submitter ?? form.querySelector("button"), said = button.textContent;
  const body = new FormData(form, submitter);
  button.disabled = true;
  button.textContent = "Searching …";
  results.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("results");
    if (found) results.replaceChildren(...found.childNodes);
    else results.replaceChildren(...page.getElementById("main").childNodes);
    notice.textContent = "";
  } catch (error) {
    notice.textContent = `The search didn't get through: ${error.message}. Try again.`;
  } finally {
    button.disabled = false;
    button.textContent = said;
    results.removeAttribute("aria-busy");
  }
  number();
  (results.querySelector("#result-title, #which") ?? results).focus();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.search")) return;
  event.preventDefault();
  search(event.target, event.submitter);
});

function show() {
  preview.replaceChildren(...[...picture.files].map((file) => {
    const shown = document.createElement("img");
    shown.alt = `Chosen picture: ${file.name}`;
    shown.src = URL.createObjectURL(file);
    shown.addEventListener("load", () => URL.revokeObjectURL(shown.src), { once: true });
    return shown;
  }));
}

// The faces of the chosen picture with their numbers, where one has to be chosen.
function number() {
  const asked = document.getElementById("faces"), shown = preview?.querySelector("img");
  preview?.querySelector("svg")?.remove();
  if (!asked || !shown) return;
  const made = (name, values, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const drawing = made("svg", { viewBox: `0 0 ${shown.naturalWidth} ${shown.naturalHeight}`, "aria-hidden": true });
  JSON.parse(asked.dataset.boxes).forEach(([left, top, right, bottom], at) => drawing.append(
    made("rect", { x: left, y: top, width: right - left, height: bottom - top }),
    made("text", { x: (left + right) / 2, y: bottom, "font-size": Math.max(24, (right - left) / 2) }, String(at + 1)),
  ));
  preview.append(drawing);
}

if (drop) {
  picture.addEventListener("change", show);
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.toggleAttribute("data-over", true);
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.toggleAttribute("data-over", false));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    picture.files = event.dataTransfer.files;
    show();
  });
}
