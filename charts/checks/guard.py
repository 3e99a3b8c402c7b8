"""The ValidatingAdmissionPolicy that guards annotations."""
import re

import celpy
import yaml
from celpy import celtypes

from checks.base import expect, program_text, render


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
