"""What the checks share: where things are, renders, and what is found out."""
import collections
import json
import pathlib

import yaml
from helm_python import _native  # The public render() does not pass kube_version and api_versions on.

CHARTS = pathlib.Path(__file__).resolve().parent.parent
CHART = CHARTS / "pinseal"
SOURCES = CHARTS.parent / "Sources"
NAME, NAMESPACE = "demo", "webhook-system"
# The lowest version has no published schemas: what is rendered for it is checked in every other way.
VERSIONS, WITHOUT_SCHEMAS = ["1.20", "1.25", "1.28", "1.30", "1.37"], {"1.20"}
failures: list[str] = []
counts: collections.Counter = collections.Counter()


def expect(condition, message):
    counts["assertions"] += 1
    if not condition:
        failures.append(message)


def program_text(*paths):
    return "\n".join((SOURCES / path).read_text() for path in paths)


def render(chart, values, version=VERSIONS[-1], apis=(), name=NAME, namespace=NAMESPACE):
    options = {"name": name, "namespace": namespace, "kube_version": f"v{version}.0", "api_versions": list(apis)}
    return json.loads(_native.call_string("helm_render", chart._raw(), json.dumps(values), json.dumps(options)))


class Rendered:
    """The objects of one render, and its notes."""

    def __init__(self, files):
        self.objects = []
        for path, text in files.items():
            if path.endswith((".yaml", ".yml")):
                self.objects += [(path, item) for item in yaml.safe_load_all(text) if item]

    def hooks(self):
        return [item for _, item in self.objects if "helm.sh/hook" in item["metadata"].get("annotations", {})]

    def all(self, kind):
        hooks = self.hooks()
        return [item for _, item in self.objects if item["kind"] == kind and item not in hooks]

    def one(self, kind):
        found = self.all(kind)
        return found[0] if len(found) == 1 else None


def minor(version):
    return int(version.split(".")[1])
