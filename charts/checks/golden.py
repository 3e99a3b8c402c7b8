"""Webhook configurations as they were looked at; the certificate that the chart makes."""
import base64
import pathlib
import subprocess
import tempfile

import yaml

from checks.base import CHART, CHARTS, NAMESPACE, Rendered, expect, render

GOLDEN = CHART / "ci" / "golden"
GOLDEN_CASES = [
    "defaults", "certificate-manager", "existing-secret", "existing-secret-without-bundle", "selectors",
    "no-match-conditions", "self-managed",
]


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
