// Searches without leaving the page, so that the picture stays for another try; dropping a picture; its preview.
// Without this module the forms work all the same: the page comes back with its results.

const results = document.getElementById("results"), notice = document.getElementById("notice");
const drop = document.getElementById("drop"), picture = document.getElementById("picture"), preview = document.getElementById("preview");

async function search(form) {
  const button = form.querySelector("button:not([type=button])"), said = button.textContent;
  button.disabled = true;
  button.textContent = "Searching …";
  results.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "text/html" } });
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
  (results.querySelector("#result-title") ?? results).focus();
}

for (const form of document.querySelectorAll("form.search")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search(form);
  });
}

function show() {
  const [file] = picture.files;
  const shown = document.createElement("img");
  preview.replaceChildren();
  if (!file) return;
  shown.alt = `Chosen picture: ${file.name}`;
  shown.src = URL.createObjectURL(file);
  shown.addEventListener("load", () => URL.revokeObjectURL(shown.src), { once: true });
  preview.append(shown);
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
