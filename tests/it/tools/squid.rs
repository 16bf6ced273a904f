//! Squid, the forward proxy of most companies.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{Server, connect, need, write};

/// A running squid. It forgets what it served, and finds every name below `.test` on 127.0.0.1, as nobody else does.
pub(crate) struct Squid {
    server: Server,
    marks: usize,
}

/// What a squid lets pass.
pub(crate) struct Rules {
    acl: String,
    users: Vec<(&'static str, &'static str)>,
    ip: IpAddr,
    /// Names below `.test` and where they lead to, inside squid.
    hosts: Vec<(&'static str, IpAddr)>,
}

impl Rules {
    /// Everything.
    pub(crate) fn open() -> Self {
        Self::acl("http_access allow all")
    }

    /// Nothing: everything is a 403.
    pub(crate) fn closed() -> Self {
        Self::acl("http_access deny all")
    }

    /// Everything, for who logs in by Basic authentication.
    pub(crate) fn login(user: &'static str, password: &'static str) -> Self {
        let mut rules =
            Self::acl("acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all");
        rules.users.push((user, password));
        rules
    }

    /// These lines of squid's own.
    pub(crate) fn acl(lines: &str) -> Self {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let hosts = ["gateway.test", "git.test", "mark.test"].map(|name| (name, localhost)).to_vec();
        Self { acl: lines.to_owned(), users: Vec::new(), ip: localhost, hosts }
    }

    /// The address to listen on, in place of 127.0.0.1.
    pub(crate) fn at(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// Where a name leads to, in place of 127.0.0.1.
    pub(crate) fn leading(mut self, name: &'static str, ip: IpAddr) -> Self {
        self.hosts.retain(|(known, _)| *known != name);
        self.hosts.push((name, ip));
        self
    }

    fn conf(&self, listen: SocketAddr, folder: &Path, auth: Option<&Path>) -> String {
        let hosts = self.hosts.iter().fold(String::new(), |mut text, (name, ip)| {
            let _ = writeln!(text, "{ip} {name}");
            text
        });
        let hosts = write(folder, "hosts", &hosts);
        let mut conf =
            format!("http_port {listen}\nhosts_file {hosts}\ncoredump_dir {}\n{ALWAYS}", folder.display());
        if let Some(helper) = auth {
            let users = self.users.iter().map(|(user, password)| format!("{user}:{}\n", hashed(password)));
            let users = write(folder, "users", &users.collect::<String>());
            let _ = writeln!(
                conf,
                "auth_param basic program {} {users}\nauth_param basic children 1 startup=1\nauth_param basic realm Internet",
                helper.display()
            );
        }
        conf + &self.acl + "\n"
    }
}

impl Squid {
    /// Starts it; none where there is none.
    pub(crate) async fn start(rules: &Rules) -> Option<Self> {
        let squid = need::program("squid")?;
        let helper = if rules.users.is_empty() {
            None
        } else {
            need::program("openssl")?;
            Some(helper(&squid))
        };
        let command = |listen, folder: &Path| {
            let conf = write(folder, "squid.conf", &rules.conf(listen, folder, helper.as_deref()));
            let mut command = Command::new(&squid);
            // In the foreground, with its log on stderr, and with a name that its shared memory has to itself.
            command.args(["-N", "-d", "2", "-n", &service(listen), "-f", &conf]).current_dir(folder);
            command
        };
        let server = Server::start(rules.ip, "Accepting HTTP Socket connections", command).await;
        Some(Self { server, marks: 0 })
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The same with user and password, as they shall be in a URL.
    pub(crate) fn url_as(&self, login: &str) -> String {
        format!("http://{login}@{}", self.addr())
    }

    /// The targets of the tunnels that it was asked for until now, `HOST:PORT`, in their order.
    pub(crate) async fn asked(&mut self) -> Vec<String> {
        // Its log comes through a pipe: when it has the last request of all, it has those before it too.
        self.marks += 1;
        let mark = format!("mark.test:{}", self.marks);
        connect(self.addr(), &mark, "").await;
        self.line(&format!("CONNECT {mark} ")).await;
        let log = self.log();
        let targets = log.lines().filter_map(|line| line.strip_prefix("CONNECT ")?.strip_suffix(" HTTP/1.1"));
        targets.filter(|target| !target.starts_with("mark.test:")).map(str::to_owned).collect()
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        // A squid that is killed leaves them.
        for part in ["metadata", "queues", "readers"] {
            let _ = std::fs::remove_file(format!("/dev/shm/{}-cf__{part}.shm", service(self.addr())));
        }
    }
}

impl Deref for Squid {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Squid {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// Squid's word for one among many; letters and digits.
fn service(listen: SocketAddr) -> String {
    format!("gp{}p{}", std::process::id(), listen.port())
}

/// The program that knows Basic's passwords, which is not on PATH: distributions differ on where it is.
fn helper(squid: &Path) -> PathBuf {
    let beside = squid.parent().map(|folder| folder.join("../libexec/squid")).into_iter();
    let folders = ["/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid"].map(PathBuf::from);
    let mut places = folders.into_iter().chain(beside).map(|folder| folder.join("basic_ncsa_auth"));
    places.find(|path| path.exists()).expect("squid comes with basic_ncsa_auth")
}

/// A password as htpasswd files have it.
fn hashed(password: &str) -> String {
    let mut command = std::process::Command::new("openssl");
    let done = command.args(["passwd", "-apr1", "--", password]).output().expect("openssl");
    let hash = String::from_utf8(done.stdout).expect("text");
    assert!(done.status.success() && hash.starts_with("$apr1$"), "{}", String::from_utf8_lossy(&done.stderr));
    hash.trim().to_owned()
}

/// Section 11 at level 2 logs every request and answer; a tunnel would be in the access log only once it has ended.
const ALWAYS: &str = "visible_hostname squid.test
pid_filename none
cache deny all
access_log none
cache_log /dev/null
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
debug_options ALL,1 11,2
";
