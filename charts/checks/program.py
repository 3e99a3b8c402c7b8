"""Chart, image and READMEs are of one mind with the program."""
import json
import re

import yaml

from checks.base import CHART, CHARTS, Rendered, expect, program_text, render


def options_of_program():
    """The names of the options of pinseal serve, those of its groups included."""
    listed = re.search(r"optionNames: Set<String> = Set\((.*?)\)\n", program_text("pinseal/Serve.swift"), re.S)[1]
    groups = re.findall(r"(\w+)\.names", listed)
    texts = [re.search(r"static let names = \[(.*?)\]", program_text(f"pinseal/{group}.swift"), re.S)[1]
             for group in groups]
    return set(re.findall(r'"([a-z-]+)"', "".join([listed, *texts])))


def check_options(options):
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    by_chart = {"listen", "tls-cert", "tls-key", "client-ca", "ops-listen", "cluster", "registry-ca", "docker-config",
                "shutdown-delay", "drain-timeout", "trusted-root", "public-good-beside", "tuf-refresh", "tuf-mirror",
                "tuf-cache", "rekor-lookup", "events", "degraded-condition", "degraded-owner", "self-managed-tls",
                "tls-secret", "tls-dns-name", "webhook-configuration"}
    never = {"allow-insecure-kubeconfig"}  # There is no kubeconfig in a pod.
    wanted = options - by_chart - never
    expect(wanted == set(schema), "config in values.schema.json and the options of pinseal serve differ: "
           + ", ".join(sorted(wanted ^ set(schema))))


def check_image(chart):
    """The chart and the image are of one version, and of one mind about user, program and ports."""
    (program,) = re.findall(r'version: "([^"]+)"', program_text("pinseal/Pinseal.swift"))
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    expect(str(about["appVersion"]) == program, f"Chart.yaml: appVersion {about['appVersion']}, pinseal --version says {program}")
    told = dict(re.findall(r"^(USER|EXPOSE|ENTRYPOINT) (.+)$", (CHARTS.parent / "scripts/image/Containerfile").read_text(), re.M))
    pod = Rendered(render(chart, {})).one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    security = pod["securityContext"]
    expect(told["USER"] == f"{security['runAsUser']}:{security['runAsGroup']}", f"the image's user is {told['USER']}")
    expect(json.loads(told["ENTRYPOINT"])[0].endswith("/" + container["command"][0]), f"the image runs {told['ENTRYPOINT']}")
    ports = {str(port["containerPort"]) for port in container["ports"]}
    expect(set(told["EXPOSE"].split()) == ports, f"the image tells of the ports {told['EXPOSE']}")


def check_memory(chart):
    """What the bounds let others make of a pod's memory fits into its limit."""
    defaults = {name: number for number, name in re.findall(
        r'default: (\d+)\)"\) var (\w+):', program_text("pinseal/Bounds.swift"))}
    mebibyte = 1 << 20
    bounds = {name: int(chart.values["config"].get(name, defaults[spelt])) for name, spelt in (
        ("max-buffered-bytes", "maxBufferedBytes"), ("max-fetched-bytes", "maxFetchedBytes"), ("cache-bytes", "cacheBytes"))}
    watched = re.search(r"var watches = (\d+).*?var bytes = (\d+) << 10", program_text("Kubernetes/WatchedObjects.swift"), re.S)
    wanted = sum(bounds.values()) + int(watched[1]) * (int(watched[2]) << 10) + 64 * mebibyte
    resources = chart.values["resources"]
    limit = int(resources["limits"]["memory"].removesuffix("Mi")) * mebibyte
    expect(limit >= wanted, f"values.yaml: a pod's limit of {limit} bytes is less than what its bounds allow, {wanted}")
    expect(resources["requests"]["memory"] == resources["limits"]["memory"], "values.yaml: memory that may not be there")


def check_main_readme(options, known):
    """Options of pinseal serve, metrics and refusal codes have their place in the README."""
    text = (CHARTS.parent / "README.md").read_text()
    rows = " ".join(line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `"))
    for name in sorted({f"--{option}" for option in options} | known):
        expect(re.search(rf"`{name}[` ]", rows), f"no table of README.md has {name}")
    metrics = set(re.findall(r"\bpinseal_\w+", text))
    expect(metrics <= known, f"README.md tells of metrics that there are not: {sorted(metrics - known)}")
