"""Make dnslb/web/dashboard/world.json: outlines of countries from Natural Earth (public domain).

    npm pack world-atlas && tar xzf world-atlas-*.tgz
    python bench/outlines.py package/countries-110m.json > dnslb/web/dashboard/world.json

The map is equirectangular, a unit a degree, north up: x from 0 at 180° west, y from 0 at 84° north.
Antarctica is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pycountry

NORTH = 84.0
SOURCE = "Natural Earth 4.1.0, 1:110m, public domain; from world-atlas 2.0.2 on npm"
LEFT_OUT = {"AQ"}
UNCODED = {"Kosovo": "XK"}  # has no ISO 3166 code; databases use this one


def arcs(topology: dict) -> list[list[tuple[float, float]]]:
    """The arcs in degrees: they are stored as differences of whole numbers."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    found = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * sx + tx, y * sy + ty))
        found.append(points)
    return found


def ring(indices: list[int], known: list[list[tuple[float, float]]]) -> str:
    """A ring as path data; one over the 180th meridian twice, so that each edge shows its part."""
    points: list[tuple[float, float]] = []
    for index in indices:
        arc = known[index] if index >= 0 else known[~index][::-1]
        for x, y in arc[1:] if points else arc:
            turns = round((points[-1][0] - x) / 360) if points else 0
            points.append((x + 360 * turns, y))
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    shifts = [0] + [360] * (west < -180.1) + [-360] * (east > 180.1)
    return "".join(outline(points, shift) for shift in shifts)


def outline(points: list[tuple[float, float]], shift: int) -> str:
    steps = [f"{round(x + 180 + shift, 1):g} {round(NORTH - y, 1):g}" for x, y in points]
    kept = [one for at, one in enumerate(steps) if not at or one != steps[at - 1]]
    return "M" + "L".join(kept) + "Z"


def main(path: str) -> None:
    topology = json.loads(Path(path).read_text())
    known = arcs(topology)
    shown = {}
    for shape in topology["objects"]["countries"]["geometries"]:
        name = shape["properties"]["name"]
        country = pycountry.countries.get(numeric=shape.get("id", ""))
        code = country.alpha_2 if country else UNCODED.get(name)
        if code in LEFT_OUT:
            continue
        polygons = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
        path_data = "".join(ring(one, known) for polygon in polygons for one in polygon)
        key = code or f"-{name}"
        if key in shown:
            shown[key]["path"] += path_data
        else:
            shown[key] = {
                "name": getattr(country, "common_name", country.name) if country else name,
                "path": path_data,
            }
    print(
        json.dumps(
            {
                "source": SOURCE,
                "width": 360,
                "height": 142,
                "countries": shown,
            },
            ensure_ascii=False,
            indent=0,
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
