//! How members are read that versions of Bitbucket write differently.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a text; anything else, `null` included, is an empty one.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => String::new(),
    })
}

/// Reads a number; anything else is 0, such as a date in words where milliseconds are due.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Ok(Value::deserialize(from)?.as_i64().unwrap_or_default())
}

/// Reads a number that proto keeps in 32 bits.
pub(super) fn small<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    Ok(i32::try_from(number(from)?).unwrap_or(i32::MAX))
}

/// Reads a truth; anything else is `false`.
pub(super) fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Value::deserialize(from)?.as_bool().unwrap_or_default())
}

/// Reads a truth; anything else is `OTHER`.
pub(super) fn truth_or<'de, D: Deserializer<'de>, const OTHER: bool>(from: D) -> Result<bool, D::Error> {
    Ok(Value::deserialize(from)?.as_bool().unwrap_or(OTHER))
}

/// Reads a member that may be absent, `null` or of another form, which are all the default.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: Default + serde::de::DeserializeOwned>(
    from: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).unwrap_or_default())
}

/// The links of an entity, by name.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Links {
    #[serde(default, rename = "self", deserialize_with = "lenient")]
    itself: Vec<Link>,
    #[serde(default, deserialize_with = "lenient")]
    clone: Vec<Link>,
}

#[derive(Debug, Default, Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "text")]
    href: String,
    #[serde(default, deserialize_with = "text")]
    name: String,
}

impl Links {
    /// Bitbucket's page of the entity; empty when it gave none.
    pub(super) fn web(&self) -> String {
        self.itself.first().map(|link| link.href.clone()).unwrap_or_default()
    }

    /// Where to clone over `http` or `ssh`; empty when that is switched off.
    pub(super) fn clone_over(&self, name: &str) -> String {
        self.clone.iter().find(|link| link.name == name).map(|link| link.href.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Odd {
        #[serde(default, deserialize_with = "text")]
        name: String,
        #[serde(default, deserialize_with = "number")]
        at: i64,
        #[serde(default, deserialize_with = "small")]
        count: i32,
        #[serde(default, deserialize_with = "truth")]
        draft: bool,
        #[serde(default, deserialize_with = "lenient")]
        links: Links,
    }

    #[test]
    fn members_of_another_form_are_their_defaults() {
        let json = r#"{"name":{"x":1},"at":"2018-07-05T05:58:45+0000","count":4294967296,"links":null}"#;
        let odd: Odd = serde_json::from_str(json).expect("tolerated");
        assert_eq!((odd.name.as_str(), odd.at, odd.count, odd.draft), ("", 0, i32::MAX, false));
        assert_eq!((odd.links.web(), odd.links.clone_over("ssh")), (String::new(), String::new()));
    }
}
