"""Every object of a render: schemas, rights, the webhook configurations."""
import json
import re

import kubernetes_validate

from checks.base import NAMESPACE, WITHOUT_SCHEMAS, counts, expect, minor

OTHERS_KINDS = {"Certificate", "Issuer", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
CLUSTER_WIDE = {
    "ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
}
schemas_passed: set[tuple[str, str]] = set()


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
