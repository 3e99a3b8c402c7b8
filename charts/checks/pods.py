"""The pods of a render, and what selects them; the Pod of helm test."""
import re

from checks.base import NAME, NAMESPACE, expect, minor, program_text

# Options of pinseal serve without a value.
FLAGS = {"public-good-beside", "rekor-lookup", "self-managed-tls", "tuf-refresh"}


def check_pod(where, rendered, version, values, options):
    deployment = rendered.one("Deployment")
    template = deployment["spec"]["template"]
    pod, labels = template["spec"], template["metadata"]["labels"]
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        expect(not pod.get(name), f"{where}: {name}")
    security = pod["securityContext"]
    expect(security["runAsNonRoot"] and security["runAsUser"] == 65532, f"{where}: runs as another user")
    expect(security["seccompProfile"] == {"type": "RuntimeDefault"}, f"{where}: no seccomp profile")
    for container in pod["containers"] + pod.get("initContainers", []):
        security = container["securityContext"]
        expect(security["allowPrivilegeEscalation"] is False and not security.get("privileged"), f"{where}: privileged")
        expect(security["capabilities"] == {"drop": ["ALL"]}, f"{where}: capabilities")
        expect(security["readOnlyRootFilesystem"] is True, f"{where}: writes to its root")
        expect("limits" in container["resources"] and "cpu" not in container["resources"]["limits"], f"{where}: limits")
        expect(not any(port.get("hostPort") for port in container["ports"]), f"{where}: host port")
        volumes, mounts = {v["name"] for v in pod["volumes"]}, container["volumeMounts"]
        expect(volumes == {m["name"] for m in mounts}, f"{where}: volumes and mounts differ")
        expect(all((m.get("readOnly") or m["name"] in ("tuf", "keys")) and "subPath" not in m for m in mounts),
               f"{where}: a mount is writable or a subPath")
        for argument in container["args"][1:]:
            option = re.fullmatch(r"--([a-z-]+)(=.+)?", argument)
            expect(option and option[1] in options and bool(option[2]) != (option[1] in FLAGS), f"{where}: pinseal serve has no option {argument}")
    expect(all(set(v) - {"name"} <= {"secret", "configMap", "emptyDir"} for v in pod["volumes"]), f"{where}: kinds of volumes")
    for volume in pod["volumes"]:
        expect(volume["name"] != "keys" or volume["emptyDir"]["medium"] == "Memory", f"{where}: keys on disk")
    container = pod["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    arguments = dict(a[2:].split("=", 1) for a in container["args"][1:] if "=" in a)
    expect(arguments["listen"].endswith(f":{ports['webhook']}"), f"{where}: listens elsewhere than its port says")
    expect(arguments["ops-listen"].endswith(f":{ports['ops']}"), f"{where}: listens elsewhere than its port says")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        expect(container[probe]["httpGet"]["port"] == "ops", f"{where}: {probe}")
    delay = int(arguments.get("shutdown-delay", "0s").removesuffix("s"))
    expect(delay == values["shutdown"]["propagationSeconds"], f"{where}: answers too short while it leaves")
    drain = int(arguments["drain-timeout"].removesuffix("s"))
    expect(pod["terminationGracePeriodSeconds"] > delay + drain, f"{where}: is killed while it drains")
    expect(re.search(r":[^/]+$|@sha256:", container["image"]), f"{where}: the image has neither tag nor digest")

    # Selectors
    selector = {"app.kubernetes.io/name": "pinseal", "app.kubernetes.io/instance": NAME}
    expect(deployment["spec"]["selector"] == {"matchLabels": selector}, f"{where}: the Deployment's selector")
    expect(selector.items() <= labels.items(), f"{where}: the pods lack the selector's labels")
    service = rendered.one("Service")
    expect(service["spec"]["selector"] == selector, f"{where}: the Service's selector")
    expect({p["targetPort"] for p in service["spec"]["ports"]} <= set(ports), f"{where}: the Service's target ports")
    for kind, path in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector"), ("PodMonitor", "selector"),
                       ("ServiceMonitor", "selector")):
        for item in rendered.all(kind):
            expect(item["spec"][path] == {"matchLabels": selector}, f"{where}: {kind}: its selector")
    expect(selector.items() <= service["metadata"]["labels"].items(), f"{where}: no ServiceMonitor finds the Service")
    for monitor in rendered.all("PodMonitor") + rendered.all("ServiceMonitor"):
        (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
        expect(endpoint["port"] in {p["name"] for p in service["spec"]["ports"]} & set(ports), f"{where}: monitored port")
    for constraint in pod.get("topologySpreadConstraints", []):
        expect(constraint["labelSelector"] == {"matchLabels": selector}, f"{where}: spread: its selector")
    for scaler in rendered.all("HorizontalPodAutoscaler"):
        expect(scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"], f"{where}: scales another")
    expect(bool(rendered.all("HorizontalPodAutoscaler")) != ("replicas" in deployment["spec"]), f"{where}: two set replicas")
    for budget in rendered.all("PodDisruptionBudget"):
        expect(budget["apiVersion"] == ("policy/v1" if minor(version) >= 21 else "policy/v1beta1"), f"{where}: budget")
    for account in rendered.all("ServiceAccount"):
        expect(account["metadata"]["name"] == pod["serviceAccountName"], f"{where}: another ServiceAccount")


def check_test(where, rendered, values):
    """The Pod of helm test."""
    tests = [item for item in rendered.hooks() if item["metadata"]["annotations"]["helm.sh/hook"] == "test"]
    pods = [item for item in tests if item["kind"] == "Pod"]
    wanted = values["tests"]["enabled"] and not values["webhook"]["clientCA"]["configMap"]
    expect(len(pods) == wanted and bool(tests) == wanted, f"{where}: test: {len(pods)} Pods")
    for pod in pods:
        spec, service = pod["spec"], rendered.one("Service")
        selector = service["spec"]["selector"]
        expect(not selector.items() <= pod["metadata"]["labels"].items(), f"{where}: test: the Service would send to it")
        expect(spec["automountServiceAccountToken"] is False and spec["restartPolicy"] == "Never", f"{where}: test: Pod")
        expect(spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"},
               f"{where}: test: security")
        (container,) = spec["containers"]
        security = container["securityContext"]
        expect(security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
               and security["readOnlyRootFilesystem"] is True, f"{where}: test: security of the container")
        expect(container["image"] == rendered.one("Deployment")["spec"]["template"]["spec"]["containers"][0]["image"],
               f"{where}: test: another image")
        expect(container["args"][0] == "check", f"{where}: test: another command")
        options = dict(argument[2:].split("=", 1) for argument in container["args"][1:])
        known = re.findall(r"var (\w+)", re.sub(r"func .*", "", program_text("pinseal/Check.swift").split("func validate")[0]))
        spelt = {re.sub(r"(?<=[a-z])([A-Z]+)", r"-\1", name).lower() for name in known}
        expect(set(options) <= spelt, f"{where}: test: pinseal check has no option {set(options) - spelt}")
        host = f"{service['metadata']['name']}.{NAMESPACE}.svc"
        ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
        expect(options["url"] == f"https://{host}:{ports['webhook']}" and options["ops-url"] == f"http://{host}:{ports['ops']}",
               f"{where}: test: asks elsewhere")
        (volume,) = spec["volumes"]
        if "secret" in volume:
            expect([item["key"] for item in volume["secret"]["items"]] == ["ca.crt"], f"{where}: test: sees more than the authority")
            mounted = [v["secret"]["secretName"] for v in rendered.one("Deployment")["spec"]["template"]["spec"]["volumes"]
                       if v["name"] == "tls"] or [rendered.one("Secret")["metadata"]["name"]]
            expect([volume["secret"]["secretName"]] == mounted, f"{where}: test: another Secret")
        else:
            (held,) = [item for item in tests if item["kind"] == "ConfigMap"]
            expect(held["data"]["ca.crt"] == values["certificates"]["existingSecret"]["caBundle"], f"{where}: test: authority")
        for policy in rendered.all("NetworkPolicy"):
            expect(any(rule.get("from") == [{"podSelector": {"matchLabels": {
                "app.kubernetes.io/name": "pinseal-test", "app.kubernetes.io/instance": NAME}}}]
                for rule in policy["spec"]["ingress"]), f"{where}: test: the network policy keeps it out")
