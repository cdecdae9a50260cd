// Copying text. Browsers keep navigator.clipboard from pages that came by plain HTTP, as in many labs; the older way
// still works there, while a click or a key is fresh.
// Rejected where neither way works: whoever calls says so.
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const before = document.activeElement;
  const box = document.createElement("textarea");
  box.value = text;
  // Out of sight but laid out, as what is display:none cannot be selected.
  box.className = "sr";
  (before?.closest?.("dialog") ?? document.body).append(box); // outside of a modal dialog nothing can be selected
  box.select();
  // It is deprecated and has no successor on plain HTTP; it answers false where it did nothing.
  const done = document.execCommand("copy");
  box.remove();
  before?.focus?.({ preventScroll: true });
  if (!done) throw new Error("this browser lets pages copy by https alone");
}
