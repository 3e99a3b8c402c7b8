#!/usr/bin/env python3
"""Checks the chart without a cluster: scripts/check-chart runs it.

Every file ci/*-values.yaml and the bare defaults are a case. Each case is linted, rendered for several versions of
Kubernetes and with and without the APIs of others, and every object of it is held against the strict schemas of that
version and against what must be true of it. What the renders cannot show is checked once: refusals, golden files, the
README's table, the names of options, metrics and annotations in the program.

    check.py            check
    check.py --write    first write the golden files and the README's table anew
"""
import base64
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import celpy
import helm_python as helm
import kubernetes_validate
import promql_parser
import yaml
from celpy import celtypes
from helm_python import _native  # The public render() does not pass kube_version and api_versions on.

CHARTS = pathlib.Path(__file__).resolve().parent
CHART = CHARTS / "pinseal"
SOURCES = CHARTS.parent / "Sources"
GOLDEN = CHART / "ci" / "golden"
NAME, NAMESPACE = "demo", "webhook-system"
# The lowest version has no published schemas: what is rendered for it is checked in every other way.
VERSIONS, WITHOUT_SCHEMAS = ["1.20", "1.25", "1.28", "1.30", "1.37"], {"1.20"}
OTHERS_APIS = ["cert-manager.io/v1", "monitoring.coreos.com/v1"]
OTHERS_KINDS = {"Certificate", "Issuer", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
CLUSTER_WIDE = {
    "ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
}
# Options of pinseal serve without a value.
FLAGS = {"public-good-beside", "rekor-lookup", "self-managed-tls", "tuf-refresh"}
GOLDEN_CASES = [
    "defaults", "certificate-manager", "existing-secret", "existing-secret-without-bundle", "selectors",
    "no-match-conditions", "self-managed",
]

failures: list[str] = []
counts: collections.Counter = collections.Counter()
schemas_passed: set[tuple[str, str]] = set()
expressions_passed: set[tuple[str, str]] = set()
alerts_seen: set[str] = set()


def expect(condition, message):
    counts["assertions"] += 1
    if not condition:
        failures.append(message)


def render(chart, values, version=VERSIONS[-1], apis=()):
    options = {
        "name": NAME, "namespace": NAMESPACE, "kube_version": f"v{version}.0", "api_versions": list(apis)}
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


# What must be true of every render


def check_objects(where, rendered, version):
    seen = set()
    for path, item in rendered.objects:
        kind, metadata = item["kind"], item["metadata"]
        counts["objects"] += 1
        is_hook = item in rendered.hooks()
        identity = (kind, metadata.get("namespace"), metadata["name"], is_hook)
        expect(identity not in seen, f"{where}: {path}: {kind} {metadata['name']} is there twice")
        seen.add(identity)
        expect(("namespace" in metadata) != (kind in CLUSTER_WIDE), f"{where}: {path}: {kind}: namespace of the object")
        expect(len(metadata["name"]) <= 63, f"{where}: {path}: the name is too long")
        if version in WITHOUT_SCHEMAS:
            continue
        # Most objects are the same in most cases, but for the certificate.
        key = (version, re.sub(r'"(caBundle|[a-z]+\.(?:crt|key))": "[^"]+"', r'"\1": "…"', json.dumps(item)))
        if key in schemas_passed:
            continue
        try:
            kubernetes_validate.validate(item, version, strict=True)
            schemas_passed.add(key)
            counts["schemas"] += 1
        except kubernetes_validate.SchemaNotFoundError:
            expect(kind in OTHERS_KINDS, f"{where}: {path}: Kubernetes {version} has no {item['apiVersion']} {kind}")
        except kubernetes_validate.ValidationError as error:
            expect(False, f"{where}: {path}: {kind}: {error.message[:200]}")


EVENT_RULES = [
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get"]},
]


DEGRADED_RULES = [
    {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["list", "watch"]},
    {"apiGroups": ["apps"], "resources": ["statefulsets/status"], "verbs": ["patch"]},
]


def degraded_rules(values):
    """The rules that the condition Degraded needs, and no others."""
    if not values["degraded"]["enabled"]:
        return []
    owners = [owner.split(".", 1) for owner in values["degraded"]["owners"]]
    return DEGRADED_RULES + [
        {"apiGroups": [group], "resources": [f"{plural}/status"], "verbs": ["get", "patch"]} for plural, group in owners]


def check_rbac(where, rendered, values):
    rbac = values["rbac"]
    roles = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]): item
             for item in rendered.all("ClusterRole") + rendered.all("Role")}
    account = rendered.one("Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    expect(bool(roles) == rbac["create"], f"{where}: roles are made although rbac.create says no, or the reverse")
    is_self_managed = values["certificates"]["mode"] == "selfManaged"
    readable = {entry["name"]: entry for entry in rbac.get("namespaces", [])}
    for (kind, namespace, name), role in roles.items():
        for rule in role["rules"]:
            text = f"{where}: {kind} {namespace or ''}/{name}: {rule}"
            expect("*" not in json.dumps(rule), f"{text}: holds a *")
            if kind == "ClusterRole" and rule in degraded_rules(values):
                continue
            if rule["verbs"] == ["get", "patch"]:
                # Written are exactly the one Secret and the two configurations, by name, and only if Pinseal keeps them.
                expect(is_self_managed, f"{text}: not asked for")
                configurations = {f"{item['kind'].lower()}s": item["metadata"]["name"] for item in
                                  rendered.all("MutatingWebhookConfiguration") + rendered.all("ValidatingWebhookConfiguration")}
                names = configurations if kind == "ClusterRole" else {"secrets": rendered.one("Secret")["metadata"]["name"]}
                (resource,) = rule["resources"]
                expect(rule.get("resourceNames") == [names.get(resource)], f"{text}: not the objects that are kept")
                expect(rule["apiGroups"] == ["admissionregistration.k8s.io" if kind == "ClusterRole" else ""], f"{text}: group")
                expect(kind == "ClusterRole" or namespace == NAMESPACE, f"{text}: another namespace")
                continue
            if kind == "ClusterRole" and rule["apiGroups"] != [""]:
                expect(rule in EVENT_RULES, f"{text}: no rule that serves Events")
                expect(values["events"]["enabled"], f"{text}: not asked for")
                continue
            expect(rule["verbs"] == ["get", "list", "watch"] and rule["apiGroups"] == [""], f"{text}: more than to see core objects")
            expect(set(rule["resources"]) <= {"namespaces", "secrets", "configmaps"}, f"{text}: unexpected resources")
            if set(rule["resources"]) & {"secrets", "configmaps"}:
                expect(rbac["clusterWide"] if kind == "ClusterRole" else namespace in readable, f"{text}: not asked for")
                if kind == "Role":
                    field = {"secrets": "secrets", "configmaps": "configMaps"}[rule["resources"][0]]
                    wanted = readable[namespace].get(field)
                    expect(wanted is None or rule.get("resourceNames") == wanted, f"{text}: not the names asked for")
    rules = [rule for role in roles.values() for rule in role["rules"]]
    expect(not (rbac["create"] and values["events"]["enabled"]) or all(rule in rules for rule in EVENT_RULES),
           f"{where}: a rule that serves Events is missing")
    expect(not rbac["create"] or all(rule in rules for rule in degraded_rules(values)),
           f"{where}: a rule that serves the condition Degraded is missing")
    bound = set()
    for binding in rendered.all("ClusterRoleBinding") + rendered.all("RoleBinding"):
        key = (binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
        expect(key in roles, f"{where}: {binding['kind']} names a role that is not there: {key}")
        bound.add(key)
        expect(binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
               f"{where}: {binding['kind']} has other subjects than the pods' account")
    expect(bound == set(roles), f"{where}: a role is bound to nobody")


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


def check_webhooks(where, rendered, version, values):
    service = rendered.one("Service")
    bundles = set()
    for kind, path in (("MutatingWebhookConfiguration", "/mutate"), ("ValidatingWebhookConfiguration", "/validate")):
        configuration = rendered.one(kind)
        (webhook,) = configuration["webhooks"]
        target = webhook["clientConfig"]["service"]
        bundles.add(webhook["clientConfig"].get("caBundle"))
        expect((target["name"], target["namespace"], target["path"])
               == (service["metadata"]["name"], service["metadata"]["namespace"], path), f"{where}: {kind}: its service")
        expect(target["port"] in {p["port"] for p in service["spec"]["ports"]}, f"{where}: {kind}: the service's port")
        expect(webhook["matchPolicy"] == "Equivalent" and webhook["sideEffects"] == "NoneOnDryRun", f"{where}: {kind}: semantics")
        excluded = [e["values"] for e in webhook["namespaceSelector"]["matchExpressions"]
                    if (e["key"], e["operator"]) == ("kubernetes.io/metadata.name", "NotIn")]
        expect(excluded and {"kube-system", NAMESPACE} <= set(excluded[0]), f"{where}: {kind}: stands before its own")
        expect(("matchConditions" in webhook) == (minor(version) >= 28 and bool(values["webhook"]["matchConditions"])),
               f"{where}: {kind}: matchConditions on Kubernetes {version}")
        expect(webhook["rules"] == [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                                     "resources": ["statefulsets"], "scope": "Namespaced"}], f"{where}: {kind}: rules")
        (hook,) = [item for item in rendered.hooks() if item["kind"] == kind]
        if values["certificates"]["mode"] == "selfManaged":
            argument = f"--webhook-configuration={path[1:].removesuffix('e')}ing/{configuration['metadata']['name']}"
            arguments = rendered.one("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
            expect(argument in arguments, f"{where}: {kind}: nobody writes its caBundle")
            expect(f"--tls-dns-name={service['metadata']['name']}.{NAMESPACE}.svc" in arguments, f"{where}: the certificate's name")
            expect(f"--tls-secret={NAMESPACE}/{rendered.one('Secret')['metadata']['name']}" in arguments, f"{where}: its Secret")
            expect(not configuration["metadata"].get("annotations", {}).keys() & {"cert-manager.io/inject-ca-from"},
                   f"{where}: {kind}: caBundle has two writers")
        expect(hook["metadata"]["name"] == configuration["metadata"]["name"] and hook["webhooks"] == []
               and hook["metadata"]["annotations"] == {
                   "helm.sh/hook": "pre-delete",
                   # Validation goes first: it would refuse what nobody pins any more.
                   "helm.sh/hook-weight": "1" if kind.startswith("Mutating") else "0",
                   "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded,hook-failed",
               }, f"{where}: {kind}: uninstalling would leave it before the pods' place")
    kinds = sorted(item["kind"] for item in rendered.hooks() if item["metadata"]["annotations"]["helm.sh/hook"] != "test")
    expect(kinds == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"], f"{where}: other hooks")
    expect(len(bundles) == 1, f"{where}: the two webhooks trust different authorities")
    mode, secret = values["certificates"]["mode"], rendered.one("Secret")
    if mode == "generate":
        expect(bundles == {secret["data"]["ca.crt"]}, f"{where}: the webhooks do not trust the Secret's authority")
    elif mode == "selfManaged":
        expect(bundles == {None}, f"{where}: caBundle has two writers")
        expect("data" not in secret and "stringData" not in secret and secret["type"] == "Opaque",
               f"{where}: an upgrade would overwrite the Secret")
    else:
        expect(secret is None, f"{where}: a Secret although certificates.mode is {mode}")
    if mode == "certManager":
        expect(bundles == {None}, f"{where}: caBundle has two writers")
        names = [item["spec"]["secretName"] for item in rendered.all("Certificate")]
        mounted = {v["name"]: v for v in rendered.one("Deployment")["spec"]["template"]["spec"]["volumes"]}
        expect(mounted["tls"]["secret"]["secretName"] in names, f"{where}: mounts a Secret that nobody makes")
        annotation = rendered.one("MutatingWebhookConfiguration")["metadata"]["annotations"]
        namespace, name = annotation["cert-manager.io/inject-ca-from"].split("/")
        expect(namespace == NAMESPACE and name in [c["metadata"]["name"] for c in rendered.all("Certificate")],
               f"{where}: the authority of another Certificate would be trusted")


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


def program_text(*paths):
    return "\n".join((SOURCES / path).read_text() for path in paths)


def check_metrics(where, rendered, known):
    """Alerts and dashboard: expressions are PromQL over metrics that there are; alerts explain themselves."""
    rules = [rule for item in rendered.all("PrometheusRule") for group in item["spec"]["groups"] for rule in group["rules"]]
    boards = [json.loads(text) for item in rendered.all("ConfigMap") if item["metadata"]["name"].endswith("-dashboard")
              for text in item["data"].values()]
    shown = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    for text in [rule["expr"] for rule in rules] + shown:
        if (where, text) in expressions_passed:
            continue
        expressions_passed.add((where, text))
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


# What is checked once


def check_generated_certificate(chart):
    files = render(chart, {})
    rendered = Rendered(files)
    data = {name: base64.b64decode(value) for name, value in rendered.one("Secret")["data"].items()}
    host = f"{rendered.one('Service')['metadata']['name']}.{NAMESPACE}.svc"
    with tempfile.TemporaryDirectory() as folder:
        for name, value in data.items():
            pathlib.Path(folder, name).write_bytes(value)

        def openssl(*arguments):
            return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
        verified = openssl("verify", "-CAfile", "ca.crt", "-purpose", "sslserver", "-verify_hostname", host, "tls.crt")
        expect(verified.returncode == 0, f"the generated certificate does not hold for {host}: {verified.stderr}")
        public = [openssl("x509", "-in", "tls.crt", "-noout", "-pubkey"), openssl("pkey", "-in", "tls.key", "-pubout")]
        expect(public[0].stdout and public[0].stdout == public[1].stdout, "the generated key is another's")
    other = Rendered(render(chart, {})).one("Secret")["data"]
    expect(other["tls.key"] != rendered.one("Secret")["data"]["tls.key"], "the generated key is not random")


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
                "shutdown-delay", "drain-timeout", "trusted-root", "public-good-beside", "tuf-refresh", "tuf-mirror", "tuf-cache",
                "rekor-lookup", "events", "degraded-condition", "degraded-owner", "self-managed-tls", "tls-secret",
                "tls-dns-name", "webhook-configuration"}
    never = {"allow-insecure-kubeconfig"}  # There is no kubeconfig in a pod.
    wanted = options - by_chart - never
    expect(wanted == set(schema), "config in values.schema.json and the options of pinseal serve differ: "
           + ", ".join(sorted(wanted ^ set(schema))))


def check_guard(chart):
    """Runs the CEL of the ValidatingAdmissionPolicy on requests."""
    policy = yaml.safe_load_all(render(chart, {"annotationGuard": {
        "enabled": True, "users": ["gitops"], "groups": ["platform"]}})["pinseal/templates/annotation-guard.yaml"])
    spec = next(iter(policy))["spec"]
    (rule,) = spec["matchConstraints"]["resourceRules"]
    expect(set(rule["resources"]) == {"namespaces", "namespaces/finalize", "namespaces/status"}
           and set(rule["operations"]) == {"CREATE", "UPDATE"}, "the guard can be got around by a subresource")
    known = re.findall(r'case \w+(?: = "([\w-]+)")?', re.search(
        r"enum PolicyAnnotation.*?\n  /// The name with", program_text("Policy/PolicyAnnotation.swift"), re.S)[0])
    known = {name or "pin" for name in known}
    (unknown,) = [v["expression"] for v in spec["variables"] if v["name"] == "unknown"]
    named = set(re.findall(r'"pinseal\.dev/([\w-]+)"', unknown))
    expect(known == named, f"the guard and the program know different annotations: {sorted(known ^ named)}")

    environment = celpy.Environment()
    functions = {
        "lowerAscii": lambda text: celtypes.StringType(str(text).lower()),
        "trim": lambda text: celtypes.StringType(str(text).strip()),
        "join": lambda items, by: celtypes.StringType(by.join(items)),
    }

    def evaluate(expression, context):
        program = environment.program(environment.compile(expression), functions=functions)
        return program.evaluate(context)

    def decide(old, new, user="gitops", groups=()):
        def namespace(annotations):
            return {"metadata": {"name": "shop"} | ({"annotations": annotations} if annotations is not None else {})}
        request = {"operation": "UPDATE" if old is not ... else "CREATE",
                   "userInfo": {"username": user} | ({"groups": list(groups)} if groups else {})}
        context = {name: celpy.json_to_cel(value) for name, value in {
            "object": namespace(new), "oldObject": namespace(old) if old is not ... else None, "request": request,
            "variables": {}}.items()}
        for variable in spec["variables"]:
            # filter() of a map gives a list of its keys.
            context["variables"][celtypes.StringType(variable["name"])] = evaluate(variable["expression"], context)
        refusals = []
        for validation in spec["validations"]:
            if not evaluate(validation["expression"], context):
                message = validation.get("messageExpression")
                refusals.append(str(evaluate(message, context)) if message else validation["message"])
        return refusals

    own = "pinseal.dev/"
    pem = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"
    good = {own + "image-verification": "enabled", own + "public-key": pem, own + "ignore-tlog": "true",
            own + "failure-policy": " Warn ", own + "pin": "digest", own + "exempt-images": "a/*"}
    table = [
        ("nothing of ours", None, {"a": "b"}, {"user": "eve"}, None),
        ("a good policy", None, good, {}, None),
        ("a good policy at creation", ..., good, {}, None),
        ("a reference", None, {own + "public-key": "secret://keys/cosign.pub"}, {}, None),
        ("by a group", None, good, {"user": "ann", "groups": ["x", "platform"]}, None),
        ("by a stranger", None, good, {"user": "eve", "groups": ["x"]}, "eve may not change"),
        ("by a stranger at creation", ..., good, {"user": "eve"}, "eve may not change"),
        ("removed by a stranger", good, None, {"user": "eve"}, "eve may not change"),
        ("in capitals by a stranger", None, {"PinSeal.dev/pin": "none"}, {"user": "eve"}, "eve may not change"),
        ("left alone by a stranger", good, good | {"a": "b"}, {"user": "eve"}, None),
        ("misspelt", None, {own + "image-verifcation": "enabled"}, {}, "image-verifcation"),
        ("in capitals", None, {"Pinseal.dev/pin": "none"}, {}, "not known"),
        ("an old mistake left alone", {own + "typo": "x"}, {own + "typo": "x", "a": "b"}, {}, None),
        ("a wrong value", None, {own + "failure-policy": "block"}, {}, "may be Block, Warn"),
        ("a wrong switch", None, {own + "image-verification": "true"}, {}, "may be enabled, disabled"),
        ("a wrong flag", None, {own + "ignore-tlog": "yes"}, {}, "may be true, false"),
        ("a wrong way to pin", None, {own + "pin": "tag"}, {}, "may be tag-and-digest"),
        ("a log's key", None, {own + "rekor-public-key": "configmap://logs/rekor.pub"}, {}, None),
        ("a wrong log's key", None, {own + "rekor-public-key": "rekor.pub"}, {}, "pinseal.dev/rekor-public-key may be"),
        ("a private key", None, {own + "public-key": "-----BEGIN PRIVATE KEY-----\nx"}, {}, "PEM public keys"),
        ("another namespace's key", None, {own + "public-key": "secret://other/keys/pub"}, {}, "PEM public keys"),
    ]
    for title, old, new, who, refusal in table:
        refusals = decide(old, new, **who)
        matches = any(refusal in text for text in refusals) if refusal else not refusals
        expect(matches, f"the guard, {title}: {refusals}")


def golden_text(rendered):
    items = []
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        item = rendered.one(kind)
        item["metadata"]["labels"].pop("helm.sh/chart")
        item["metadata"]["labels"].pop("app.kubernetes.io/version")
        for webhook in item["webhooks"]:
            if rendered.one("Secret") and "caBundle" in webhook["clientConfig"]:
                webhook["clientConfig"]["caBundle"] = "generated"
        items.append(item)
    return yaml.safe_dump_all(items, sort_keys=True, width=120)


def check_golden(chart, cases, write):
    wanted = set()
    for case in GOLDEN_CASES:
        for version in ("1.25", "1.37"):
            path = GOLDEN / f"{case}-{version}.yaml"
            wanted.add(path)
            text = golden_text(Rendered(render(chart, cases[case], version)))
            if write:
                GOLDEN.mkdir(exist_ok=True)
                path.write_text(text)
            expect(path.exists() and path.read_text() == text,
                   f"{path.relative_to(CHARTS)} differs from what is rendered; scripts/check-chart --write, and look")
    for path in set(GOLDEN.glob("*")) - wanted:
        expect(False, f"{path.relative_to(CHARTS)} belongs to no case")


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


def main():
    write = sys.argv[1:] == ["--write"]
    if sys.argv[1:] and not write:
        sys.exit(__doc__)
    files = sorted((CHART / "ci").glob("*-values.yaml"))
    cases = {"defaults": {}} | {
        file.name.removesuffix("-values.yaml"): helm.values_from_yaml(file.read_text()) for file in files}
    options = options_of_program()
    known = set(re.findall(r'"(pinseal_\w+)"', program_text("Webhook/WebhookMetrics.swift")))
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
