// What is cut or lost in a narrow window, and when the rules for print hold on a sheet of A4.
const out = {};
const print = document.createElement("style");
const cut = () => [...document.querySelectorAll("main table, main figure svg, pre")].filter((e) => e.checkVisibility() &&
  e.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1).map((e) => (e.caption || e).textContent.slice(0, 60));
const lost = () => [...document.querySelectorAll(".wide, pre")].filter((e) => e.scrollWidth > e.clientWidth + 1 &&
  getComputedStyle(e).overflowX === "visible").length;
document.body.style.width = "320px";
out.narrowPage = document.documentElement.scrollWidth <= Math.max(320, innerWidth);
out.narrowLost = lost();
const folded = () => document.querySelectorAll("details:not([open])").length;
out.folded = [folded()];
dispatchEvent(new Event("beforeprint"));
out.folded.push(folded());
dispatchEvent(new Event("afterprint"));
out.folded.push(folded());
dispatchEvent(new Event("beforeprint"));
for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)
  if (rule instanceof CSSMediaRule && rule.media.mediaText === "print") print.textContent += [...rule.cssRules].map((r) => r.cssText).join("\n");
document.head.append(print);
document.body.style.width = "700px"; // A4 less the margins of a printer
out.rules = print.textContent.length;
out.cut = cut();
out.printed = [getComputedStyle(document.querySelector(".live")).display, getComputedStyle(document.querySelector(".still")).display];
const done = document.createElement("pre"); done.id = "out"; done.textContent = JSON.stringify(out); document.body.append(done);
