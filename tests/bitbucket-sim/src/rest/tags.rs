//! `R/tags`.

use http::StatusCode;

use super::{repo, route};
use crate::call::{Answer, Call, ok};
use crate::entity::{display, tag_json};
use crate::refusal::Refusal;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/tags"), Read, Json, later list),
    route!(GET, repo!("/tags/{name*}"), Read, Json, later get),
];

async fn list(call: Call) -> Answer {
    let page = call.page(1000)?;
    let mut tags = call.git()?.refs("refs/tags").await?;
    let filter = call.query.get("filterText").unwrap_or("").to_lowercase();
    tags.retain(|tag| display(&tag.name).to_lowercase().contains(&filter));
    if call.query.get("orderBy") != Some("ALPHABETICAL") {
        tags.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.name.cmp(&b.name)));
    }
    ok(&page.stored(tags.iter().map(tag_json)))
}

async fn get(call: Call) -> Answer {
    let full = format!("refs/tags/{}", call.param("name"));
    let tags = call.git()?.refs("refs/tags").await?;
    // A missing tag has no body at all.
    let tag = tags.iter().find(|tag| tag.name == full).ok_or(Refusal::Bare(StatusCode::NOT_FOUND))?;
    ok(&tag_json(tag))
}
