#pragma once

/// The style and the script of the page. Without the script everything is there, folded as it was written.
namespace moe {

inline constexpr const char* kPageStyle = R"css(
:root {
  --page: #f5f6f8; --card: #ffffff; --ink: #16191d; --soft: #5d6670; --line: #e0e4e9; --tint: #f0f2f5;
  --pass: #18794e; --flag: #a15c00; --fail: #c62828; --low-power: #6750a4; --partial: #a15c00; --skipped: #6b7480;
  --blue: #2f6fbd; --over: #c62828;
  --h0: #eef3f9; --h1: #d3e3f4; --h2: #a5c8ea; --h3: #639ed8; --h4: #245f9e;
  --h5: #f5a623; --h6: #e2572b; --h7: #b3161b; --h8: #1d1013;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --card: #181c22; --ink: #e8ebef; --soft: #98a2ae; --line: #2b313a; --tint: #20252d;
    --pass: #4cc38a; --flag: #f1a10d; --fail: #ff6b6b; --low-power: #b9a5f5; --partial: #f1a10d; --skipped: #98a2ae;
    --blue: #5b9be3; --over: #ff6b6b;
    --h0: #1f2630; --h1: #223850; --h2: #2a5380; --h3: #3f7fc0; --h4: #8cbcf0;
    --h5: #f1a10d; --h6: #f06a3c; --h7: #ff3b45; --h8: #ffffff;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 48px; }
code, .id, td b, .label { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
small { display: block; font-size: 12px; color: var(--soft); }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 6px;
  padding: 3px 10px; cursor: pointer; }
button:hover, button.on { background: var(--tint); border-color: var(--soft); }
.pass { --now: var(--pass); } .flag { --now: var(--flag); } .fail { --now: var(--fail); }
.low-power { --now: var(--low-power); } .partial { --now: var(--partial); } .skipped { --now: var(--skipped); }
.pill { display: inline-block; min-width: 62px; padding: 1px 8px; border-radius: 99px; font-size: 11px;
  font-weight: 700; letter-spacing: .03em; text-align: center; white-space: nowrap; color: var(--now);
  background: color-mix(in srgb, var(--now) 13%, transparent); }
header { background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--now);
  border-radius: 10px; padding: 18px 24px 20px; }
.what { margin: 0; font-size: 12px; color: var(--soft); }
h1 { margin: 4px 0 2px; font-size: 24px; line-height: 1.3; overflow-wrap: anywhere; }
h1 .pill { font-size: 15px; padding: 4px 14px; margin-right: 6px; vertical-align: 3px; color: var(--card);
  background: var(--now); }
.totals { margin: 0 0 14px; color: var(--soft); }
.share { display: flex; gap: 2px; height: 10px; border-radius: 5px; overflow: hidden; }
.share i { background: var(--now); min-width: 4px; flex-basis: 0; }
.counts { display: flex; flex-wrap: wrap; gap: 8px; margin: 12px 0 4px; }
.count { color: var(--soft); padding: 4px 14px; }
.count b { font-size: 18px; color: var(--now); margin-right: 7px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 18px; margin: 14px 0 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
dd ul { margin: 0; padding: 0; list-style: none; }
nav { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin: 20px 0 10px; color: var(--soft); }
nav input { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 4px 10px; width: 240px; margin-right: 12px; }
nav span:empty { flex: 1; }
.hint { color: var(--soft); margin: 6px 0; }
.case { background: var(--card); border: 1px solid var(--line); border-bottom-width: 0; }
.case:first-child { border-radius: 10px 10px 0 0; }
.case:last-child { border-radius: 0 0 10px 10px; border-bottom-width: 1px; }
.case[hidden] { display: none; }
.line { display: grid; grid-template-columns: 14px 92px minmax(0, 1fr) 170px 185px; gap: 12px;
  align-items: center; padding: 7px 16px; min-height: 38px; }
.line::before { content: ""; }
summary.line { cursor: pointer; list-style: none; }
summary.line::-webkit-details-marker { display: none; }
summary.line::before { content: "›"; color: var(--soft); font-size: 17px; line-height: 1; }
details[open] > summary.line::before { transform: rotate(90deg); }
summary.line:hover { background: var(--tint); }
.line .id { font-size: 13px; min-width: 0; overflow-wrap: anywhere; }
.line .id small { font-family: system-ui, sans-serif; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.line .profile { color: var(--soft); font-size: 12px; }
details[open] > .line .id small { display: none; }
.ratio { white-space: nowrap; }
.bar { display: inline-block; width: 88px; height: 7px; border-radius: 4px; background: var(--tint);
  box-shadow: inset 0 0 0 1px var(--line); overflow: hidden; vertical-align: 1px; }
.bar i { display: block; height: 100%; background: var(--blue); }
.bar.over i { background: var(--over); }
.tensors .bar { width: 76px; }
.num { display: inline-block; min-width: 58px; padding-left: 8px; font-variant-numeric: tabular-nums; }
.num.over { color: var(--over); font-weight: 700; }
.none { color: var(--soft); }
.body { border-top: 1px solid var(--line); padding: 14px 20px 20px; }
.body p { margin: 4px 0 10px; }
.reason { font-size: 15px; font-weight: 600; overflow-wrap: anywhere; }
.odd { color: var(--over); }
.wide { overflow-x: auto; margin: 8px 0 14px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; font-weight: 600; font-size: 12px; color: var(--soft); white-space: nowrap; }
th, td { padding: 4px 14px 4px 0; line-height: 1.35; border-bottom: 1px solid var(--line); vertical-align: top; }
table.tensors { table-layout: fixed; min-width: 1000px; }
.tensors th:nth-child(1) { width: 20%; } .tensors th:nth-child(2) { width: 8.5%; }
.tensors th:nth-child(3) { width: 6.5%; } .tensors th:nth-child(4) { width: 15.5%; }
.tensors th:nth-child(5) { width: 27%; } .tensors th:nth-child(6) { width: 6.5%; }
.tensors th:nth-child(7) { width: 5%; }
.rest summary { cursor: pointer; color: var(--soft); }
td b { font-weight: 600; font-size: 12.5px; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.where { font-variant-numeric: tabular-nums; }
td.ids { font-variant-numeric: tabular-nums; word-spacing: 3px; }
tr:has(+ tr.why) td { border-bottom: 0; }
tr.why td { padding-top: 0; color: var(--now); overflow-wrap: anywhere; }
table.tokens { width: auto; } table.tokens th, table.tokens td { padding-right: 26px; }
.names code { background: var(--tint); border-radius: 4px; padding: 1px 5px; font-size: 12px;
  line-height: 1.8; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 14px 0 8px; font-size: 12px;
  color: var(--soft); }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 5px;
  vertical-align: -2px; background: var(--step); }
.h0 { --step: var(--h0); } .h1 { --step: var(--h1); } .h2 { --step: var(--h2); } .h3 { --step: var(--h3); }
.h4 { --step: var(--h4); } .h5 { --step: var(--h5); } .h6 { --step: var(--h6); } .h7 { --step: var(--h7); }
.h8 { --step: var(--h8); }
path { fill: var(--step, var(--blue)); }
path.base { fill: var(--line); }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)); gap: 10px 36px; }
figure { margin: 0 0 10px; } figcaption { font-size: 13px; font-weight: 600; margin-bottom: 4px; }
.heat { display: grid; grid-template-columns: max-content 1fr max-content; gap: 2px 10px;
  align-items: center; font-size: 11.5px; }
.label { text-align: right; } .peak { color: var(--soft); font-variant-numeric: tabular-nums; }
.strip { display: block; width: 100%; height: 15px; }
.strip.apart path { stroke: var(--card); stroke-width: 1.5px; vector-effect: non-scaling-stroke; }
.ticks { position: relative; height: 15px; color: var(--soft); font-size: 11px; }
.ticks span { position: absolute; transform: translateX(-50%); }
svg.ulps { display: block; width: 96px; height: 21px; margin-top: 2px; }
footer { margin-top: 22px; color: var(--soft); font-size: 12.5px; max-width: 82ch; }
@media (max-width: 760px) {
  .line { grid-template-columns: 14px 92px minmax(0, 1fr); } .line .profile { display: none; }
  .line .ratio { grid-column: 3; } .maps { grid-template-columns: 1fr; }
}
@media print { nav { display: none; } .case { break-inside: avoid-page; } }
)css";

inline constexpr const char* kPageScript = R"js(
"use strict";
const list = document.getElementById("cases"), find = document.getElementById("find");
const cases = [...list.children];
let only = "";
function show() {
  const text = find.value.toLowerCase();
  for (const c of cases)
    c.hidden = (only !== "" && c.dataset.status !== only) || !c.dataset.id.toLowerCase().includes(text);
}
find.addEventListener("input", show);
for (const b of document.querySelectorAll("[data-only]"))
  b.addEventListener("click", () => {
    only = only === b.dataset.only ? "" : b.dataset.only;
    for (const o of document.querySelectorAll("[data-only]")) o.classList.toggle("on", o.dataset.only === only);
    show();
  });
const order = {
  rank: (a, b) => b.dataset.rank - a.dataset.rank || b.dataset.ratio - a.dataset.ratio,
  ratio: (a, b) => b.dataset.ratio - a.dataset.ratio,
  id: (a, b) => a.dataset.id.localeCompare(b.dataset.id),
};
for (const b of document.querySelectorAll("[data-sort]"))
  b.addEventListener("click", () => {
    for (const o of document.querySelectorAll("[data-sort]")) o.classList.toggle("on", o === b);
    list.append(...[...cases].sort(order[b.dataset.sort]));
  });
document.getElementById("fold").addEventListener("click", () => {
  for (const c of cases) c.open = false;
});
)js";

}  // namespace moe
