import { keepCurrent } from "./live.js";

if (document.querySelector("[data-live]")) keepCurrent();

// The switch between light and dark. A cookie remembers it, so that the server
// makes the next page right from the first moment. Without this script pages
// look as the system wants them.

const box = document.getElementById("theme");
const choice = box.querySelector("select");
box.hidden = false;
choice.addEventListener("change", () => {
  const root = document.documentElement;
  if (choice.value) root.dataset.theme = choice.value;
  else delete root.dataset.theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${choice.value}; Path=/; SameSite=Lax; Max-Age=${choice.value ? 31536000 : 0}${secure}`;
});
