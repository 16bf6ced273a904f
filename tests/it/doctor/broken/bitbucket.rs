//! Servers that are not this connection's Bitbucket, and tokens that are not its own.

use bitbucket_sim::{State, TokenSpec};

use crate::tools::nginx::Block;
use crate::tools::{Nginx, free_port};
use crate::world::tls::{Ca, Oddity};

use super::super::visit::Visit;
use super::{BITBUCKET, Diagnosis};

#[tokio::test]
async fn a_wrong_context_path() {
    let visit = Visit::new().await;
    let url = visit.world.sim.url().replace("/bitbucket", "/git");
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "status",
        section: "not-bitbucket",
        cause: &["there is no Bitbucket below the connection's base URL"],
        remedy: "context path",
    }
    .of(&visit.bitbucket_at(&url))
    .await;
}

#[tokio::test]
async fn a_web_server_in_place_of_bitbucket() {
    let Some((visit, _nginx)) = behind("return 200 '<html>It works!</html>';").await else { return };
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "status",
        section: "not-bitbucket",
        cause: &["what answers below the connection's base URL is not Bitbucket's REST interface"],
        remedy: "context path",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn nginx_whose_bitbucket_is_gone() {
    let nobody = free_port([127, 0, 0, 1].into());
    let pass = format!("location / {{ proxy_pass http://127.0.0.1:{nobody}; }}");
    let Some((visit, _nginx)) = behind(&pass).await else { return };
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "status",
        section: "bitbucket-unavailable",
        cause: &["a reverse proxy before Bitbucket answers HTTP 502 Bad Gateway"],
        remedy: "check that Bitbucket runs",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn one_in_maintenance() {
    let visit = Visit::new().await;
    visit.world.sim.knobs().state(State::Maintenance);
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "status",
        section: "bitbucket-unavailable",
        cause: &["Bitbucket is in maintenance"],
        remedy: "wait until it is over",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn a_token_that_nobody_gave_out() {
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "token",
        section: "token",
        cause: &["Bitbucket refuses the token", "wrong, expired or revoked"],
        remedy: "make a new HTTP access token",
    }
    .of(&Visit::new().await.token("MDAwMDAwMDAwMDAwOmM0bmFyeS10MGtlbi10aGF0LWlzLW5vbmU="))
    .await;
}

#[tokio::test]
async fn a_token_of_another_user() {
    let visit = Visit::new().await;
    let token = visit.world.sim.add_token(TokenSpec::personal("bob"));
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "user",
        section: "user",
        cause: &["the token belongs to another than the connection's user"],
        remedy: "correct its `user`",
    }
    .of(&visit.token(&token).connection("user = 'alice'"))
    .await;
}

#[tokio::test]
async fn a_project_that_is_not_there() {
    let visit = Visit::new().await;
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "projects",
        section: "projects",
        cause: &["a project does not exist, or the token's user may not see it"],
        remedy: "correct the project keys",
    }
    .of(&visit.only_project("NOWHERE"))
    .await;
}

/// A visit whose Bitbucket is an nginx with these lines, which is trusted.
async fn behind(lines: &str) -> Option<(Visit, Nginx)> {
    let (root, visit) = (Ca::new("Internal root"), Visit::new().await);
    let block = Block::tls("ssl", &root.issue(&["localhost"], &Oddity::None)).lines(lines);
    let nginx = Nginx::start(&block).await?;
    let url = format!("{}/bitbucket", nginx.url());
    Some((visit.trusting(root.pem()).bitbucket_at(&url), nginx))
}
