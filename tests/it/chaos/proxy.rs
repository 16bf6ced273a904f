//! A real squid, which can be made to refuse.

use std::fs::Permissions;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::processes::program::Program;
use crate::tools::need;

/// See the module.
pub(crate) struct Proxy {
    squid: PathBuf,
    ip: IpAddr,
    leads_to: IpAddr,
    program: Program,
    folder: TempDir,
}

/// Whether it asks for a password that nobody has.
#[derive(Clone, Copy)]
pub(crate) enum Mood {
    Open,
    Refusing,
}

impl Proxy {
    /// Starts it at `ip`, finding `gateway.test` at `leads_to`; none where there is no squid.
    pub(crate) async fn start(ip: IpAddr, leads_to: IpAddr) -> Option<Self> {
        let squid = need::program("squid")?;
        let folder = tempfile::tempdir().expect("a folder");
        // Squid gives up root's rights.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
        let program = launch(&squid, ip, leads_to, folder.path(), Mood::Open).await;
        Some(Self { squid, ip, leads_to, program, folder })
    }

    /// What the agent is told.
    pub(crate) fn url(&self) -> String {
        format!("http://{}:{PORT}", self.ip)
    }

    /// Ends it with all its tunnels, and starts it in this mood.
    pub(crate) async fn restart(&mut self, mood: Mood) {
        self.program.kill();
        self.program.ended().await;
        self.program = launch(&self.squid, self.ip, self.leads_to, self.folder.path(), mood).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for part in ["metadata", "queues", "readers"] {
            let _ = std::fs::remove_file(format!("/dev/shm/{}-cf__{part}.shm", service(self.ip)));
        }
    }
}

async fn launch(squid: &Path, ip: IpAddr, leads_to: IpAddr, folder: &Path, mood: Mood) -> Program {
    let rules = match mood {
        Mood::Open => "http_access allow all",
        // Nobody ever logs in, so the helper is never asked.
        Mood::Refusing => {
            "auth_param basic program /bin/cat\nauth_param basic children 1 startup=0\n\
             acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all"
        }
    };
    let (conf, hosts) = (folder.join("squid.conf"), folder.join("hosts"));
    std::fs::write(&hosts, format!("{leads_to} gateway.test\n")).expect("written");
    let text = format!(
        "http_port {ip}:{PORT}\nhosts_file {}\ncoredump_dir {}\n{ALWAYS}{rules}\n",
        hosts.display(),
        folder.display()
    );
    std::fs::write(&conf, text).expect("written");
    let mut command = Command::new(squid);
    command.args(["-N", "-d", "1", "-n", &service(ip), "-f"]).arg(&conf).current_dir(folder);
    let program = Program::run(command, [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")]);
    program.says("Accepting HTTP Socket connections").await;
    program
}

/// Squid's word for one among many; letters and digits.
fn service(ip: IpAddr) -> String {
    format!("gpc{}", ip.to_string().replace('.', "x"))
}

const PORT: u16 = 3128;

/// Few descriptors: squid takes memory for each that it might have.
const ALWAYS: &str = "visible_hostname squid.test
pid_filename none
cache deny all
cache_mem 1 MB
max_filedescriptors 1024
access_log none
cache_log /dev/null
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
";
