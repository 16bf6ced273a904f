//! The router: a table of patterns over decoded path segments.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::call::{Answer, Call};

/// What a route asks of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: no authentication.
    Nothing,
    /// Any licensed user.
    User,
    /// The project in the path, to read it.
    ProjectRead,
    /// The project in the path, to administer it.
    ProjectAdmin,
    /// The repository in the path, to read it.
    Read,
    /// The repository in the path, to write to it.
    Write,
    /// The repository in the path, to administer it.
    Admin,
    /// The whole instance.
    System,
}

/// What kind of answer a route gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// JSON only: any other `Accept` is a 406.
    Json,
    /// Bytes or text of its own.
    Bytes,
}

/// The code behind a route.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Answers from memory.
    Now(fn(&Call) -> Answer),
    /// Runs programs or reads the body.
    Later(fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>),
}

/// One line of the table.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Segments: literal, `{name}`, or at the end `{name*}` for the rest, which may be empty.
    pub(crate) pattern: &'static str,
    pub(crate) need: Need,
    pub(crate) gives: Gives,
    pub(crate) handler: Handler,
}

/// The parameters of a matched path, decoded.
pub(crate) type Params = HashMap<&'static str, String>;

/// What a path leads to.
pub(crate) enum Found {
    /// A route and its parameters.
    Route(&'static Route, Params),
    /// The path is known, but not with this method.
    OtherMethod,
    /// Nothing.
    Nothing,
}

/// Finds the route for a method and the decoded segments below the context path.
pub(crate) fn find(tables: &[&'static [Route]], method: &Method, segments: &[String]) -> Found {
    let mut found = Found::Nothing;
    for route in tables.iter().copied().flatten() {
        let Some(params) = matches(route.pattern, segments) else { continue };
        if route.method == *method {
            return Found::Route(route, params);
        }
        found = Found::OtherMethod;
    }
    found
}

/// Splits a path into decoded segments; none when one is not UTF-8.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let decode = |segment: &str| percent_decode_str(segment).decode_utf8().ok().map(|text| text.into_owned());
    path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

fn matches(pattern: &'static str, segments: &[String]) -> Option<Params> {
    let mut params = Params::new();
    let mut rest = segments.iter();
    for part in pattern.split('/') {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        match (name, name.and_then(|name| name.strip_suffix('*'))) {
            (_, Some(tail)) => {
                let tail_value = rest.as_slice().join("/");
                params.insert(tail, tail_value);
                return Some(params);
            }
            (None, None) if !part.starts_with('{') => {
                if rest.next()? != part {
                    return None;
                }
            }
            (Some("v"), None) if matches!(rest.next()?.as_str(), "1.0" | "latest") => {}
            (Some(name), None) if name != "v" => {
                params.insert(name, rest.next()?.clone());
            }
            // `{id}.diff`: a parameter with an ending.
            (None, None) if part.starts_with('{') && part.contains("}.") => {
                let (name, ending) = part.strip_prefix('{')?.split_once('}')?;
                params.insert(name, rest.next()?.strip_suffix(ending)?.to_owned());
            }
            _ => return None,
        }
    }
    rest.as_slice().is_empty().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pattern: &'static str, path: &str) -> Option<Params> {
        matches(pattern, &segments(path).unwrap())
    }

    #[test]
    fn both_names_of_the_version_match_and_no_other() {
        assert!(params("rest/api/{v}/repos", "/rest/api/1.0/repos").is_some());
        assert!(params("rest/api/{v}/repos", "/rest/api/latest/repos").is_some());
        assert!(params("rest/api/{v}/repos", "/rest/api/2.0/repos").is_none());
    }

    #[test]
    fn a_tail_keeps_its_slashes_and_may_be_empty() {
        let found = params("raw/{path*}", "/raw/a%20b/%C3%BC.txt").unwrap();
        assert_eq!(found["path"], "a b/ü.txt");
        assert_eq!(params("raw/{path*}", "/raw").unwrap()["path"], "");
    }

    #[test]
    fn a_parameter_may_have_an_ending() {
        assert_eq!(params("pulls/{id}.diff", "/pulls/7.diff").unwrap()["id"], "7");
        assert!(params("pulls/{id}.diff", "/pulls/7.patch").is_none());
        assert!(params("pulls/{id}.diff", "/pulls/7").is_none());
    }

    #[test]
    fn a_tilde_may_be_encoded() {
        assert_eq!(params("projects/{key}", "/projects/%7Emilton").unwrap()["key"], "~milton");
    }
}
