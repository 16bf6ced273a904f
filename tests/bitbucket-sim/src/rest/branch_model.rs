//! `/rest/branch-utils/.../branchmodel`: development, production and the prefixes, as a fresh repository has them.

use serde_json::{Value, json};

use super::route;
use crate::call::{Answer, Call, ok};
use crate::entity::branch_json;
use crate::route::Route;

/// A pattern of the two resources.
macro_rules! model {
    ($tail:literal) => {
        concat!("rest/branch-utils/{v}/projects/{key}/repos/{slug}/branchmodel", $tail)
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(GET, model!(""), Read, Json, later get),
    route!(GET, model!("/configuration"), Admin, Json, now configuration),
];

/// There is a development branch (the default one) and no production branch.
async fn get(call: Call) -> Answer {
    let git = call.git()?;
    let name = git.default_branch().await?;
    let branches = git.refs(&name).await?;
    let mut json = json!({"types": types(&["id", "displayName", "prefix"])});
    if let Some(branch) = branches.iter().find(|branch| branch.name == name) {
        json["development"] = branch_json(branch, Some(&name));
    }
    ok(&json)
}

fn configuration(_: &Call) -> Answer {
    let mut types = types(&["id", "displayName", "prefix"]);
    for kind in &mut types {
        kind["enabled"] = json!(true);
    }
    ok(&json!({"development": {"refId": null, "useDefault": true}, "types": types}))
}

fn types(members: &[&str]) -> Vec<Value> {
    let kind = |name: &str| {
        let mut chars = name.chars();
        let display: String = chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect();
        let values = [name.to_uppercase(), display, format!("{name}/")];
        members.iter().map(|member| (*member).to_owned()).zip(values.map(Value::from)).collect()
    };
    ["bugfix", "feature", "hotfix", "release"].map(kind).to_vec()
}
