"""The run as one SVG, written by hand: bars for the rates, bars for the tails, whiskers for the range of the rounds."""

from html import escape
from typing import Any

from benchmarks.report import Cells, figure, values, whole

COLOURS = {
    "echo": "#b8b8b8",
    "crud": "#5b8def",
    "stock": "#e0a030",
    "stock-cached": "#c77f10",
    "palimpsest": "#1f9d63",
    "palimpsest-keyed": "#57c493",
    "palimpsest-2": "#0b5e38",
}
WIDTH, PANEL, LEFT, GAP = 1_000, 260, 60, 70
BAR = 18


def svg(results: dict[str, Any]) -> str:
    cells = results["cells"]
    machine = results["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, PostgreSQL {machine['postgresql']['server_version']}"
    panels = [
        panel(cells, "rate", "PATCH/s, by number of connections", top=70),
        panel(cells, "p99_ms", "p99 in ms, by number of connections", top=70 + PANEL + GAP),
    ]
    contenders = list(dict.fromkeys(cell["contender"] for cell in cells))
    height = 70 + 2 * (PANEL + GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
        f'<text x="{LEFT}" y="20" font-size="15">Autosaves on one machine: {escape(where)}</text>'
        f"{legend(contenders)}{''.join(panels)}</svg>\n"
    )


def legend(contenders: list[str]) -> str:
    return "".join(
        f'<rect x="{LEFT + 130 * at}" y="32" width="12" height="12" fill="{colour(name)}"/>'
        f'<text x="{LEFT + 130 * at + 17}" y="42">{escape(name)}</text>'
        for at, name in enumerate(contenders)
    )


def colour(contender: str) -> str:
    return COLOURS.get(contender, "#888888")


def panel(cells: Cells, what: str, title: str, top: int) -> str:
    groups = sorted({cell["connections"] for cell in cells})
    highest = max(cell[what] for cell in cells) or 1
    bottom, drawn = top + PANEL, []

    def y(value: float) -> float:
        return bottom - value / highest * (PANEL - 30)

    for at, connections in enumerate(groups):
        left = LEFT + 20 + at * (WIDTH - LEFT - 20) / len(groups)
        here = [cell for cell in cells if cell["connections"] == connections]
        for place, contender in enumerate(dict.fromkeys(cell["contender"] for cell in here)):
            found = figure(values(here, what, contender=contender).values())
            assert found
            x = left + place * (BAR + 14)
            middle = x + BAR / 2
            drawn.append(
                f'<rect x="{x:.1f}" y="{y(found.median):.1f}" width="{BAR}" height="{bottom - y(found.median):.1f}" '
                f'fill="{colour(contender)}"/>'
                f'<path d="M{middle:.1f} {y(found.low):.1f}V{y(found.high):.1f}" stroke="black"/>'
                f'<text x="{middle:.1f}" y="{y(found.high) - 4:.1f}" text-anchor="middle" font-size="10">'
                f"{whole(found.median)}</text>"
            )
        drawn.append(f'<text x="{left}" y="{bottom + 16}">{connections} connections</text>')
    axis = f'<path d="M{LEFT} {bottom}H{WIDTH - 10}" stroke="black"/>'
    return f'<text x="{LEFT}" y="{top + 8}" font-size="13">{escape(title)}</text>{axis}{"".join(drawn)}'
