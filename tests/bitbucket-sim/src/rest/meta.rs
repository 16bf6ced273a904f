//! What the server says of itself: no authentication needed.

use http::{StatusCode, header};
use serde_json::json;

use super::route;
use crate::call::{Answer, Call, ok};
use crate::knobs::State;
use crate::refusal::{Refusal, json_response};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "status", Nothing, Bytes, now status),
    route!(GET, "rest/api/{v}/application-properties", Nothing, Json, now properties),
    route!(GET, "rest/capabilities", Nothing, Json, now capabilities),
    route!(GET, "rest/api/{v}/build/capabilities", User, Json, now build_capabilities),
    route!(GET, "plugins/servlet/applinks/whoami", Nothing, Bytes, now whoami),
];

/// The codes of the states other than `RUNNING` are from memory: clients must read the state.
fn status(call: &Call) -> Answer {
    let state = call.app.knobs.current_state();
    let code = match state {
        State::Running | State::FirstRun => StatusCode::OK,
        State::Starting | State::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
        State::Error => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Ok(json_response(code, &json!({"state": state.word()})))
}

fn properties(call: &Call) -> Answer {
    let version = call.app.config.version;
    let (number, date) = (version.build_number(), 1_783_935_727_556_u64);
    let mut json = json!({"version": version.number(), "displayName": "Bitbucket"});
    if version.has_numeric_build() {
        (json["buildNumber"], json["buildDate"]) = (json!(number), json!(date));
    } else {
        (json["buildNumber"], json["buildDate"]) = (json!(number.to_string()), json!(date.to_string()));
    }
    ok(&json)
}

fn capabilities(call: &Call) -> Answer {
    let base = &call.app.base;
    ok(&json!({
        "application": "stash", "buildDate": "2026-01-13T07:28:00Z",
        "links": {"self": format!("{base}/rest/capabilities")},
        "capabilities": {
            "build": format!("{base}/rest/api/latest/build/capabilities"),
            "code-insights": format!("{base}/rest/insights/latest/capabilities"),
            "navigation": format!("{base}/rest/capabilities/navigation"),
            "webhooks": format!("{base}/rest/webhooks/latest/capabilities"),
        },
    }))
}

fn build_capabilities(_: &Call) -> Answer {
    ok(&json!({"buildStatus": ["richBuildStatus"]}))
}

/// Outside `/rest`: later releases send a token's owner to the login page.
fn whoami(call: &Call) -> Answer {
    let actor = call.actor.as_ref();
    if call.app.config.version.confines_tokens() && actor.is_none_or(|actor| actor.by_token) {
        let mut response = json_response(StatusCode::FOUND, &json!({}));
        let login = format!("{}/login", call.app.base).parse();
        response.headers_mut().insert(header::LOCATION, login.map_err(|_| Refusal::NoRoute)?);
        return Ok(response);
    }
    let name = actor.map_or_else(String::new, |actor| actor.label.clone());
    Err(Refusal::Text(StatusCode::OK, "text/plain;charset=UTF-8", name))
}
