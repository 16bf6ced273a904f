//! What a push wants to change, read from its beginning, and how git is told to refuse it (FACTS.md 6).

use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::app::App;
use crate::auth::Actor;
use crate::git;
use crate::refusal::{Refusal, bad_argument};
use crate::restrict::{ADVICE, Wanted};
use crate::store::Repo;

/// A request's body, also one whose beginning was read already.
pub(super) type Upload = UnsyncBoxBody<Bytes, hyper::Error>;

/// One line of a push: where a ref is, and where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    old: String,
    new: String,
    name: String,
}

/// Reads a push up to the end of its commands, and gives the whole body back.
pub(super) async fn read_commands(mut body: Incoming) -> Result<(Vec<Command>, Upload), Refusal> {
    let mut seen = BytesMut::new();
    let commands = loop {
        if let Some(commands) = parse(&seen) {
            break commands;
        }
        // What ends too early is git's to refuse.
        let Some(Ok(frame)) = body.frame().await else { break Vec::new() };
        if let Ok(data) = frame.into_data() {
            seen.extend_from_slice(&data);
        }
        if seen.len() > MOST_COMMANDS {
            return Err(bad_argument("The push names too many refs"));
        }
    };
    Ok((commands, Whole { beginning: Some(seen.freeze()), rest: body }.boxed_unsync()))
}

/// The refs that git must not change, for the hook: one a line, with when (`always`, `rewrite`) and why.
pub(super) async fn refusals(
    app: &App,
    repo: &Repo,
    actor: &Actor,
    commands: &[Command],
) -> Result<String, Refusal> {
    let mut lines = String::new();
    {
        let store = app.store();
        for Command { old, new, name } in commands.iter().filter(|one| one.name.starts_with("refs/heads/")) {
            // Whether history is rewritten is known only when the commits are there: then the hook looks.
            for (when, rewrites) in [("always", false), ("rewrite", true)] {
                let wanted = Wanted { branch: name, old, new, rewrites };
                if let Some(why) = store.objection(repo, actor.user.as_deref(), &wanted) {
                    lines += &format!("{when}\t{name}\t{why}\n");
                    break;
                }
            }
        }
    }
    if !lines.is_empty() {
        install(repo).await.map_err(git::Error::from)?;
    }
    Ok(lines)
}

async fn install(repo: &Repo) -> std::io::Result<()> {
    let hooks = repo.dir.join("hooks");
    tokio::fs::create_dir_all(&hooks).await?;
    let hook = hooks.join("pre-receive");
    tokio::fs::write(&hook, HOOK.replace("ADVICE", ADVICE)).await?;
    tokio::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).await
}

/// The commands, once they are all there; a flush packet ends them.
fn parse(mut bytes: &[u8]) -> Option<Vec<Command>> {
    let mut commands = Vec::new();
    loop {
        let length = std::str::from_utf8(bytes.get(..4)?).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(commands);
        }
        let line = bytes.get(4..length)?;
        bytes = bytes.get(length..)?;
        // The first line ends with what the client can do.
        let text = String::from_utf8_lossy(line.split(|byte| *byte == 0).next()?).trim_end().to_owned();
        let mut parts = text.splitn(3, ' ').map(str::to_owned);
        if let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next())
            && old.len() == 40
        {
            commands.push(Command { old, new, name });
        }
    }
}

/// A body whose beginning was read.
struct Whole {
    beginning: Option<Bytes>,
    rest: Incoming,
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.beginning.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }
}

/// The variable by which the hook learns what to refuse.
pub(super) const REFUSED: &str = "BITBUCKET_SIM_REFUSED";

/// As the product does: one ref that may not change stops the whole push.
const HOOK: &str = r#"#!/bin/sh
tab=$(printf '\t')
refused=0
while read -r old new ref; do
  while IFS="$tab" read -r when name why; do
    [ "$name" = "$ref" ] || continue
    [ "$when" = rewrite ] && git merge-base --is-ancestor "$old" "$new" && continue
    echo "----------------------------------------------------"
    echo "$why"
    echo "ADVICE"
    echo "----------------------------------------------------"
    refused=1
  done <<EOF
$BITBUCKET_SIM_REFUSED
EOF
done
exit $refused
"#;

/// Bytes of commands: room for some ten thousand refs.
const MOST_COMMANDS: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_once_the_flush_is_there() {
        let (old, new) = ("1".repeat(40), "2".repeat(40));
        let line = format!("{old} {new} refs/heads/x\0 report-status\n");
        let packet = format!("{:04x}{line}0000PACK", line.len() + 4);
        let found = parse(packet.as_bytes()).unwrap();
        assert_eq!(found, [Command { old, new, name: "refs/heads/x".to_owned() }]);
        assert_eq!(parse(&packet.as_bytes()[..packet.len() - 8]), None);
    }
}
