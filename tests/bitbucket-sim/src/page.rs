//! Paging (FACTS.md 1.3).

use serde_json::{Value, json};

use crate::call::Query;
use crate::refusal::{Refusal, bad_argument};

/// What part of a collection is asked for, after clamping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) start: usize,
    pub(crate) limit: usize,
}

impl Page {
    /// Reads `start` and `limit`; a limit above `cap` is lowered in silence.
    pub(crate) fn of(query: &Query, default: usize, cap: usize) -> Result<Self, Refusal> {
        let number = |name: &str, default: usize| match query.get(name) {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| bad_argument(format!("{name} must be a number, not '{text}'")))
            }
        };
        let (start, limit) = (number("start", 0)?, number("limit", default)?);
        if limit == 0 {
            return Err(bad_argument("limit must be greater than 0"));
        }
        Ok(Self { start, limit: limit.min(cap) })
    }

    /// A page of a stored collection: the last one has no `nextPageStart`.
    pub(crate) fn stored(self, all: impl IntoIterator<Item = Value>) -> Value {
        let (values, last) = self.take(all.into_iter().skip(self.start));
        let mut page = self.envelope(&values, last);
        if !last {
            page["nextPageStart"] = json!(self.start + self.limit);
        }
        page
    }

    /// A page of a streamed collection: on the last one `nextPageStart` is null. `rest` begins at `start`, and may
    /// have one more than the page holds, to show that there is more.
    pub(crate) fn streamed(self, rest: impl IntoIterator<Item = Value>) -> Value {
        let (values, last) = self.take(rest);
        let mut page = self.envelope(&values, last);
        page["nextPageStart"] = if last { Value::Null } else { json!(self.start + self.limit) };
        page
    }

    fn take(self, rest: impl IntoIterator<Item = Value>) -> (Vec<Value>, bool) {
        let mut values: Vec<Value> = rest.into_iter().take(self.limit + 1).collect();
        let last = values.len() <= self.limit;
        values.truncate(self.limit);
        (values, last)
    }

    fn envelope(self, values: &[Value], last: bool) -> Value {
        json!({"size": values.len(), "limit": self.limit, "isLastPage": last, "values": values, "start": self.start})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Page {
        Page::of(&Query::parse(query), 25, 1000).unwrap()
    }

    #[test]
    fn a_limit_above_the_cap_is_lowered_and_echoed() {
        let page = page("limit=5000");
        assert_eq!(page.stored([])["limit"], 1000);
    }

    #[test]
    fn the_last_page_lacks_the_next_start_or_says_null() {
        let values = || (0..3).map(Value::from);
        let first = page("limit=2").stored(values());
        assert_eq!((&first["isLastPage"], &first["nextPageStart"]), (&json!(false), &json!(2)));
        let last = page("limit=2&start=2").stored(values());
        assert!(last.get("nextPageStart").is_none());
        let streamed = page("limit=9").streamed(values());
        assert_eq!(streamed.get("nextPageStart"), Some(&Value::Null));
    }
}
