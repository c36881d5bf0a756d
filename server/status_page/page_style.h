#pragma once

namespace derin::server {

// Of the status page, in light and dark.
inline constexpr char kPageStyle[] = R"css(
:root { color-scheme: light dark;
  --ground: #f4f5f7; --card: #fff; --ink: #1b2230; --faint: #667085; --line: #e0e4ea;
  --training: #2563c9; --validation: #c4540a; --good: #137a43; --warn: #9a6200; --bad: #c02b2b; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #11151c; --card: #1a202a; --ink: #e6eaf1; --faint: #97a3b6; --line: #2c3542;
  --training: #78aaff; --validation: #ffab70; --good: #55cf8e; --warn: #f0b955; --bad: #ff8585; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 1.2rem 1rem 2rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .4rem .8rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.5rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
.faint { color: var(--faint); } .right { margin-left: auto; }
.pill { border: 1px solid; border-radius: 1rem; padding: 0 .6rem; font-size: .85rem; white-space: nowrap; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: .7rem; margin-top: .9rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.job { margin-bottom: .7rem; }
a { color: var(--training); }
.row { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem .8rem; }
.figure { font-size: 1.6rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.25; }
.label { color: var(--faint); font-size: .85rem; }
.split { display: grid; grid-template-columns: minmax(0, 1fr) 18rem; gap: 1rem; margin-top: .5rem; align-items: center; }
@media (max-width: 44rem) { .cards { grid-template-columns: 1fr 1fr; } .split { grid-template-columns: minmax(0, 1fr); } }
dl { display: grid; grid-template-columns: auto 1fr; gap: .15rem .8rem; margin: 0; }
dt { color: var(--faint); } dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.bar { height: .45rem; border-radius: .3rem; background: var(--line); overflow: hidden; margin-top: .6rem; }
.bar i { display: block; height: 100%; background: var(--training); }
.scroll { overflow-x: auto; padding: .3rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--faint); font-size: .85rem; }
th, td { padding: .3rem 1rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; } .number { text-align: right; }
td.why { white-space: normal; min-width: 12rem; }
.chart { display: block; max-width: 100%; height: auto; }
.chart polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.chart polyline.training { stroke: var(--training); } .chart circle.training { fill: var(--training); }
.chart polyline.validation { stroke: var(--validation); stroke-dasharray: 6 3; }
.chart circle.validation { fill: var(--validation); }
.chart .grid { stroke: var(--line); fill: none; } .chart text { fill: var(--faint); font-size: 12px; }
.key-training { color: var(--training); } .key-validation { color: var(--validation); }
)css";

}  // namespace derin::server
