// What htmx does not do: forms as JSON, files dropped in, and the rows of a live tree.
"use strict";

htmx.defineExtension("json", {
  onEvent(name, event) {
    if (name === "htmx:configRequest" && event.detail.verb !== "get")
      event.detail.headers["Content-Type"] = "application/json";
    return true;
  },
  encodeParameters(request, parameters) {
    const data = {};
    for (const [key, value] of parameters.entries()) {
      if (key.endsWith("[]")) (data[key] ??= []).push(value);
      else data[key] = value;
    }
    return JSON.stringify(data);
  },
});

const byId = (id) => document.getElementById(id);

function say(message) {
  const line = document.createElement("p");
  line.className = "problem";
  line.textContent = message;
  byId("messages").replaceChildren(line);
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig?.verb !== "get") byId("messages").replaceChildren();
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig?.verb !== "get")
    say("The studio does not answer. Is it still running? Start it again with: centerlm studio");
});

// Rows. A row is put over the one with its id; a new one under its parent, if that is loaded.
const order = (path) => path.split(".").map(Number);
function before(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] < b[i];
  return a.length < b.length;
}
const made = document.createElement("template");

function upsert(path, html, onlyNew) {
  const old = byId(`s-${path}`);
  if (old && onlyNew) return;
  const level = byId(`k-${path.includes(".") ? path.slice(0, path.lastIndexOf(".")) : ""}`);
  if (!old && !level?.hasAttribute("data-loaded")) return;
  made.innerHTML = html;
  const now = made.content.firstElementChild;
  if (!old) {
    const mine = order(path);
    const next = [...level.children].find((row) => before(mine, order(row.id.slice(2))));
    level.insertBefore(now, next ?? null);
    return;
  }
  const was = old.querySelector(":scope > details"), is = now.querySelector(":scope > details");
  const focused = old.contains(document.activeElement) && document.activeElement.closest(".row");
  if (was && is) {
    const head = was.querySelector(":scope > summary"), fresh = is.querySelector(":scope > summary");
    if (head.classList.contains("chosen")) fresh.classList.add("chosen");
    const inside = focused === head, link = inside && document.activeElement.tagName === "A";
    head.innerHTML = fresh.innerHTML;
    old.className = now.className;
    if (link) head.querySelector("a")?.focus({ preventScroll: true });
    return;
  }
  const link = focused && document.activeElement.tagName === "A";
  if (old.querySelector(":scope > .row.chosen")) now.querySelector(".row").classList.add("chosen");
  old.replaceWith(now);
  if (link) now.querySelector("a")?.focus({ preventScroll: true });
}

document.addEventListener("toggle", async (event) => {
  const details = event.target, url = details.dataset?.below;
  const level = url && details.querySelector(":scope > ul");
  if (!level || !details.open || level.hasAttribute("data-loaded")) return;
  level.setAttribute("data-loaded", "");
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(answer.status);
    made.innerHTML = await answer.text();
    const rows = [...made.content.children];
    if (level.children.length) for (const row of rows) upsert(row.id.slice(2), row.outerHTML, true);
    else level.replaceChildren(...rows);
  } catch {
    level.removeAttribute("data-loaded");
    details.open = false;
    say("These steps cannot be had now. Is the studio still running? Open them again to try again.");
  }
}, true);

// The stream of an episode.
function follow(page) {
  const stream = new EventSource(page.dataset.live);
  stream.addEventListener("tree", (event) => {
    const news = JSON.parse(event.data);
    byId("no-steps")?.remove();
    for (const [path, html] of news.rows) upsert(path, html, false);
    byId("facts").innerHTML = news.facts;
    for (const id of ["outcome", "questions"]) {
      const place = byId(id);
      made.innerHTML = news[id];
      const told = made.innerHTML;
      place.told ??= place.innerHTML; // what the page came with: a person may be typing into it
      if (place.told === told) continue;
      place.innerHTML = place.told = told;
      htmx.process(place);
    }
    tick();
  });
  stream.addEventListener("end", (event) => {
    stream.close();
    const { problem } = JSON.parse(event.data);
    if (problem) say(problem);
    const at = page.dataset.live.split("/live")[0];
    fetch(at).then((answer) => answer.text()).then((text) => {
      const now = new DOMParser().parseFromString(text, "text/html");
      for (const id of ["outcome", "facts"]) byId(id).innerHTML = now.getElementById(id).innerHTML;
      htmx.process(byId("outcome"));
    });
  });
}

function tick() {
  for (const span of document.querySelectorAll("[data-since]"))
    span.textContent = `${Math.max(Date.now() / 1000 - span.dataset.since, 0).toFixed(0)} s`;
}

// Steps and citations are shown beside the tree.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.asked, a.open-cite");
  if (link && byId("detail") && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    const row = link.closest(".row");
    if (row) {
      document.querySelector(".row.chosen")?.classList.remove("chosen");
      row.classList.add("chosen");
    }
    htmx.ajax("GET", link.getAttribute("href"), { target: "#detail", swap: "innerHTML" }).then(() => {
      const detail = byId("detail");
      detail.scrollTop = 0;
      detail.focus({ preventScroll: matchMedia("(min-width: 52.01rem)").matches });
    });
  }
  if (event.target.closest?.("[data-dismiss]")) byId("messages").replaceChildren();
  if (event.target.closest?.("[data-remove]")) event.target.closest("figure").remove();
});

// Up, down, home, end go through the rows that are shown; right and left open and close.
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter")
    event.target.form?.querySelector("button.main")?.click();
  if (event.key === "Escape" && byId("messages").childElementCount) byId("messages").replaceChildren();
  const row = event.target.closest?.(".tree .row");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const details = row.tagName === "SUMMARY" ? row.parentElement : null;
  const link = (to) => to?.querySelector("a.asked")?.focus();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    // Only the rows up to the next one shown are looked at: asking thousands takes half a second.
    const rows = [...document.querySelectorAll(".tree .row")];
    let at = rows.indexOf(row) + step;
    while (rows[at] && !rows[at].checkVisibility()) at += step;
    link(rows[at]);
  } else if (event.key === "ArrowRight" && details && !details.open) details.open = true;
  else if (event.key === "ArrowLeft" && details?.open) details.open = false;
  else if (event.key === "ArrowLeft") link(row.closest("ul")?.previousElementSibling);
  else return;
  event.preventDefault();
});

// Files that are dropped in or chosen.
async function attach(files, place) {
  for (const file of files) {
    const note = document.createElement("p");
    note.textContent = `Taking ${file.name} …`;
    byId("attached").append(note);
    try {
      const answer = await fetch(`${place.dataset.files}?name=${encodeURIComponent(file.name)}`, {
        method: "POST",
        body: file,
        headers: { "Content-Type": "application/octet-stream", "HX-Request": "true" },
      });
      const text = await answer.text();
      if (answer.ok) note.outerHTML = text;
      else {
        note.remove();
        byId("messages").innerHTML = answer.headers.get("content-type")?.includes("html") ? text : "";
        if (!byId("messages").childElementCount) say(JSON.parse(text).error.message);
      }
    } catch {
      note.remove();
      say(`${file.name} could not be sent. Is the studio still running? Drop it again.`);
    }
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const page = document.querySelector("[data-live]");
  if (page) follow(page);
  tick();
  setInterval(tick, 1000);
  const place = byId("drop");
  if (!place) return;
  byId("choose").addEventListener("change", (event) => {
    attach([...event.target.files], place);
    event.target.value = "";
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      place.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") attach([...event.dataTransfer.files], place);
    });
});

// A box of a plan's picture opens the step's card; what is typed once is remembered here.
document.addEventListener("click", (event) => {
  const box = event.target.closest?.("a.box");
  const card = box && byId(box.getAttribute("href").slice(1));
  if (!card) return;
  event.preventDefault();
  card.open = true;
  card.querySelector("summary").focus();
  card.scrollIntoView({ block: "nearest" });
});
document.addEventListener("DOMContentLoaded", () => {
  for (const field of document.querySelectorAll("[data-remember]")) {
    const key = `centerlm-${field.dataset.remember}`;
    field.value ||= localStorage.getItem(key) ?? "";
    field.addEventListener("change", () => localStorage.setItem(key, field.value));
  }
});
