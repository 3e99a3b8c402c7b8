#!/usr/bin/env python3
"""Prints what an image of Pinseal consists of, as SPDX 2.3 in JSON: it reads what the image itself says.

sbom.py FILE    an archive that scripts/build-image made

Debian's packages are those of var/lib/dpkg/status.d. The Swift packages are those of Package.resolved, from which its sources
are compiled and tested.
"""

import io, json, pathlib, re, sys, tarfile
from urllib.parse import quote

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from check import LABELS, Image


def identifier(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def debian_packages(files):
    for path, text in files.items():
        if path.startswith("var/lib/dpkg/status.d/"):
            fields = dict(re.findall(r"^(\S+): (.*)$", text, re.M))
            name, version = fields["Package"], fields["Version"]
            yield {"name": name, "versionInfo": version, "supplier": f"Organization: {fields['Maintainer']}"}, (
                f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}&distro=debian-12")


def swift_packages(files):
    for pin in json.loads(files["usr/share/doc/pinseal/Package.resolved"])["pins"]:
        place = pin["location"].removesuffix(".git")
        yield {"name": pin["identity"], "versionInfo": pin["state"]["version"], "downloadLocation": "git+" + pin["location"]}, (
            f"pkg:swift/{place.removeprefix('https://')}@{pin['state']['version']}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: sbom.py FILE")
    image = Image(sys.argv[1])
    with tarfile.open(fileobj=io.BytesIO(image.layer)) as layer:
        files = {member.name: layer.extractfile(member).read().decode() for member in layer
                 if member.isreg() and re.match(r"var/lib/dpkg/|.*/Package\.resolved$", member.name)}
    labels = image.configuration["config"]["Labels"]
    architecture, digest = image.configuration["architecture"], image.digest
    packages = [{
        "SPDXID": "SPDXRef-image", "name": "pinseal", "versionInfo": labels[LABELS + "version"],
        "primaryPackagePurpose": "CONTAINER", "checksums": [{"algorithm": "SHA256", "checksumValue": digest.split(":")[1]}],
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": f"pkg:oci/pinseal@{quote(digest)}?arch={architecture}"}]}]
    for package, place in sorted([*debian_packages(files), *swift_packages(files)], key=lambda found: found[1]):
        packages.append({
            "SPDXID": identifier(place.split("?")[0]), "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": place}],
        } | package)
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image"}]
    relations += [{"spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": package["SPDXID"]}
                  for package in packages[1:]]
    json.dump({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"pinseal-{architecture}",
        "documentNamespace": f"https://pinseal.dev/spdx/{digest.replace(':', '-')}",
        "creationInfo": {"created": image.configuration["created"], "creators": ["Tool: pinseal-sbom"]},
        "packages": packages, "relationships": relations}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
