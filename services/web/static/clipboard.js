// Copying text. Browsers keep navigator.clipboard from pages that came by plain HTTP, as in many labs; the older way
// still works there, while a click or a key is fresh.
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const before = document.activeElement;
  const box = document.createElement("textarea");
  box.value = text;
  box.className = "sr";
  (before?.closest?.("dialog") ?? document.body).append(box); // outside of a modal dialog nothing can be selected
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  before?.focus?.({ preventScroll: true });
  if (!done) throw new Error("this browser lets pages copy by https alone");
}
