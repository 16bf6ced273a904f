//! What `docs/security.md` claims of a running agent and is not the subject of other tests.

use std::fs;
use std::path::Path;

use bitbucket_sim::Commit;
use gitproxy::proto::scm::v1::{GetFileRequest, RepoRef};

use crate::processes::house::House;
use crate::tools::need;

#[tokio::test]
async fn a_running_agent_listens_on_no_port() {
    if !Path::new("/proc/self/net/tcp").exists() {
        return need::skip("this system has no /proc/self/net/tcp");
    }
    let house = House::new().await;
    let agent = house.start_agent(&[]);
    house.caller().await.get_repo_soon().await;
    assert_eq!(listening(agent.id()), [""; 0]);
    assert_eq!(listening(house.gateway.id()).len(), 2, "those of the gateway are seen");
}

#[tokio::test]
async fn the_log_has_a_line_for_each_command_and_nothing_of_its_content() {
    let house = House::new().await;
    let commits = [Commit::new("Start").file("notes.txt", "sesame\n")];
    house.sim.add_repo("SHOP", "shelf", &commits).await.expect("a repository");
    let agent = house.start_agent(&[]);
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    let shelf = RepoRef { project: "SHOP".to_owned(), slug: "shelf".to_owned() };
    let asked = GetFileRequest { repo: Some(shelf), path: "notes.txt".to_owned(), at: String::new() };
    let read = caller.read(caller.ask(asked)).await.expect("a file");
    assert_eq!(read, "sesame\n".len());
    for (method, repo) in [("Repos/GetRepo", "SHOP/web"), ("Files/GetFile", "SHOP/shelf")] {
        let line = agent.says(&format!("command ended method=\"/gitproxy.scm.v1.{method}\"")).await;
        for part in ["caller=\"scanner\" tenant=\"acme\"", &format!("repo=\"{repo}\""), "code=Ok"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
    for content in ["notes.txt", "sesame"] {
        assert!(!agent.log().contains(content), "{content} is in {}", agent.log());
    }
}

/// The addresses on which a process takes TCP connections, as the kernel writes them.
fn listening(process: u32) -> Vec<String> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .expect("a process")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    assert!(!sockets.is_empty(), "it has no socket at all");
    let tables = ["tcp", "tcp6"]
        .map(|name| fs::read_to_string(format!("/proc/{process}/net/{name}")).expect("a table"));
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split_whitespace().collect();
        let (address, state, inode) = (cells.get(1)?, cells.get(3)?, cells.get(9)?);
        // 0A is LISTEN (include/net/tcp_states.h).
        (*state == "0A" && sockets.iter().any(|socket| socket == inode)).then(|| (*address).to_owned())
    })
    .collect()
}
