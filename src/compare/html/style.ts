// How the page looks: on screens light and dark, wide and narrow, and on paper.

const light = `--paper:#fff;--ink:#1a1a1a;--soft:#555;--grid:#d9d9d9;--panel:#f6f6f4;--hatch:rgba(0,0,0,.5);--inside:#fff;
--c0:#0072b2;--c1:#b34700;--c2:#007a5a;--c3:#8a4f7d;--c4:#8a6d00;--c5:#2f7fb5;--c6:#444;--c7:#a03030;
--f0:#9cc9e6;--f1:#f0b98c;--f2:#8fd3bb;--f3:#dfb3cf;--f4:#efe08a;--f5:#cfe6f5;--f6:#d0d0d0;--f7:#eab0a8`;
const dark = `--paper:#16181a;--ink:#e8e8e6;--soft:#a8a8a4;--grid:#3a3d40;--panel:#1f2225;--hatch:rgba(255,255,255,.4);--inside:#111;
--c0:#6db8ea;--c1:#f0a060;--c2:#4fc9a4;--c3:#dba3c9;--c4:#e6cf5a;--c5:#a5d3f0;--c6:#c8c8c8;--c7:#ee9b90;
--f0:#1f4f70;--f1:#6e4220;--f2:#1f5c4a;--f3:#5f3f57;--f4:#5c5018;--f5:#35566b;--f6:#4a4a4a;--f7:#6b3a34`;

const numbered = Array.from(
  { length: 8 },
  (_, i) => `.c${i}{fill:var(--f${i})}.m${i}{color:var(--c${i})}.t${i} th{color:var(--c${i})}`,
).join('\n');

export const pageStyle = `:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
@media print{:root{color-scheme:light;${light}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main,header,footer{max-width:892px;margin:0 auto;padding:0 16px}
h1{font-size:1.5rem;line-height:1.25;margin:1.5rem 0 .5rem}
h2{font-size:1.25rem;line-height:1.3;margin:2.5rem 0 .5rem;padding-top:1rem;border-top:2px solid var(--ink)}
h3{font-size:1.05rem;margin:0}
p{margin:.25rem 0}
.soft,figcaption p,.settings{color:var(--soft);font-size:.875rem}
.notice{border-left:4px solid var(--c1);padding-left:.6rem}
.failure{border-left:4px solid var(--c7);padding-left:.6rem;font-weight:600}
.verdict{background:var(--panel);border-left:4px solid var(--c2);margin:1rem 0;padding:.6rem 1rem .6rem 2rem}
.verdict li{margin:.2rem 0}
ul{padding-left:1.2rem;margin:.25rem 0}
p,li,h1,h2,td,th,summary{overflow-wrap:anywhere}
figure{margin:1.75rem 0;break-inside:avoid}
figcaption{margin-bottom:.5rem}
svg{display:block;max-width:100%;height:auto}
svg.defs{position:absolute}
svg.narrow{display:none}
svg.swatch{display:inline-block;vertical-align:-1px}
svg text{font-size:12px;fill:var(--ink)}
svg text.small{font-size:11px;fill:var(--soft)}
svg text.strong{font-weight:700}
svg text.inside{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.axis path{stroke:var(--grid);fill:none}
.axis text{font-size:11px;fill:var(--soft)}
.edge,.cell{stroke:var(--ink);stroke-width:1}
.predicted{stroke-dasharray:4 3}
.hatch{stroke:var(--hatch);stroke-width:1.2;fill:none}
.queued{fill:var(--soft)}
.working{fill:var(--ink)}
.waiting{fill:url(#p0);stroke:var(--soft);stroke-width:.5}
.interval{stroke:currentcolor;stroke-width:2;fill:none}
.interval.range{stroke-dasharray:3 3}
.mark{fill:currentcolor;fill-opacity:.45;stroke:currentcolor;stroke-width:1}
.median{stroke:var(--ink);stroke-width:2.5}
g[data-model]:hover .edge,rect[data-model]:hover,g[data-winner]:hover .cell{stroke-width:3}
${numbered}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.875rem}
.curve{min-height:300px}
.curve:focus-visible,.scroll:focus-visible,summary:focus-visible,th:focus-visible,a:focus-visible{outline:3px solid var(--c0);outline-offset:2px}
output{display:block;min-height:1.4em;font-size:.875rem;font-variant-numeric:tabular-nums}
.uplot{font-family:inherit}
.uplot .u-legend{text-align:left;font-size:.875rem;margin:0}
.uplot .u-legend th{padding:2px 6px;font-weight:600}
.uplot .u-legend .u-off{text-decoration:line-through}
.u-select{background:var(--grid);opacity:.5}
.hint{color:var(--soft);font-size:.8rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.8125rem;font-variant-numeric:tabular-nums}
.scroll table{margin:.25rem 0}
.scroll th,.scroll td{padding:.15rem .6rem;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap;overflow-wrap:normal}
.scroll th[scope=row],.scroll thead th:first-child{text-align:left}
details{margin:.35rem 0}
summary{cursor:pointer;font-size:.875rem;color:var(--soft)}
nav ul{display:flex;flex-wrap:wrap;gap:0 1rem;list-style:none;padding:0}
a{color:var(--c0)}
footer{margin:3rem auto 2rem;color:var(--soft);font-size:.875rem}
@media screen and (max-width:640px){svg.wide{display:none}svg.narrow{display:block}body{font-size:15px}.scroll th[scope=row]{white-space:normal;max-width:45vw;min-width:6rem}}
@media print{@page{margin:12mm}body{font-size:11pt}main,header,footer{max-width:none;padding:0}details:not([open]),.hint,output,nav{display:none}
.scroll{overflow:visible}.scroll table{font-size:7.5pt}.scroll th,.scroll td{padding:.1rem .3rem;white-space:normal}h2{break-after:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
