//! How members are read that versions of Bitbucket write differently.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Reads a text; anything else, `null` included, is an empty one.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match from.deserialize_any(Any)? {
        Member::Text(text) => text,
        Member::Number(_) | Member::Truth(_) | Member::Other => String::new(),
    })
}

/// Reads a number; anything else is 0, such as a date in words where milliseconds are due.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Ok(match from.deserialize_any(Any)? {
        Member::Number(number) => number,
        Member::Text(_) | Member::Truth(_) | Member::Other => 0,
    })
}

/// Reads a number that proto keeps in 32 bits.
pub(super) fn small<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    Ok(i32::try_from(number(from)?).unwrap_or(i32::MAX))
}

/// Reads a truth; anything else is `false`.
pub(super) fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    truth_or::<D, false>(from)
}

/// Reads a truth; anything else is `OTHER`.
pub(super) fn truth_or<'de, D: Deserializer<'de>, const OTHER: bool>(from: D) -> Result<bool, D::Error> {
    Ok(match from.deserialize_any(Any)? {
        Member::Truth(truth) => truth,
        Member::Text(_) | Member::Number(_) | Member::Other => OTHER,
    })
}

/// Reads a member that may be absent, `null` or of another form, which are all the default.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: Default + serde::de::DeserializeOwned>(
    from: D,
) -> Result<T, D::Error> {
    let text = Box::<RawValue>::deserialize(from)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

/// What a member holds.
enum Member {
    Text(String),
    Number(i64),
    Truth(bool),
    /// `null`, a fraction, a number beyond 64 bits, a list or an object.
    Other,
}

/// Takes whatever stands there.
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Member;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("any member")
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Member, E> {
        Ok(Member::Text(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Member, E> {
        Ok(Member::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Member, E> {
        Ok(i64::try_from(number).map_or(Member::Other, Member::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Member, E> {
        Ok(Member::Truth(truth))
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Member, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Member, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }
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
        let odd =
            read(r#"{"name":{"x":[1]},"at":"2018-07-05T05:58:45+0000","count":4294967296,"links":null}"#);
        assert_eq!((odd.name.as_str(), odd.at, odd.count, odd.draft), ("", 0, i32::MAX, false));
        assert_eq!((odd.links.web(), odd.links.clone_over("ssh")), (String::new(), String::new()));
        for json in ["1", "1.5", "-1", "true", "null", "[[], {}]", r#"{"a": {"b": "c"}}"#] {
            let odd = read(&format!(r#"{{"name": {json}, "links": {{"self": {json}, "clone": {json}}}}}"#));
            assert_eq!((odd.name.as_str(), odd.links.web().as_str()), ("", ""), "{json}");
        }
        for json in ["1.5", "18446744073709551615", "1e30", "false", r#""7""#, "[7]", r#"{"7": 7}"#] {
            let odd = read(&format!(r#"{{"at": {json}, "draft": {json}}}"#));
            assert_eq!((odd.at, odd.draft), (0, false), "{json}");
        }
    }

    #[test]
    fn a_page_that_was_read_before_is_read_alike() {
        let links =
            r#"{"self": [{"href": "https://a/"}], "clone": [{"name": "ssh", "href": "ssh://\u0061/"}]}"#;
        let json = format!(r#"{{"name": "n\n", "at": -5, "count": 7, "draft": true, "links": {links}}}"#);
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        for odd in [read(&json), serde_json::from_value(value).expect("read")] {
            assert_eq!((odd.name.as_str(), odd.at, odd.count, odd.draft), ("n\n", -5, 7, true));
            assert_eq!(
                (odd.links.web(), odd.links.clone_over("ssh")),
                ("https://a/".into(), "ssh://a/".into())
            );
        }
    }

    fn read(json: &str) -> Odd {
        serde_json::from_str(json).expect("tolerated")
    }
}
