//! The job: from "what is there" to a pull request whose build is green.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use gitproxy::proto::scm::v1 as pb;
use tokio::time::{interval, timeout};

use crate::cloud::{Cloud, answer, refusal};
use crate::manifest::{self, ADVISORY, FIXED, Outdated, PACKAGE};
use crate::report::{Made, Report, Stopped};
use crate::say;

/// Where the fix goes.
pub(crate) const BRANCH: &str = "update/lodash-4.17.21";

/// A repository with the commit that its default branch points to, so that all that follows speaks of one state.
struct State {
    repo: pb::RepoRef,
    branch: pb::Branch,
}

/// What is to be fixed.
struct Finding {
    state: State,
    path: String,
    outdated: Outdated,
}

/// Does the job step by step, up to the first step that fails.
pub(crate) async fn run(cloud: &Cloud, report: &mut Report) -> Result<(), Stopped> {
    report.step("test the connection", test(cloud)).await?;
    report.step("list the projects", projects(cloud)).await?;
    let repos = report.step("list the repositories", repos(cloud)).await?;
    let states = report.step("get their default branches", default_branches(cloud, repos)).await?;
    let manifests = report.step("list their files", manifests(cloud, states)).await?;
    let finding = report.step("read the manifest", outdated(cloud, manifests)).await?;
    let start = report.step("create a branch", branch(cloud, &finding)).await?;
    let commit = report.step("edit the manifest", edit(cloud, &finding, start)).await?;
    let pr = report.step("open a pull request", open(cloud, &finding)).await?;
    report.step("comment on the line", comment(cloud, &finding, pr)).await?;
    say("Waiting for the build to report…");
    report.step("wait for the build", build(cloud, &finding, pr, &commit)).await
}

async fn test(cloud: &Cloud) -> Made<()> {
    let tested = answer(cloud.connections().test_connection(pb::TestConnectionRequest {}).await)?;
    let pb::TestConnectionResponse { product, version, authenticated_as, checks, passed, .. } = tested;
    if !passed {
        let failed = checks.iter().filter(|check| check.outcome() == pb::CheckOutcome::Failed);
        let causes: Vec<_> = failed.map(|check| check.cause.as_str()).collect();
        bail!("the connection does not work: {}", causes.join(" "));
    }
    Ok(((), format!("{product} {version}, as {authenticated_as}")))
}

async fn projects(cloud: &Cloud) -> Made<()> {
    let mut keys = Vec::new();
    let mut request = pb::ListProjectsRequest::default();
    loop {
        let page = answer(cloud.repos().list_projects(request.clone()).await)?;
        keys.extend(page.projects.into_iter().map(|project| project.key));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    ensure!(!keys.is_empty(), "there is none");
    Ok(((), keys.join(", ")))
}

async fn repos(cloud: &Cloud) -> Made<Vec<pb::RepoRef>> {
    let mut repos = Vec::new();
    let mut request = pb::ListReposRequest::default();
    loop {
        let page = answer(cloud.repos().list_repos(request.clone()).await)?;
        repos.extend(page.repos.into_iter().filter_map(|repo| repo.r#ref));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    ensure!(!repos.is_empty(), "there is none");
    let told = repos.iter().map(name).collect::<Vec<_>>().join(", ");
    Ok((repos, told))
}

async fn default_branches(cloud: &Cloud, repos: Vec<pb::RepoRef>) -> Made<Vec<State>> {
    let mut states = Vec::new();
    for repo in repos {
        let request = pb::GetDefaultBranchRequest { repo: Some(repo.clone()) };
        let got = answer(cloud.refs().get_default_branch(request).await);
        let got = got.with_context(|| name(&repo))?;
        states.push(State { repo, branch: got.branch.context("no branch came back")? });
    }
    let tell = |State { branch, .. }: &State| format!("{} at {}", branch.name, short(&branch.commit_id));
    let told = states.iter().map(tell).collect::<Vec<_>>().join(", ");
    Ok((states, told))
}

/// The manifests among all files, each with the state that it is in.
async fn manifests(cloud: &Cloud, states: Vec<State>) -> Made<Vec<(State, String)>> {
    let (mut manifests, mut files, count) = (Vec::new(), 0, states.len());
    for state in states {
        let paths = paths(cloud, &state).await.with_context(|| name(&state.repo))?;
        files += paths.len();
        let is_manifest = |path: &String| path.rsplit('/').next() == Some(manifest::NAME);
        manifests.extend(paths.into_iter().find(is_manifest).map(|path| (state, path)));
    }
    ensure!(!manifests.is_empty(), "no {} among {files} files", manifest::NAME);
    let found = manifests.iter().map(|(state, path)| format!("{path} in {}", name(&state.repo)));
    let told = format!("{files} files in {count} repositories; {}", found.collect::<Vec<_>>().join(", "));
    Ok((manifests, told))
}

async fn paths(cloud: &Cloud, state: &State) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut request = pb::ListFilesRequest {
        repo: Some(state.repo.clone()),
        at: state.branch.commit_id.clone(),
        ..pb::ListFilesRequest::default()
    };
    loop {
        let page = answer(cloud.files().list_files(request.clone()).await)?;
        paths.extend(page.paths);
        if page.next_page_token.is_empty() {
            return Ok(paths);
        }
        request.page_token = page.next_page_token;
    }
}

/// The first outdated dependency.
async fn outdated(cloud: &Cloud, manifests: Vec<(State, String)>) -> Made<Finding> {
    for (state, path) in manifests {
        let text = read(cloud, &state, &path).await.with_context(|| path.clone())?;
        if let Some(outdated) = manifest::outdated(&text)? {
            let told =
                format!("{PACKAGE} {} on line {}; {ADVISORY} wants {FIXED}", outdated.version, outdated.line);
            return Ok((Finding { state, path, outdated }, told));
        }
    }
    bail!("nothing is outdated");
}

async fn read(cloud: &Cloud, state: &State, path: &str) -> anyhow::Result<String> {
    let request = pb::GetFileRequest {
        repo: Some(state.repo.clone()),
        path: path.to_owned(),
        at: state.branch.commit_id.clone(),
    };
    let mut stream = answer(cloud.files().get_file(request).await)?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.message().await.map_err(|status| refusal(&status))? {
        bytes.extend_from_slice(&piece.data);
        ensure!(bytes.len() <= LARGEST, "it is larger than a manifest: over {LARGEST} bytes");
    }
    String::from_utf8(bytes).context("it is not UTF-8")
}

/// Makes the branch and gives the commit that it starts at.
async fn branch(cloud: &Cloud, finding: &Finding) -> Made<String> {
    let State { repo, branch } = &finding.state;
    let request = pb::CreateBranchRequest {
        repo: Some(repo.clone()),
        name: BRANCH.to_owned(),
        start_point: branch.commit_id.clone(),
    };
    let made = answer(cloud.refs().create_branch(request).await)?.branch.context("no branch came back")?;
    let told = format!("{} from {}", made.name, short(&made.commit_id));
    Ok((made.commit_id, told))
}

async fn edit(cloud: &Cloud, finding: &Finding, start: String) -> Made<String> {
    let request = pb::EditFileRequest {
        repo: Some(finding.state.repo.clone()),
        branch: BRANCH.to_owned(),
        path: finding.path.clone(),
        content: finding.outdated.fixed.clone().into_bytes().into(),
        message: format!("Update {PACKAGE} to {FIXED}\n\nIt fixes {ADVISORY}."),
        source_commit_id: start,
        source_branch: String::new(),
    };
    let commit = answer(cloud.files().edit_file(request).await)?.commit.context("nothing changed")?;
    let subject = commit.message.lines().next().unwrap_or_default();
    let told = format!("{} {subject}", short(&commit.id));
    Ok((commit.id, told))
}

async fn open(cloud: &Cloud, finding: &Finding) -> Made<i64> {
    let Finding { state, path, outdated } = finding;
    let request = pb::OpenPrRequest {
        repo: Some(state.repo.clone()),
        title: format!("Update {PACKAGE} to {FIXED}"),
        description: format!("`{path}` asks for {PACKAGE} {}, which has {ADVISORY}.", outdated.version),
        from_branch: BRANCH.to_owned(),
        to_branch: state.branch.name.clone(),
        ..pb::OpenPrRequest::default()
    };
    let opened = answer(cloud.pull_requests().open_pr(request).await)?;
    let pr = opened.pull_request.context("no pull request came back")?;
    Ok((pr.id, format!("#{} {}", pr.id, pr.title)))
}

async fn comment(cloud: &Cloud, finding: &Finding, pr: i64) -> Made<()> {
    let Finding { state, path, outdated } = finding;
    let anchor = pb::Anchor {
        path: path.clone(),
        line: outdated.line,
        line_type: pb::LineType::Added.into(),
        ..pb::Anchor::default()
    };
    let request = pb::PostCommentRequest {
        repo: Some(state.repo.clone()),
        pr_id: pr,
        text: format!(
            "{PACKAGE} {} lets a template run code ({ADVISORY}); {FIXED} is the first version without the fault.\n\n\
             To check before you merge:\n\n\
             - `npm ls {PACKAGE}` shows no older copy below another package\n\
             - calls of `_.template` get no text from users",
            outdated.version
        ),
        anchor: Some(anchor),
        ..pb::PostCommentRequest::default()
    };
    let posted = answer(cloud.comments().post_comment(request).await)?;
    let comment = posted.comment.context("no comment came back")?;
    Ok(((), format!("comment {} with guidance, on {path}:{}", comment.id, outdated.line)))
}

/// Asks again and again until the builds of the pull request's head have said something final.
async fn build(cloud: &Cloud, finding: &Finding, pr: i64, commit: &str) -> Made<()> {
    let request = pb::GetBuildStatusRequest {
        repo: Some(finding.state.repo.clone()),
        target: Some(pb::get_build_status_request::Target::PrId(pr)),
    };
    let done = timeout(PATIENCE, finished(cloud, request)).await;
    let status = done.with_context(|| format!("no build has finished after {PATIENCE:?}"))??;
    ensure!(status.commit_id == commit, "the build is of {}, not of the edit", short(&status.commit_id));
    let builds = status.builds.iter().map(|build| format!("{}: {}", build.name, words(build.state())));
    Ok(((), builds.collect::<Vec<_>>().join(", ")))
}

async fn finished(
    cloud: &Cloud,
    request: pb::GetBuildStatusRequest,
) -> anyhow::Result<pb::GetBuildStatusResponse> {
    let mut tick = interval(EVERY);
    let mut before = None;
    loop {
        tick.tick().await;
        let status = answer(cloud.builds().get_build_status(request.clone()).await)?;
        let state = status.state();
        if before.replace(state) != Some(state) {
            say(format!("  the build of {}: {}", short(&status.commit_id), words(state)));
        }
        match state {
            pb::BuildState::Successful => return Ok(status),
            pb::BuildState::Failed | pb::BuildState::Cancelled => bail!("the build is {}", words(state)),
            pb::BuildState::InProgress | pb::BuildState::Unspecified => {}
        }
    }
}

fn words(state: pb::BuildState) -> &'static str {
    match state {
        pb::BuildState::Unspecified => "not reported yet",
        pb::BuildState::InProgress => "in progress",
        pb::BuildState::Successful => "successful",
        pb::BuildState::Failed => "failed",
        pb::BuildState::Cancelled => "cancelled",
    }
}

fn name(repo: &pb::RepoRef) -> String {
    format!("{}/{}", repo.project, repo.slug)
}

/// The first letters of a commit's id, as git shows them.
fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// Of a manifest, in bytes.
const LARGEST: usize = 1024 * 1024;

/// How often to ask for the build.
const EVERY: Duration = Duration::from_millis(200);

/// How long the build may take; the simulator's takes 1.5 s.
const PATIENCE: Duration = Duration::from_secs(60);
