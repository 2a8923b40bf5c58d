# ruff: noqa: E501 - a rule of the style sheet is one line
"""The page's style sheet: light, dark, narrow and printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from qos.report import theme


def style_sheet() -> str:
    """The whole style sheet; colours come from :mod:`qos.report.theme`."""
    light, dark = _variables({}), _variables(theme.DARK)
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) "
        f"{{ color-scheme: dark; {dark} }} }}\n"
        f"@media print {{ :root, :root[data-theme=dark] {{ color-scheme: light; {light} }} }}\n"
        + _RULES.replace("FONT", theme.FONT)
    )


def _variables(swap: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {swap.get(colour, colour)};" for colour, name in theme.CSS_NAMES.items())


_RULES: Final = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 FONT; overflow-wrap: anywhere; }
main, header, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
header > div { min-width: 0; }
header { display: flex; align-items: flex-start; justify-content: space-between; gap: 16px; padding-top: 28px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 19px; line-height: 1.3; margin: 0 0 2px; }
h3 { font-size: 13px; margin: 10px 0 0; overflow-wrap: anywhere; }
.sub { color: var(--muted); margin: 4px 0 0; }
button { font: inherit; font-size: 13px; color: var(--ink); background: transparent; border: 1px solid var(--rule);
  border-radius: 6px; padding: 4px 10px; cursor: pointer; white-space: nowrap; }
.answer { border-left: 4px solid var(--blue); padding: 2px 0 2px 16px; margin: 22px 0 26px; }
.answer .first { font-size: 20px; line-height: 1.4; font-weight: 600; margin: 0 0 6px; }
.answer ul { margin: 0; padding-left: 18px; }
.answer li { margin: 3px 0; overflow-wrap: anywhere; }
section { margin: 34px 0; break-inside: avoid; }
.reading, .note, figcaption { color: var(--muted); font-size: 13.5px; margin: 0 0 4px; max-width: 92ch; }
.keys { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 12.5px; margin: 6px 0 0; padding: 0; list-style: none; }
.keys li { min-width: 0; }
.keys svg { width: 26px; height: 12px; margin-right: 6px; vertical-align: -1px; }
.note { font-size: 12.5px; margin-top: 6px; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); gap: 4px 26px; }
.panels.wide { grid-template-columns: minmax(0, 1fr); }
.panel { min-width: 0; margin: 0; break-inside: avoid; }
.chart { width: 100%; overflow: hidden; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { overflow-wrap: normal; text-align: right; padding: 5px 10px; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; color: var(--muted); font-size: 12px; line-height: 1.25; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child, td.name, th.name, td.words { text-align: left; }
td { vertical-align: top; }
td.words { white-space: normal; min-width: 24ch; overflow-wrap: anywhere; }
tbody + tbody { border-top: 2px solid var(--rule); }
td.best { font-weight: 700; }
.chip { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; background: var(--grey); }
.chip.Guaranteed { background: var(--blue); }
.chip.Burstable { background: var(--green); }
.chip.BestEffort { background: var(--vermilion); }
.classes { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--muted); margin: 8px 0 0; padding: 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 18px; font-size: 13.5px; margin: 8px 0; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-family: ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', monospace; font-size: 12.5px; }
footer { color: var(--muted); font-size: 12.5px; padding-bottom: 40px; }
@media (max-width: 600px) {
  main, header, footer { padding-left: 14px; padding-right: 14px; }
  h1 { font-size: 21px; }
  .answer .first { font-size: 17px; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: 6px; }
}
@media print {
  @page { margin: 14mm; }
  body { font-size: 11pt; }
  main, header, footer { max-width: none; padding: 0; }
  button { display: none; }
  section { margin: 20px 0; }
  footer { padding-bottom: 0; }
  h2, .reading, .keys, h3 { break-after: avoid; }
  .panels { grid-template-columns: repeat(auto-fit, minmax(205px, 1fr)); gap: 4px 14px; }
  .panels.wide { grid-template-columns: minmax(0, 1fr); }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  td.name { white-space: normal; overflow-wrap: anywhere; }
  th, td { padding: 2px 3px; }
}
"""
