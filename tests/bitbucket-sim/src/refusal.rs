//! Everything the simulator can answer instead of a result (FACTS.md 1.4).

use http::{Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::body::{Body, full};
use crate::git;

/// An answer that is not a result.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The `errors` envelope.
    Api(Box<ApiError>),
    /// A status with an empty body.
    Bare(StatusCode),
    /// There is no such route: a 404 without `errors`.
    NoRoute,
    /// A text that is not JSON.
    Text(StatusCode, &'static str, String),
    /// The repository has moved: 307 to this address.
    Moved(String),
}

/// One error of the envelope.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    exception: Option<String>,
    context: Option<&'static str>,
    message: String,
    extra: Map<String, Value>,
}

/// An error with an exception below `com.atlassian.bitbucket.`, or anywhere when its name starts with `com.`.
pub(crate) fn api(status: StatusCode, exception: &str, message: impl Into<String>) -> Refusal {
    let exception = match exception {
        "" => None,
        full if full.starts_with("com.") => Some(full.to_owned()),
        short => Some(format!("com.atlassian.bitbucket.{short}")),
    };
    let error = ApiError { status, exception, context: None, message: message.into(), extra: Map::new() };
    Refusal::Api(Box::new(error))
}

/// A 400 of bean validation: no exception, the field as context.
pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Refusal {
    api(StatusCode::BAD_REQUEST, "", message).about(field)
}

/// A 400 for an argument that makes no sense.
pub(crate) fn bad_argument(message: impl Into<String>) -> Refusal {
    api(StatusCode::BAD_REQUEST, "validation.ArgumentValidationException", message)
}

/// A 404 for an entity.
pub(crate) fn missing(exception: &str, message: impl Into<String>) -> Refusal {
    api(StatusCode::NOT_FOUND, exception, message)
}

/// A 409.
pub(crate) fn conflict(exception: &str, message: impl Into<String>) -> Refusal {
    api(StatusCode::CONFLICT, exception, message)
}

/// A known user without the permission: 401, not 403.
pub(crate) fn forbidden() -> Refusal {
    api(StatusCode::UNAUTHORIZED, "AuthorisationException", "You are not permitted to access this resource")
}

impl Refusal {
    /// Names the field that is wrong.
    pub(crate) fn about(mut self, field: &'static str) -> Self {
        if let Self::Api(error) = &mut self {
            error.context = Some(field);
        }
        self
    }

    /// What it says, where it says something.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Api(error) => error.message.clone(),
            Self::Text(_, _, text) | Self::Moved(text) => text.clone(),
            Self::Bare(_) | Self::NoRoute => String::new(),
        }
    }

    /// Adds a member that this exception has.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        if let Self::Api(error) = &mut self {
            error.extra.insert(name.to_owned(), value);
        }
        self
    }

    /// The answer; `xml` when the caller does not accept JSON.
    pub(crate) fn into_response(self, xml: bool) -> Response<Body> {
        match self {
            Self::Api(error) => json_response(error.status, &error.envelope()),
            Self::Bare(status) => plain(status, None, String::new()),
            Self::Text(status, kind, text) => plain(status, Some(kind), text),
            Self::NoRoute if xml => {
                plain(StatusCode::NOT_FOUND, Some("application/xml"), NO_ROUTE_XML.to_owned())
            }
            Self::NoRoute => json_response(
                StatusCode::NOT_FOUND,
                &json!({"message": "HTTP 404 Not Found", "status-code": 404, "sub-code": -1}),
            ),
            Self::Moved(address) => {
                let mut response = plain(StatusCode::TEMPORARY_REDIRECT, None, String::new());
                if let Ok(address) = address.parse() {
                    response.headers_mut().insert(header::LOCATION, address);
                }
                response
            }
        }
    }
}

impl ApiError {
    fn envelope(&self) -> Value {
        let mut error = self.extra.clone();
        error.insert("context".to_owned(), self.context.map_or(Value::Null, Value::from));
        error.insert("message".to_owned(), Value::from(self.message.clone()));
        error.insert("exceptionName".to_owned(), self.exception.clone().map_or(Value::Null, Value::from));
        json!({"errors": [error]})
    }
}

impl From<git::Error> for Refusal {
    fn from(error: git::Error) -> Self {
        tracing::warn!(%error, "git failed");
        api(StatusCode::INTERNAL_SERVER_ERROR, "scm.CommandFailedException", error.to_string())
    }
}

/// A JSON answer, with the content type that the product gives.
pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    plain(status, Some("application/json;charset=UTF-8"), value.to_string())
}

fn plain(status: StatusCode, kind: Option<&'static str>, text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    }
    response
}

const NO_ROUTE_XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><status>\
     <status-code>404</status-code><message>HTTP 404 Not Found</message></status>";
