"""The look of the package's pages and figures: colours, type, tiles, tables.

`INK`, `MUTED`, `GRID` and `PAPER` are drawn by matplotlib and exchanged for variables in a page, so
that a figure follows the reader's light or dark screen; no other colour may be equal to them.
"""

INK, MUTED, GRID, PAPER, GROUND = "#1b2029", "#5d6674", "#d8dce4", "#fefefe", "#f1f3f6"
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"}
SERIES = (
    "#3f7fd9", "#e07b28", "#2b9c72", "#c94f8c", "#8a63d2", "#a88400", "#2391a5", "#cf4a45",
    "#7d8694", "#6b8e23",
)  # fmt: skip
BLUE, ORANGE = SERIES[:2]  # distinct with every kind of colour vision, on light and dark

THEME = f""":root {{
  color-scheme: light dark;
  --ink: {INK}; --muted: {MUTED}; --grid: {GRID}; --paper: {PAPER}; --ground: {GROUND};
  --blue: {BLUE};
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --ink: #e8ebf0; --muted: #a3acba; --grid: #3a414d; --paper: #1d2129; --ground: #13161b;
  }}
}}
"""
"""Colours of every page, as CSS variables that follow the screen."""

STYLE = (
    THEME
    + """* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 1180px;
  background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { margin: 0 0 1rem; font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .5rem; font-size: 1.05rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .75rem;
  margin: 0 0 1rem; }
dl div, figure, .table { background: var(--paper); border: 1px solid var(--grid);
  border-radius: 8px; }
dl div { padding: .5rem .75rem; }
dt { color: var(--muted); font-size: .85rem; }
dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
figure { margin: 0 0 1rem; padding: 1rem; break-inside: avoid; }
figure svg { display: block; width: 100%; max-width: 520px; height: auto; margin: 0 auto;
  stroke-linejoin: round; }
figcaption, .missing { margin: .5rem 0 0; color: var(--muted); font-size: .9rem; }
.table { overflow-x: auto; padding: 1rem; }
table { width: 100%; border-collapse: collapse; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--grid); text-align: right; }
th { font-weight: 600; }
@media (max-width: 30rem) {
  body { padding: 1rem .5rem 2rem; }
  figure, .table { padding: .75rem .5rem; }
}"""
)
