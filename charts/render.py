#!/usr/bin/env python3
"""Renders the chart for the end-to-end tests: prints its objects, without those of hooks, as a JSON array.

    render.py NAMESPACE NAME VERSION VALUES.yaml...

VERSION is that of Kubernetes, such as 1.37. What a later file says at its top takes the place of what an earlier one says.
"""
import json
import pathlib
import sys

import helm_python as helm

from checks.base import CHART, Rendered, render


def main(namespace, name, version, *files):
    values = {}
    for file in files:
        values |= helm.values_from_yaml(pathlib.Path(file).read_text(encoding="utf-8"))
    with helm.Chart.load(CHART) as chart:
        rendered = Rendered(render(chart, values, version, name=name, namespace=namespace))
    hooks = rendered.hooks()
    print(json.dumps([item for _, item in rendered.objects if item not in hooks]))


if len(sys.argv) < 5:
    sys.exit(__doc__)
try:
    main(*sys.argv[1:])
except helm.HelmError as error:
    sys.exit(f"helm: {error}")
