#!/usr/bin/env python3
"""Checks an image of Pinseal: what it is labelled as, what is in it, and that it runs as a cluster would run it.

check.py FILE    an archive that scripts/build-image made; as root, with buildah and runc

Its program runs by runc, the runtime of most nodes, as a pod of the chart does: as user 65532, with a root file system that
is read-only, without any capability. It answers over its two ports there, and stops when it is told to.
"""

import calendar, gzip, hashlib, io, json, os, pathlib, re, shutil, socket, ssl, stat, subprocess, sys, tarfile, tempfile, time
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
USER = 65532
LIMIT = 60_000_000  # bytes, unpacked
LABELS = "org.opencontainers.image."
# What nobody needs who only wants to run Pinseal, and everybody wants who got into it.
UNWANTED = re.compile(
    r"^(.*sh|busybox|toybox|env|perl.*|python.*|apt.*|dpkg.*|rpm|curl|wget|nc|openssl|su|sudo|mount|login|passwd-.*)$")


def expect(truth, complaint):
    if not truth:
        raise SystemExit(f"{pathlib.Path(sys.argv[0]).name}: {complaint}")


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)


class Image:
    """An image of one platform in an OCI archive, each part of which has the digest by which it is named."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {os.path.normpath(member.name): archive.extractfile(member).read()
                          for member in archive if member.isreg()}
        named = json.loads(self.files["index.json"])["manifests"]
        expect(len(named) == 1, f"the archive holds {len(named)} images")
        self.digest = named[0]["digest"]
        self.manifest = json.loads(self.blob(named[0]))
        self.configuration = json.loads(self.blob(self.manifest["config"]))
        layers = self.manifest["layers"]
        expect(len(layers) == 1, f"there are {len(layers)} layers, where one would do")
        self.packed = sum(part["size"] for part in [self.manifest["config"], *layers])
        self.layer = gzip.decompress(self.blob(layers[0]))
        identity = "sha256:" + hashlib.sha256(self.layer).hexdigest()
        expect(self.configuration["rootfs"]["diff_ids"] == [identity], "the layer is another than the configuration names")

    def blob(self, descriptor):
        data = self.files["blobs/" + descriptor["digest"].replace(":", "/")]
        expect(len(data) == descriptor["size"] and "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"],
               f"{descriptor['digest']} is not what it is named")
        return data


def check_configuration(image):
    configuration = image.configuration["config"]
    for key, wanted in {
        "User": f"{USER}:{USER}", "Entrypoint": ["/usr/bin/pinseal"], "Env": ["PATH=/usr/bin"],
        "ExposedPorts": {"8443/tcp": {}, "8081/tcp": {}}, "Cmd": None, "Volumes": None,
    }.items():
        expect(configuration.get(key) == wanted, f"{key} is {configuration.get(key)}, not {wanted}")
    labels = configuration["Labels"]
    for name in ["title", "description", "version", "created", "revision"]:
        expect(labels.get(LABELS + name), f"there is no label {LABELS}{name}")
    expect(image.configuration["created"] == labels[LABELS + "created"], "it is labelled with another time than its own")
    expect(not any(key.startswith("io.buildah") for key in labels), "it tells what built it")
    chart = (REPOSITORY / "charts/pinseal/Chart.yaml").read_text()
    version = re.search(r"^appVersion: \"?([^\"\n]+)", chart, re.M)[1]
    expect(labels[LABELS + "version"] == version, f"labelled {labels[LABELS + 'version']}, the chart's appVersion is {version}")
    return version


def check_files(image, root):
    """What is in the layer, which is then unpacked into the folder."""
    created = calendar.timegm(time.strptime(image.configuration["created"], "%Y-%m-%dT%H:%M:%SZ"))
    names, unpacked = [], 0
    with tarfile.open(fileobj=io.BytesIO(image.layer)) as layer:
        for member in layer:
            what = f"/{member.name}"
            names.append(member.name.rstrip("/"))
            expect(member.isreg() or member.isdir() or member.issym(), f"{what} is a device or the like")
            expect((member.uid, member.gid) == (0, 0), f"{what} belongs to {member.uid}:{member.gid}")
            expect(member.mtime == created, f"{what} carries the time {member.mtime}, not {created}")
            expect(member.issym() or not member.mode & 0o7022, f"{what} has the mode {member.mode:o}")
            runnable = member.isreg() and member.mode & 0o111
            expect(not runnable or re.search(r"^usr/bin/pinseal$|/ld-linux[^/]*$", member.name), f"{what} can be run")
            expect(not UNWANTED.match(pathlib.PurePath(member.name).name) or "/doc/" in member.name
                   or member.isdir(), f"{what} has no business here")
            expect(not member.pax_headers, f"{what} has attributes: {member.pax_headers}")
            unpacked += member.size
        expect(names == sorted(names, key=lambda name: name.split("/")) and len(set(names)) == len(names), "the files are in no order")
        expect(unpacked < LIMIT, f"it takes {unpacked} bytes, more than {LIMIT}")
        layer.extractall(root)
    expect((root / "etc/passwd").read_text() == f"nonroot:x:{USER}:{USER}:nonroot:/:/nonexistent\n", "there are other users")
    authorities = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    expect(authorities.count("-----BEGIN CERTIFICATE-----") > 100, "there are few authorities")
    ssl.create_default_context(cadata=authorities)
    expect(str(REPOSITORY).encode() not in (root / "usr/bin/pinseal").read_bytes(), "the program tells where it was built")
    return unpacked


def check_libraries(root):
    """What the program loads is there, and nothing beside it; of each it is known which package of which version it is."""
    loader = next(path for path in root.glob("usr/lib/*/ld-linux*"))
    shown = run("chroot", root, f"/{loader.relative_to(root)}", "--inhibit-cache", "--list", "/usr/bin/pinseal")
    expect(shown.returncode == 0 and "not found" not in shown.stdout, f"a library is missing:\n{shown.stdout}{shown.stderr}")
    loaded = {pathlib.PurePath(word).name for line in shown.stdout.splitlines() for word in [line.split()[0]]} - {"linux-vdso.so.1"}
    expect(not any("swift" in name or "Foundation" in name for name in loaded), f"Swift's libraries are not inside: {loaded}")
    folder = loader.parent
    there = {path.name for path in folder.iterdir()}
    targets = {os.readlink(path) for path in folder.iterdir() if path.is_symlink()}
    expect(there - targets == loaded, f"loaded and there are not the same: {(there - targets) ^ loaded}")
    packages = {}
    for path in (root / "var/lib/dpkg/status.d").iterdir():
        fields = dict(re.findall(r"^(\S+): (.*)$", path.read_text(), re.M))
        packages[fields["Package"]] = fields["Version"]
        expect((root / "usr/share/doc" / fields["Package"] / "copyright").stat().st_size, f"{path.name} has no licence")
    missing = {"libc6", "libssl3", "libcurl4", "libnghttp2-14", "libyaml-0-2", "ca-certificates"} - set(packages)
    expect(not missing, f"no version is known of {missing}")
    return packages


def check_by_buildah(archive, work, version):
    """What `buildah run` says, with its default profile of system calls."""
    storage = ["buildah", "--root", work / "storage", "--runroot", work / "runtime", "--storage-driver", "vfs"]
    pulled = run(*storage, "pull", "--quiet", f"oci-archive:{archive}")
    expect(pulled.returncode == 0, f"buildah does not read it: {pulled.stderr}")
    container = run(*storage, "from", pulled.stdout.strip()).stdout.strip()

    def inside(*command):
        return run(*storage, "run", "--isolation", "chroot", container, "--", *command)

    said = inside("/usr/bin/pinseal", "--version")
    expect((said.returncode, said.stdout.strip()) == (0, version), f"--version: {said.stdout}{said.stderr}")
    said = inside("pinseal", "--help")
    expect(said.returncode == 0 and "serve" in said.stdout, f"--help: {said.stdout}{said.stderr}")
    for shell in ["/bin/sh", "sh", "bash"]:
        expect(inside(shell, "-c", "true").returncode != 0, f"there is a shell, {shell}")


class Container:
    """The program in the unpacked image, as a pod runs it, but on the network of this machine."""

    def __init__(self, root, work, name, arguments):
        self.name = f"pinseal-check-{os.getpid()}-{name}"
        bundle, self.state = work / name, work / "runc"
        bundle.mkdir()
        capabilities = ["bounding", "effective", "inheritable", "permitted", "ambient"]
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
                  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}]
        for source, destination in [(work / "files", "/run/pinseal"), ("/etc/hosts", "/etc/hosts")]:
            mounts.append({"destination": destination, "type": "bind", "source": str(source), "options": ["rbind", "ro"]})
        (bundle / "config.json").write_text(json.dumps({
            "ociVersion": "1.0.2", "root": {"path": str(root), "readonly": True}, "mounts": mounts,
            "process": {
                "user": {"uid": USER, "gid": USER}, "cwd": "/", "env": ["PATH=/usr/bin"], "args": ["pinseal", *arguments],
                "noNewPrivileges": True, "capabilities": {kind: [] for kind in capabilities}},
            "linux": {
                "namespaces": [{"type": kind} for kind in ["pid", "mount", "ipc", "uts"]],
                "maskedPaths": ["/proc/kcore", "/proc/keys"], "readonlyPaths": ["/proc/sys"]}}))
        self.log = open(bundle / "log", "w+")
        self.process = subprocess.Popen(
            ["runc", "--root", str(self.state), "run", "--bundle", str(bundle), self.name],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def status(self):
        """What the kernel says of the program, by /proc/PID/status."""
        identity = json.loads(run("runc", "--root", self.state, "state", self.name).stdout)["pid"]
        return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{identity}/status").read_text().splitlines())

    def signal(self, name):
        run("runc", "--root", self.state, "kill", self.name, name)


def free_ports():
    """Two that are free and not the same."""
    with socket.socket() as one, socket.socket() as other:
        for listener in [one, other]:
            listener.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def check_at_work(root, work):
    files = work / "files"
    files.mkdir()
    made = run(REPOSITORY / "scripts/tools/development-certificate", files / "tls")
    expect(made.returncode == 0, made.stderr)
    os.chmod(files / "tls", 0o755)
    os.chown(files / "tls/tls.key", USER, USER)
    (files / "cluster.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n")
    key = run("openssl", "x509", "-in", files / "tls/tls.crt", "-noout", "-pubkey").stdout
    (files / "key.pem").write_text(key)
    webhook, ops = free_ports()
    server = Container(root, work, "serve", [
        "serve", f"--listen=127.0.0.1:{webhook}", f"--ops-listen=127.0.0.1:{ops}", "--cluster=file:/run/pinseal/cluster.yaml",
        "--tls-cert=/run/pinseal/tls/tls.crt", "--tls-key=/run/pinseal/tls/tls.key"])
    try:
        open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        for attempt in range(600):
            try:
                for path in ["livez", "readyz"]:
                    with open_url(f"http://127.0.0.1:{ops}/{path}", timeout=5) as answer:
                        expect(answer.status == 200, f"/{path} answers {answer.status}")
                break
            except OSError as error:
                gone = server.process.poll() is not None
                expect(not gone and attempt < 599, f"it does not get ready: {error}\n{server.text()}")
                time.sleep(0.1)
        fields = server.status()
        expect(fields["Name"] == "pinseal" and fields["Uid"].split() == [str(USER)] * 4, f"it runs as {fields}")
        expect(not fields["Groups"].strip() and fields["NoNewPrivs"] == "1", f"it may more than it should: {fields}")
        expect({int(fields[kind], 16) for kind in ["CapEff", "CapPrm", "CapBnd"]} == {0}, f"it has capabilities: {fields}")
        review = {
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
                "uid": "one", "operation": "CREATE", "namespace": "shop", "name": "db",
                "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
                "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
                "object": {
                    "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
                    "spec": {"template": {"spec": {"containers": [{"name": "db", "image": "db:v1"}]}}}}}}
        asked = urllib.request.Request(
            f"https://localhost:{webhook}/mutate", json.dumps(review).encode(), {"Content-Type": "application/json"})
        trust = ssl.create_default_context(cafile=files / "tls/ca.crt")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
        with opener.open(asked, timeout=60) as answer:
            response = json.load(answer)["response"]
        expect(response == {"uid": "one", "allowed": True}, f"/mutate answers {response}")
        # Its own server is no registry that any of the image's authorities vouches for; to say so, it must have read them.
        client = Container(root, work, "verify", [
            "verify", f"localhost:{webhook}/shop/db:v1", "--key", "/run/pinseal/key.pem"])
        expect(client.process.wait(120) == 2 and "unable to get local issuer certificate" in client.text(),
               f"it judged a registry of no known authority like this:\n{client.text()}")
        server.signal("TERM")
        expect(server.process.wait(60) == 0, f"it did not stop well:\n{server.text()}")
    finally:
        if server.process.poll() is None:
            server.signal("KILL")
            server.process.wait(30)


def main():
    expect(len(sys.argv) == 2, "usage: check.py FILE")
    expect(os.geteuid() == 0, "only root can run what is in it")
    archive = pathlib.Path(sys.argv[1]).resolve()
    image = Image(archive)
    version = check_configuration(image)
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        work.chmod(0o755)
        root = work / "root"
        root.mkdir()
        unpacked = check_files(image, root)
        packages = check_libraries(root)
        check_by_buildah(archive, work, version)
        check_at_work(root, work)
    finally:
        shutil.rmtree(work)
    print(f"Pinseal {version} for {image.configuration['architecture']}, {image.digest}: {image.packed} bytes packed, "
          f"{unpacked} unpacked, with {len(packages)} packages of Debian")


if __name__ == "__main__":
    main()
