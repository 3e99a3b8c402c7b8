"""Values: what is refused, what they change, what is written about them."""
import json
import re

import helm_python as helm
import yaml

from checks.base import CHART, counts, expect, render
from checks.monitoring import alerts_seen

REFUSED = [
    ({"replica": 3}, "replica"),
    ({"webhook": {"failurePolicy": "fail"}}, "failurePolicy"),
    ({"webhook": {"timeoutSeconds": 31}}, "timeoutSeconds"),
    ({"webhook": {"matchPolicy": "Exact"}}, "matchPolicy"),
    ({"webhook": {"namespaceSelector": {"matchlabels": {}}}}, "matchlabels"),
    ({"certificates": {"mode": "none"}}, "mode"),
    ({"config": {"tls-cert": "elsewhere"}}, "tls-cert"),
    ({"config": {"negative-cache": "5"}}, "negative-cache"),
    ({"image": {"digest": "sha256:abc"}}, "digest"),
    ({"rbac": {"namespaces": ["shop"]}}, "namespaces"),
    ({"certificates": {"mode": "existingSecret"}}, "certificates.existingSecret.name is needed"),
    ({"certificates": {"existingSecret": {"name": "tls"}}}, "set the mode to existingSecret"),
    ({"certificates": {"certManager": {"issuerRef": {"name": "x"}}}}, "set the mode to certManager"),
    ({"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}}, "counted twice"),
    ({"rbac": {"clusterWide": True, "namespaces": [{"name": "shop"}]}}, "no meaning with rbac.clusterWide"),
    ({"rbac": {"namespaces": [{"name": "shop"}, {"name": "shop", "secrets": ["pull"]}]}}, "lists shop twice"),
    ({"trust": {"publicGoodBeside": True}}, "beside what"),
    ({"trust": {"tuf": {"mirror": "https://tuf.example"}}}, "without trust.tuf.refresh"),
    ({"trust": {"tuf": {"refresh": True}, "trustedRoot": {"configMap": "own"}}}, "takes the place of"),
    ({"ops": {"port": 8443}}, "are the same"),
    ({"autoscaling": {"minReplicas": 9}}, "less than autoscaling.minReplicas"),
    ({"degraded": {"enabled": False, "owners": ["widgets.example"]}}, "without degraded.enabled"),
    ({"degraded": {"owners": ["pods"]}}, "owners"),
    ({"rbac": {"namespaces": [{"name": "shop", "secrets": [], "configMaps": []}]}}, "shop is listed with nothing to read"),
    ({"image": {"registry": "ghcr.io/"}}, "registry"),
    ({"annotationGuard": {"users": ["gitops"]}}, "without annotationGuard.enabled"),
    ({"annotationGuard": {"groups": ["platform"]}}, "without annotationGuard.enabled"),
    ({"networkPolicy": {"apiServerCIDRs": ["10.0.0.1/32"]}}, "without networkPolicy.enabled"),
    ({"networkPolicy": {"metricsFrom": [{}]}}, "without networkPolicy.enabled"),
]


def check_refusals(chart):
    for values, text in REFUSED:
        try:
            render(chart, values)
            expect(False, f"{json.dumps(values)} is not refused")
        except helm.HelmError as error:
            expect(text in str(error), f"{json.dumps(values)} is refused, but the message lacks {text!r}: {error}")


def check_schema(chart):
    schema = json.loads((CHART / "values.schema.json").read_text())

    def walk(node, path, values):
        if "properties" not in node:
            return
        expect(node.get("additionalProperties") is False, f"values.schema.json: {path or 'the root'} is open")
        for name, child in node["properties"].items():
            is_open = path == "config" or name == "global" or path.startswith("resources")
            inside = isinstance(values, dict) and name in values
            # Members of what is empty by default are documented by their parent.
            expect(inside or is_open or values in ({}, None), f"values.yaml lacks {path}.{name}, which the schema has")
            walk(child, f"{path}.{name}".lstrip("."), values.get(name) if isinstance(values, dict) else None)
            if "items" in child:
                walk(child["items"], f"{path}.{name}[]", None)
    walk(schema, "", chart.values)


def other_than(value, schema):
    """Another value that the schema takes."""
    if "enum" in schema:
        return next(choice for choice in schema["enum"] if choice != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1 if value < schema.get("maximum", value + 1) else value - 1
    if isinstance(value, str):
        for text in ("5h", "other", "https://other.example", "-----BEGIN CERTIFICATE-----", "sha256:" + 64 * "0"):
            if text != value and re.search(schema.get("pattern", ""), text):
                return text
    if isinstance(value, list):
        items = schema["items"]
        if items["type"] == "object":
            return [{name: "other" for name in items.get("required", ["key"])}]
        return [1] if items["type"] == "integer" else ["others.example"]
    names = schema.get("properties", {})
    return {"matchLabels": {"other": "yes"}} if "matchLabels" in names else {"name" if "name" in names else "other": "yes"}


def check_used(chart):
    """Each value changes what is rendered, in one case or another."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    contexts = [
        {},
        {"networkPolicy": {"enabled": True}, "annotationGuard": {"enabled": True},
         "trust": {"tuf": {"refresh": True}}, "registry": {"ca": {"configMap": "own"}, "proxy": {"https": "http://proxy"}},
         "metrics": {name: {"enabled": True} for name in ("prometheusRule", "dashboard", "serviceMonitor")}},
        {"autoscaling": {"enabled": True}, "metrics": {"podMonitor": {"enabled": True}},
         "webhook": {"clientCA": {"configMap": "own"}}, "trust": {"trustedRoot": {"configMap": "own"}}},
        {"certificates": {"mode": "certManager"}},
        {"certificates": {"mode": "existingSecret", "existingSecret": {"name": "tls"}}},
    ]

    def text(values):
        # But for what is random in a generated certificate.
        rendered = "\n".join(render(chart, values).values())
        return re.sub(r"(caBundle|ca\.crt|tls\.crt|tls\.key): [A-Za-z0-9+/=]{100,}", "", rendered)

    before = [text(context) for context in contexts]

    def walk(node, path, value):
        if isinstance(value, dict) and value and "properties" in node:
            for name, inner in value.items():
                walk(node["properties"][name], [*path, name], inner)
        # The days are inside of the certificate.
        elif path != ["certificates", "generate", "days"]:
            leaf(node, path, value)

    def leaf(node, path, value):
        for context, without in zip(contexts, before):
            changed = json.loads(json.dumps(context))
            inner = changed
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = other_than(inner.get(path[-1], value), node)
            try:
                if text(changed) != without:
                    counts["values"] += 1
                    return
            except helm.HelmError:
                continue
        expect(False, f"values.yaml: {'.'.join(path)} changes nothing")
    walk(schema, [], chart.values)


def documented_values():
    """Rows of the README's table: every value with the comment above it and its default."""
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    rows = []

    def comment(line):
        found = []
        while line > 0 and lines[line - 1].lstrip().startswith("#"):
            line -= 1
            found.insert(0, lines[line].lstrip()[1:].strip())
        return " ".join(found)

    def walk(node, path):
        for key, value in node.value:
            name = ".".join([*path, key.value])
            description = comment(key.start_mark.line)
            if isinstance(value, yaml.MappingNode) and value.value and not description:
                walk(value, [*path, key.value])  # A group: its members speak for themselves.
                continue
            expect(description, f"values.yaml: {name} has no comment")
            default = yaml.safe_load(yaml.serialize(value))
            rows.append((name, description, json.dumps(default, ensure_ascii=False)))
            if path == [] and key.value == "config":
                walk(value, ["config"])
    walk(yaml.compose(text), [])
    return rows


def check_readme(write):
    path = CHART / "README.md"
    rows = ["| value | meaning | default |", "|---|---|---|"]
    for name, description, default in documented_values():
        cell = f"`{default}`" if len(default) <= 60 else "see `values.yaml`"
        rows.append(f"| `{name}` | {description.replace('|', chr(92) + '|')} | {cell} |")
    begin, end = "<!-- values: made by scripts/check-chart --write -->\n", "<!-- end of values -->"
    text = path.read_text()
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    wanted = before + begin + "\n".join(rows) + "\n" + end + after
    if write and rest:
        path.write_text(wanted)
        text = wanted
    explained = set(re.findall(r'<a id="[^"]+"></a>`(\w+)`', text))
    expect(explained == alerts_seen, f"alerts and the chart's README differ: {sorted(explained ^ alerts_seen)}")
    expect(text == wanted and rest, "the table in the chart's README is not that of values.yaml: scripts/check-chart --write")
