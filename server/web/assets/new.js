// Shows a connection test as it goes. Without this the form sends itself, and
// the next page has all the steps at once.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("server"));

/** Calls back for each line of JSON of a body. @param {ReadableStream<Uint8Array>} body @param {(v: any) => void} each */
async function lines(body, each) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const all = (rest + value).split("\n");
    rest = all.pop() ?? "";
    for (const line of all) if (line) each(JSON.parse(line));
  }
}

if (form) {
  const trying = document.getElementById("trying");
  const list = trying.querySelector("ol");
  const due = [...list.children];
  const buttons = [...form.querySelectorAll("button")];

  /** Marks a step as ended. They come in the order of the wire, which is not the same everywhere. @param {any} step */
  const ended = (step) => {
    const item = due.find((o) => o.dataset.step === step.name);
    if (!item) return;
    const mark = item.querySelector(".mark");
    mark.textContent = step.ok ? mark.dataset.ok : mark.dataset.failed;
    item.className = step.ok ? "went" : "stuck";
    item.querySelector("[data-ms]").textContent = `${step.ms} ms`;
    list.insertBefore(item, list.querySelector(".due"));
  };

  /** Sends the form itself. @param {string} step */
  const go = (step) => {
    for (const b of buttons) b.disabled = true;
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "step";
    field.value = step;
    form.append(field);
    form.submit();
  };

  form.addEventListener("submit", async (e) => {
    if (e.submitter?.value !== "test") return;
    e.preventDefault();
    const body = new URLSearchParams(new FormData(form, e.submitter));
    for (const b of buttons) b.disabled = true;
    for (const o of due) o.className = "due";
    trying.hidden = false;
    trying.scrollIntoView({ block: "nearest" });
    let next = "test"; // whatever goes wrong here, the form can say it
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/jsonl" } });
      if (answer.ok && answer.body)
        await lines(answer.body, (line) => {
          if (line.step) ended(line.step);
          if (line.tested) {
            form.elements.namedItem("tested").value = line.tested;
            next = "tested";
          }
        });
    } catch {
      // the form goes the other way
    }
    go(next);
  });

  addEventListener("pageshow", (e) => {
    if (!e.persisted) return;
    for (const b of buttons) b.disabled = false;
    for (const f of form.querySelectorAll('input[type="hidden"][name="step"]')) f.remove();
    trying.hidden = true;
  });
}
