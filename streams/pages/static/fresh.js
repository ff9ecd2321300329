// Keeps a server-rendered page fresh: the same page is asked for again, and what has changed in it is put in place.
// `data-fresh`: elements with an id that are kept fresh. One with `data-key` is replaced when its key has changed;
// else only its `data-part`s are, so that a playing video stays. The focus stays where it was.
// The header says that nobody asked: a session that only a page keeps busy ends as an idle one does.

const EVERY_MS = 3000;
const notice = document.getElementById("notice");
const LOST = "This page can't be brought up to date";

function swap(old, fresh) {
  const held = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(fresh);
  if (held) document.getElementById(held)?.focus();
}

function renew(old, fresh) {
  if (old.dataset.list !== undefined) return renewList(old, fresh);
  const parts = [...old.querySelectorAll("[data-part]")], news = [...fresh.querySelectorAll("[data-part]")];
  if (!parts.length || old.dataset.key !== fresh.dataset.key || parts.length !== news.length) {
    if (old.outerHTML !== fresh.outerHTML) swap(old, fresh);
    return;
  }
  parts.forEach((part, i) => { if (part.outerHTML !== news[i].outerHTML) swap(part, news[i]); });
}

function renewList(old, fresh) {
  const known = new Map([...old.children].map((child) => [child.id, child]));
  let place = old.firstElementChild;
  for (const child of [...fresh.children]) {
    const mine = known.get(child.id);
    known.delete(child.id);
    if (!mine) {
      old.insertBefore(child, place);
      continue;
    }
    if (mine === place) place = place.nextElementSibling;
    else old.insertBefore(mine, place);
    renew(mine, child);
  }
  for (const gone of known.values()) gone.remove();
}

export async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html", "Sealframe-Fresh": "1" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of [...document.querySelectorAll("[data-fresh]")]) {
    const fresh = page.getElementById(old.id);
    if (fresh) renew(old, fresh);
  }
  document.dispatchEvent(new Event("fresh"));
}

for (;;) {
  await new Promise((done) => setTimeout(done, EVERY_MS));
  if (document.hidden) continue;
  try {
    await refresh();
    if (notice.textContent.startsWith(LOST)) notice.textContent = "";
  } catch (error) {
    notice.textContent = `${LOST}: ${error.message}. Trying again.`;
  }
}
