#!/usr/bin/env python3
"""Installs, changes, tests and removes a release of the chart, for the end-to-end tests: `helm` from PyPI.

    release.py KUBECONFIG NAMESPACE install|upgrade NAME VALUES.json
    release.py KUBECONFIG NAMESPACE rollback NAME REVISION
    release.py KUBECONFIG NAMESPACE test|uninstall NAME

Nothing is waited for, as `helm` does by default. Errors are those of Helm.
"""
import json
import pathlib
import sys

import helm_python as helm

CHART = pathlib.Path(__file__).resolve().parent / "pinseal"


def main(kubeconfig, namespace, action, name, *rest):
    with helm.Config(kubeconfig_path=kubeconfig, namespace=namespace) as config:
        if action in ("install", "upgrade"):
            values = json.loads(pathlib.Path(rest[0]).read_text(encoding="utf-8"))
            with helm.Chart.load(CHART) as chart:
                getattr(config, action)(chart, name, values, namespace=namespace, timeout=150)
        elif action == "rollback":
            config.rollback(name, version=int(rest[0]), timeout=150)
        elif action == "test":
            config.test(name, timeout=150)
        elif action == "uninstall":
            config.uninstall(name, timeout=150)
        else:
            sys.exit(__doc__)


try:
    main(*sys.argv[1:])
except helm.HelmError as error:
    sys.exit(f"helm: {error}")
