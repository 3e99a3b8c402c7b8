#!/usr/bin/env python3
"""Checks the chart without a cluster: scripts/check-chart runs it.

Every file ci/*-values.yaml and the bare defaults are a case. Each case is linted, rendered for several versions of
Kubernetes and with and without the APIs of others, and every object of it is held against the strict schemas of that
version and against what must be true of it. What the renders cannot show is checked once: refusals, golden files, the
README's table, the names of options, metrics and annotations in the program.

    check.py            check
    check.py --write    first write the golden files and the README's table anew
"""
import re
import sys

import helm_python as helm

from checks.base import CHART, NAMESPACE, Rendered, VERSIONS, counts, expect, failures, program_text, render
from checks.golden import check_generated_certificate, check_golden
from checks.guard import check_guard
from checks.monitoring import check_metrics
from checks.objects import check_objects, check_rbac, check_webhooks
from checks.pods import check_pod, check_test
from checks.program import check_image, check_main_readme, check_memory, check_options, options_of_program
from checks.values import check_readme, check_refusals, check_schema, check_used

OTHERS_APIS = ["cert-manager.io/v1", "monitoring.coreos.com/v1"]


def main():
    write = sys.argv[1:] == ["--write"]
    if sys.argv[1:] and not write:
        sys.exit(__doc__)
    files = sorted((CHART / "ci").glob("*-values.yaml"))
    cases = {"defaults": {}} | {
        file.name.removesuffix("-values.yaml"): helm.values_from_yaml(file.read_text()) for file in files}
    options = options_of_program()
    known = set(re.findall(
        r'"(pinseal_\w+)"', program_text("Webhook/WebhookMetrics.swift", "Telemetry/PrometheusRegistry.swift")))
    known |= set(re.findall(r'"([A-Z_]+)"', program_text("Primitives/RefusalCode.swift")))
    with helm.Chart.load(CHART) as chart:
        for case, values in cases.items():
            for message in helm.lint(CHART, values, strict=True, namespace=NAMESPACE)["messages"]:
                expect(message["severity"] < 2, f"lint, {case}: {message['path']}: {message['error']}")
            merged = chart.merge_values(values)
            for version in VERSIONS:
                for apis in ([], OTHERS_APIS) if version == VERSIONS[-1] else ([],):
                    where = f"{case}, Kubernetes {version}" + (", others' APIs" if apis else "")
                    try:
                        rendered = Rendered(render(chart, values, version, apis))
                    except helm.HelmError as error:
                        expect(False, f"{where}: {error}")
                        continue
                    counts["renders"] += 1
                    check_objects(where, rendered, version)
                    check_rbac(where, rendered, merged)
                    check_pod(where, rendered, version, merged, options)
                    check_webhooks(where, rendered, version, merged)
                    check_test(where, rendered, merged)
                    check_metrics(where, rendered, known)
        check_generated_certificate(chart)
        check_refusals(chart)
        check_schema(chart)
        check_options(options)
        check_guard(chart)
        check_used(chart)
        check_memory(chart)
        check_image(chart)
        check_golden(chart, cases, write)
        check_readme(write)
        check_main_readme(options, known)
    for failure in failures:
        print(failure)
    print(", ".join(f"{number} {what}" for what, number in counts.items()) + f": {len(failures)} failed")
    sys.exit(bool(failures))


main()
