"""Alerts and dashboard."""
import json
import re

import promql_parser

from checks.base import CHART, expect

expressions_seen: set[str] = set()
alerts_seen: set[str] = set()


def check_metrics(where, rendered, known):
    """Alerts and dashboard: expressions are PromQL over metrics that there are; alerts explain themselves."""
    rules = [rule for item in rendered.all("PrometheusRule") for group in item["spec"]["groups"] for rule in group["rules"]]
    boards = [json.loads(text) for item in rendered.all("ConfigMap") if item["metadata"]["name"].endswith("-dashboard")
              for text in item["data"].values()]
    shown = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    for text in [rule["expr"] for rule in rules] + shown:
        if text in expressions_seen:
            continue
        expressions_seen.add(text)
        try:
            promql_parser.parse(text.replace("$__rate_interval", "5m"))
        except ValueError as error:
            expect(False, f"{where}: no PromQL: {text}: {error}")
        for name in re.findall(r"\bpinseal_\w+", text):
            expect(re.sub(r"_(bucket|sum|count)$", "", name) in known, f"{where}: {name} is no metric: {text}")
        for code in re.findall(r"\b[A-Z]+_[A-Z_]+\b", text):
            expect(code in known, f"{where}: {code} is no refusal code: {text}")
    for board in boards:
        for name in (name for name in known if name.startswith("pinseal_")):
            expect(re.search(rf"\b{name}(_bucket)?\b", " ".join(shown)), f"{where}: the dashboard does not show {name}")
        expect(len({panel["id"] for panel in board["panels"]}) == len(board["panels"]), f"{where}: panels of one number")
    anchors = set(re.findall(r'<a id="([^"]+)"></a>`(\w+)`', (CHART / "README.md").read_text()))
    for rule in rules:
        annotations = rule["annotations"]
        expect(annotations.get("summary") and annotations.get("description"), f"{where}: {rule['alert']} says nothing")
        expect(rule["labels"]["severity"] in ("critical", "warning", "info"), f"{where}: {rule['alert']}: severity")
        expect((rule["alert"].lower(), rule["alert"]) in anchors, f"{where}: the chart's README does not explain {rule['alert']}")
        url = annotations.get("runbook_url")
        expect(url is None or url.endswith(f"#{rule['alert'].lower()}"), f"{where}: {rule['alert']}: {url}")
        alerts_seen.add(rule["alert"])
