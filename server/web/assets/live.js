// Keeps a page current. The server alone knows how to draw: when something has
// happened, the page is fetched again and those parts are exchanged that are
// marked data-live (with an id) and have changed. What has happened comes over one stream of
// events; while that is down, the page is looked at every few seconds instead.

const soon = 400; // ms from an event to looking, so that several make one look
const pause = 3000; // between two looks while events come
const poll = 10_000; // between two looks while the stream is down
const always = 60_000; // in any case: a dead stream may look alive

let looking = false;
let last = 0;
let timer = 0;
let down = false;

/** The page as it is now. A document fetched this way runs nothing.
 * @returns {Promise<XMLHttpRequest>} */
const fetched = () =>
  new Promise((done, failed) => {
    const r = new XMLHttpRequest();
    r.open("GET", location.href);
    r.responseType = "document";
    r.timeout = 20_000;
    r.onload = () => done(r);
    r.onerror = r.ontimeout = failed;
    r.send();
  });

/** Exchanges what differs, as deep down as both have the same parts.
 * @param {Element} old @param {Element} now */
function exchange(old, now) {
  if (old.isEqualNode(now)) return;
  const a = [...old.children];
  const b = [...now.children];
  if (a.length === b.length && a.length && a.every((e, i) => e.id && e.id === b[i].id)) {
    a.forEach((e, i) => exchange(e, b[i]));
    return;
  }
  for (const d of old.querySelectorAll("details[open][id]")) {
    const same = now.querySelector(`#${CSS.escape(d.id)}`);
    if (same) same.setAttribute("open", "");
  }
  old.replaceWith(now);
}

/** Says something to who cannot see it. @param {string} text */
function say(text) {
  const to = document.getElementById("said");
  if (to && text) to.textContent = text;
}

/** What of a page is worth saying when it changes. @param {Document} d */
const sayable = (d) => new Map([...d.querySelectorAll("[data-say]")].map((e) => [e.id, e.getAttribute("data-say") ?? ""]));

async function look() {
  if (looking || document.hidden) return;
  looking = true;
  last = Date.now();
  try {
    const r = await fetched();
    if (r.status === 401 || r.status === 404) return location.reload();
    if (r.status !== 200 || !r.response) return;
    const before = sayable(document);
    const focused = document.activeElement?.id;
    for (const part of document.querySelectorAll("[data-live]")) {
      const now = r.response.getElementById(part.id);
      if (now) exchange(part, document.adoptNode(now));
    }
    if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
    say([...sayable(document)].filter(([id, text]) => before.get(id) !== text).map(([, text]) => text).join(". "));
    tell();
  } catch {
    // The next look may have more luck.
  } finally {
    looking = false;
  }
}

function want() {
  clearTimeout(timer);
  timer = setTimeout(look, Math.max(soon, last + pause - Date.now()));
}

function listen() {
  const events = new EventSource("/api/v1/events");
  for (const name of ["mailbox", "audit", "counters", "reset"]) events.addEventListener(name, want);
  events.onopen = () => {
    down = false;
    want(); // what happened since the page was made
  };
  events.onerror = () => {
    down = true;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, always); // it was refused
  };
  addEventListener("pagehide", () => events.close(), { once: true });
}

/** How far a moment is away, in the words of the page's language. */
function tell() {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang);
  for (const e of document.querySelectorAll("time[data-relative]")) {
    const s = Math.round((Date.parse(e.getAttribute("datetime")) - Date.now()) / 1000);
    if (e.getAttribute("data-relative") === "next" && s <= 0) continue;
    const [n, unit] = Math.abs(s) < 60 ? [s, "second"] : Math.abs(s) < 3600 ? [s / 60, "minute"] : Math.abs(s) < 86400 ? [s / 3600, "hour"] : [s / 86400, "day"];
    e.textContent = words.format(Math.trunc(n), /** @type {Intl.RelativeTimeFormatUnit} */ (unit));
  }
}

export function keepCurrent() {
  listen();
  tell();
  setInterval(tell, 1000);
  setInterval(() => {
    if (Date.now() - last > (down ? poll : always)) look();
  }, 1000);
  document.addEventListener("visibilitychange", want);
  addEventListener("pageshow", (e) => {
    if (e.persisted) location.reload(); // its stream was closed
  });
}
