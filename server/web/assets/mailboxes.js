// Pages work without this. It keeps what they show current: one stream of
// events, and only where there is something to show.

/** @param {Element} box @param {string} field */
const part = (box, field) => box.querySelector(`[data-field="${field}"]`);

/** @param {string} at a time, or undefined */
const moment = (at) => (at ? new Date(at).toLocaleString() : "–");

/** Shows how a mailbox is doing. @param {any} e */
function mailbox(e) {
  const box = document.querySelector(`[data-mailbox="${CSS.escape(e.id)}"]`);
  if (!box) return;
  if (e.gone) {
    box.remove();
    return;
  }
  const state = part(box, "state");
  state.textContent = e.state;
  state.className = `state ${e.state}`;
  const reason = part(box, "reason");
  reason.hidden = !e.reason;
  reason.textContent = e.reason ? [e.reason.detail, e.reason.help].filter(Boolean).join(": ") : "";
  part(box, "backlog").textContent = e.backlog.messages;
  part(box, "last").textContent = e.last_sync_at ? moment(e.last_sync_at) : "never";
  part(box, "next").textContent = moment(e.next_sync_at);
}

if (document.getElementById("boxes")) {
  const events = new EventSource("/api/v1/events");
  events.addEventListener("mailbox", (e) => mailbox(JSON.parse(e.data)));
  events.addEventListener("reset", () => location.reload());
  addEventListener("pagehide", () => events.close());
}
