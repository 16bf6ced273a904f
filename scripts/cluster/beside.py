"""What stands beside the cluster, as the world around it: the gateway as app.backline.ai, a Bitbucket, and a squid."""

import json
import os
import re
import secrets
import signal
import subprocess
import tarfile
from pathlib import Path

from cluster import Failed, Missing, check, found, must, run, wait_for

GATEWAY, OTHER_GATEWAY, BITBUCKET, PROXY = "app.backline.ai", "gateway.example.com", "git.example.com", "proxy.example.com"
NAMES = [GATEWAY, OTHER_GATEWAY, BITBUCKET, PROXY]
# Not 9443 alone: agents come to the port of https, callers to their own.
AGENTS_PORT, CALLERS_PORT, BITBUCKET_PORT, PROXY_PORT = 443, 9443, 8443, 3128
# As docs/install.md has it.
NATS, NATS_PORT = "nats", 4222
REPO, LARGE, LARGE_SIZE = "SHOP/payments", "large.bin", 128 << 20


class Beside:
    """See the module. `folder` holds its files, `programs` the simulator and the caller."""

    def __init__(self, cluster, folder, programs):
        self.cluster, self.folder, self.programs = cluster, folder, programs
        self.running = {}
        # The public authority, in place of those that a gateway's certificate is from elsewhere, and the company's own.
        self.public, self.company = self.authority("public"), self.authority("company")

    def start(self, image):
        """Starts all of it, the gateway with the certificate of a public authority."""
        self.image = self.unpacked(image)
        self.keys = {name: self.key() for name in ["agent", "wrong", "caller"]}
        (self.folder / "caller.token").write_text(self.keys["caller"]["key"])
        (self.folder / "store.toml").write_text(
            f"[tenants.acme.agents.office]\nkeys = [{row(self.keys['agent'])}]\n"
            f'[tenants.acme.callers.scanner]\nrole = "write"\ntokens = [{row(self.keys["caller"])}]\n')
        for name in NAMES:
            self.cluster.name(name)
        self.certify(self.public)
        self.simulator()
        self.gateway()
        self.squid("http_access allow all")

    def stop(self):
        for name in list(self.running):
            self.end(name)

    def authority(self, name):
        base = self.folder / name
        must(run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                  "-subj", f"/CN=cluster test, {name} authority", "-addext", "basicConstraints=critical,CA:TRUE",
                  "-addext", "keyUsage=critical,keyCertSign", "-keyout", f"{base}.key", "-out", f"{base}.crt"]))
        return base

    def certify(self, authority):
        """Gives the gateway a certificate of this authority; one that runs takes it by itself."""
        self.certificate(self.folder / "gateway", authority, f"DNS:{GATEWAY},DNS:{OTHER_GATEWAY},IP:{self.cluster.address}")
        # Callers in the cloud believe whichever it has.
        both = "".join(it.with_suffix(".crt").read_text() for it in [self.public, self.company])
        (self.folder / "callers-ca.crt").write_text(both)
        if "gateway" in self.running:
            self.shown(authority)

    def certificate(self, base, authority, names, usages="serverAuth"):
        """Makes or renews a certificate for these names, with a key that stays."""
        extensions = self.folder / "extensions"
        extensions.write_text(f"basicConstraints=CA:FALSE\nextendedKeyUsage={usages}\nsubjectAltName={names}\n")
        if not base.with_suffix(".key").exists():
            must(run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={base.name}",
                      "-keyout", f"{base}.key", "-out", f"{base}.csr"]))
        must(run(["openssl", "x509", "-req", "-in", f"{base}.csr", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key",
                  "-CAcreateserial", "-days", "30", "-extfile", str(extensions), "-out", f"{base}.new"]))
        base.with_suffix(".new").rename(base.with_suffix(".crt"))

    def shown(self, authority):
        """Waits until the gateway shows a certificate of this authority."""
        ask = ["openssl", "s_client", "-connect", f"{self.cluster.address}:{AGENTS_PORT}", "-servername", GATEWAY,
               "-CAfile", f"{authority}.crt", "-verify_return_error"]
        wait_for(lambda: self.cluster.beside(*ask).code == 0, 20, f"the gateway shows no certificate of {authority.name}")

    def unpacked(self, image):
        """The image's root, whose programs run here by its own libraries."""
        root = self.folder / "image"
        with tarfile.open(image) as outer:
            for layer in json.load(outer.extractfile("manifest.json"))[0]["Layers"]:
                with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                    inner.extractall(root)
        return root

    def program(self, name):
        loader = next(it for it in self.image.rglob("ld-linux-*") if it.is_file())
        libraries = next(it for it in self.image.rglob("libc.so.6")).parent
        return [str(loader), "--library-path", str(libraries), str(self.image / "usr/bin" / name)]

    def key(self):
        return json.loads(must(run([*self.program("gitproxy-gateway"), "keys", "new", "--json"])).out)

    def gateway(self):
        settings = {
            "STORE_FILE": "store.toml", "AGENTS_TLS_CERT": "gateway.crt", "AGENTS_TLS_KEY": "gateway.key",
            "CALLERS_TLS_CERT": "gateway.crt", "CALLERS_TLS_KEY": "gateway.key",
            "AGENTS_LISTEN": f"{self.cluster.address}:{AGENTS_PORT}", "CALLERS_LISTEN": f"{self.cluster.address}:{CALLERS_PORT}",
            "DRAIN_SETTLE": "0", "DRAIN_GRACE": "1s"}
        words = ["env", *(f"{name}={value}" for name, value in settings.items()), *self.program("gitproxy-gateway"), "run"]
        self.begin("gateway", words, "gateway serves")

    def simulator(self):
        folder = self.folder / "git"
        words = [str(self.programs / "bitbucket-sim"), "--listen", self.cluster.address, "--port", str(BITBUCKET_PORT),
                 "--name", BITBUCKET, "--dir", str(folder), "--ca-out", "bitbucket.crt", "--seed-demo"]
        said = self.begin("bitbucket", words, r"^token (\S+)")
        (self.folder / "bitbucket.token").write_text(said[1])
        # What a download takes its time for; it is as it is stored, so that nothing makes it small.
        bare = folder / f"{REPO.lower()}.git"
        large = self.folder / LARGE
        large.write_bytes(secrets.token_bytes(1 << 20) * (LARGE_SIZE >> 20))

        def git(*words, **options):
            return must(run(["git", "-c", "core.compression=0", "--git-dir", str(bare), *words], **options)).out.strip()
        blob = git("hash-object", "-w", str(large))
        large.unlink()
        head = git("symbolic-ref", "HEAD")
        index = {"GIT_INDEX_FILE": str(self.folder / "index"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        git("read-tree", head, env=index)
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{LARGE}", env=index)
        tree = git("write-tree", env=index)
        who = [word for it in ["user.name=test", "user.email=test@example.com"] for word in ["-c", it]]
        commit = git(*who, "commit-tree", tree, "-p", head, "-m", "Add a large file")
        git("update-ref", head, commit)

    def nats(self):
        """Starts it as `nats`, with a certificate of a public authority."""
        self.cluster.name(NATS)
        self.certificate(self.folder / "nats", self.public, f"DNS:{NATS}")
        (self.folder / "nats.conf").write_text(
            f'listen: "{self.cluster.address}:{NATS_PORT}"\njetstream {{ store_dir: "jetstream" }}\n'
            'tls { cert_file: "nats.crt", key_file: "nats.key" }\n')
        self.begin("nats", [found("nats-server"), "-c", "nats.conf"], "Server is ready")

    def squid(self, rules):
        """Starts it with these rules, in place of the one before."""
        self.end("squid")
        hosts = "".join(f"{self.cluster.address} {name}\n" for name in NAMES)
        (self.folder / "hosts").write_text(hosts)
        lines = [f"http_port {self.cluster.address}:{PROXY_PORT}", f"hosts_file {self.folder}/hosts", rules, "cache deny all",
                 f"visible_hostname {PROXY}", "pid_filename none", "access_log none", "cache_log /dev/null", "netdb_filename none",
                 "pinger_enable off", "shutdown_lifetime 0 seconds", f"coredump_dir {self.folder}", "debug_options ALL,1 11,2"]
        (self.folder / "squid.conf").write_text("\n".join(lines) + "\n")
        words = [found("squid"), "-N", "-d", "2", "-n", "clustertest", "-f", str(self.folder / "squid.conf")]
        self.begin("squid", words, "Accepting HTTP Socket connections")

    def login(self, user, password):
        """Rules that let pass who logs in."""
        folders = ["/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid"]
        helper = next((it for it in (Path(folder) / "basic_ncsa_auth" for folder in folders) if it.exists()), None)
        if not helper:
            raise Missing("squid's basic_ncsa_auth is missing")
        users = self.folder / "users"
        users.write_text(f"{user}:{must(run(['openssl', 'passwd', '-apr1', password])).out}")
        return (f"auth_param basic program {helper} {users}\nauth_param basic children 1 startup=1\nauth_param basic realm Internet\n"
                "acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all")

    def tunnels(self):
        """What squid was asked to make tunnels to."""
        return re.findall(r"^CONNECT (\S+) HTTP", self.log("squid"), re.M)

    def begin(self, name, words, says):
        """Starts a program, and waits until its log has what it says when it is there."""
        log = open(self.log_file(name), "w")
        words = [*self.cluster.beside_words, *words]
        try:
            self.running[name] = started(words, stdout=log, stderr=log, cwd=self.folder)
        except FileNotFoundError as error:
            raise Missing(f"{words[0]} is missing") from error

        def there():
            check(self.running[name].poll() is None, f"{name} has ended:\n{self.log(name)[-2000:]}")
            return re.search(says, self.log(name), re.M)
        return wait_for(there, 60, f"{name} does not say {says!r}")

    def end(self, name, how=signal.SIGTERM):
        process = self.running.pop(name, None)
        if process:
            tell(process, signal.SIGCONT)
            tell(process, signal.SIGINT if name == "bitbucket" else how)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                tell(process, signal.SIGKILL)
                process.wait()
        if name == "squid":
            for part in ["metadata", "queues", "readers"]:
                Path(f"/dev/shm/clustertest-cf__{part}.shm").unlink(missing_ok=True)

    def signal(self, name, what):
        tell(self.running[name], what)

    def log_file(self, name):
        return self.folder / f"{name}.log"

    def log(self, name):
        path = self.log_file(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def grpcurl(self, method, asked):
        done = self.ask(method, asked, f"{self.cluster.address}:{CALLERS_PORT}", GATEWAY)
        check(done.code == 0, f"{method}: {done.err}{done.out}")
        return json.loads(done.out)

    def ask(self, method, asked, address, name):
        """Calls the gateway at an address, whose certificate is for this name."""
        words = [found("grpcurl"), "-cacert", str(self.folder / "callers-ca.crt"), "-authority", name, "-max-time", "20",
                 "-H", f"authorization: Bearer {self.keys['caller']['key']}", "-d", json.dumps(asked), address, method]
        return self.cluster.beside(*words)

    def caller(self, *words):
        """Starts `examples/caller.rs`; `told` gives its report."""
        gateway = f"https://{self.cluster.address}:{CALLERS_PORT}"
        first = [*self.cluster.beside_words, str(self.programs / "examples/caller"), "--gateway", gateway,
                 "--ca", str(self.folder / "callers-ca.crt"), "--token", str(self.folder / "caller.token")]
        return started([*first, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def started(words, **options):
    """Starts a program as the first of a group: what runs it beside the cluster may be a program of its own."""
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True, **options)


def tell(process, what):
    """Sends a signal to a program and to what runs it."""
    if process.poll() is None:
        os.killpg(process.pid, what)


def told(caller, within=120):
    """Gives what a caller tells in the end."""
    try:
        out, err = caller.communicate(timeout=within)
    except subprocess.TimeoutExpired as over:
        tell(caller, signal.SIGKILL)
        raise Failed(f"the caller does not end within {within} s") from over
    check(out.strip(), f"the caller tells nothing: {err}")
    return json.loads(out)


def row(key):
    return f'{{ id = "{key["id"]}", sha256 = "{key["sha256"]}" }}'
