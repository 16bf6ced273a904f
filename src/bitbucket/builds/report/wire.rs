//! Reports and annotations as Bitbucket takes and gives them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bitbucket::Error;
use crate::bitbucket::wire::{lenient, number, text};
use crate::proto::scm::v1 as pb;

/// A report. What is empty is left out: a link must be an address.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    #[serde(default, deserialize_with = "text")]
    title: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    details: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    result: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    reporter: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    link: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    logo_url: String,
    // Bitbucket wants it, even empty.
    #[serde(default, deserialize_with = "lenient")]
    data: Vec<Datum>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Datum {
    #[serde(default, deserialize_with = "text")]
    title: String,
    #[serde(default, rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(default)]
    value: Value,
}

/// A finding.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Annotation {
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    path: String,
    #[serde(default, deserialize_with = "number")]
    line: i64,
    #[serde(default, deserialize_with = "text")]
    message: String,
    #[serde(default, deserialize_with = "text")]
    severity: String,
    #[serde(default, rename = "type", deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    link: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    external_id: String,
}

/// All annotations of a report; Bitbucket gives them at once.
#[derive(Debug, Deserialize)]
pub(super) struct Annotations {
    #[serde(default, deserialize_with = "lenient")]
    annotations: Vec<Annotation>,
}

impl Report {
    pub(super) fn new(asked: &pb::PublishReportRequest) -> Result<Self, Error> {
        let result = match pb::ReportResult::try_from(asked.result).map_err(|_| unknown("result"))? {
            pb::ReportResult::Unspecified => "",
            pb::ReportResult::Pass => "PASS",
            pb::ReportResult::Fail => "FAIL",
        };
        Ok(Self {
            title: asked.title.clone(),
            details: asked.details.clone(),
            result: result.to_owned(),
            reporter: asked.reporter.clone(),
            link: asked.link.clone(),
            logo_url: asked.logo_url.clone(),
            data: asked.data.iter().map(Datum::new).collect::<Result<_, _>>()?,
        })
    }

    /// Whether Bitbucket's report is this one.
    pub(super) fn is(&self, other: &Self) -> bool {
        let facts = |report: &Self| {
            [&report.title, &report.details, &report.result, &report.reporter, &report.link, &report.logo_url]
                .map(Clone::clone)
        };
        facts(self) == facts(other)
            && self.data.len() == other.data.len()
            && self.data.iter().zip(&other.data).all(|(left, right)| left.is(right))
    }

    /// Whether Bitbucket's report is this one as far as its result and its kinds of facts tell.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let kinds = |report: &Self| report.data.iter().map(|datum| datum.kind.clone()).collect::<Vec<_>>();
        self.result == other.result && kinds(self) == kinds(other)
    }
}

impl Datum {
    fn new(data: &pb::ReportData) -> Result<Self, Error> {
        use pb::report_data::Value as Of;
        let value = data.value.as_ref().ok_or_else(|| Error::field("data", "has a fact without a value"))?;
        let (kind, value) = match value {
            Of::Boolean(value) => ("BOOLEAN", json!(value)),
            Of::DateMs(value) => ("DATE", json!(value)),
            Of::DurationMs(value) => ("DURATION", json!(value)),
            Of::Link(link) => {
                let text = if link.text.is_empty() { &link.url } else { &link.text };
                ("LINK", json!({"linktext": text, "href": link.url}))
            }
            Of::Number(value) => ("NUMBER", json!(value)),
            Of::Percentage(value) => ("PERCENTAGE", json!(value)),
            Of::Text(value) => ("TEXT", json!(value)),
        };
        Ok(Self { title: data.title.clone(), kind: kind.to_owned(), value })
    }

    fn is(&self, other: &Self) -> bool {
        // 5 and 5.0 are the same to Bitbucket, but not to JSON.
        let value = match (self.value.as_f64(), other.value.as_f64()) {
            (Some(left), Some(right)) => left.to_bits() == right.to_bits(),
            _ => self.value == other.value,
        };
        value && self.title == other.title && self.kind == other.kind
    }
}

impl Annotation {
    pub(super) fn new(asked: &pb::Annotation) -> Result<Self, Error> {
        let severity = pb::AnnotationSeverity::try_from(asked.severity);
        let severity = match severity.map_err(|_| unknown("annotations.severity"))? {
            pb::AnnotationSeverity::Unspecified | pb::AnnotationSeverity::Low => "LOW",
            pb::AnnotationSeverity::Medium => "MEDIUM",
            pb::AnnotationSeverity::High => "HIGH",
        };
        let kind = pb::AnnotationType::try_from(asked.r#type);
        let kind = match kind.map_err(|_| unknown("annotations.type"))? {
            pb::AnnotationType::Unspecified => "",
            pb::AnnotationType::Vulnerability => "VULNERABILITY",
            pb::AnnotationType::CodeSmell => "CODE_SMELL",
            pb::AnnotationType::Bug => "BUG",
        };
        Ok(Self {
            path: asked.path.clone(),
            line: asked.line.into(),
            message: asked.message.clone(),
            severity: severity.to_owned(),
            kind: kind.to_owned(),
            link: asked.link.clone(),
            external_id: asked.external_id.clone(),
        })
    }
}

impl Annotation {
    /// As many bytes as it takes as JSON, or a few more.
    pub(super) fn longest(&self) -> usize {
        let texts = [&self.path, &self.message, &self.link, &self.external_id];
        texts
            .iter()
            .map(|text| serde_json::to_string(text).map_or(6 * text.len(), |json| json.len()))
            .sum::<usize>()
            + REST
    }
}

impl Annotations {
    /// Whether they are these, in whatever order, each as often.
    pub(super) fn are(&self, wanted: &[Annotation]) -> bool {
        sorted(&self.annotations, Annotation::clone) == sorted(wanted, Annotation::clone)
    }

    /// Whether they are these as far as the places and the severities tell.
    pub(super) fn are_like(&self, wanted: &[Annotation]) -> bool {
        let place = |it: &Annotation| (it.path.clone(), it.line, it.severity.clone());
        sorted(&self.annotations, place) == sorted(wanted, place)
    }
}

/// The names of an annotation's members, its line, severity and type.
const REST: usize = 160;

fn sorted<T: Ord>(annotations: &[Annotation], of: impl Fn(&Annotation) -> T) -> Vec<T> {
    let mut sorted: Vec<_> = annotations.iter().map(of).collect();
    sorted.sort();
    sorted
}

fn unknown(field: &str) -> Error {
    Error::field(field, "is a value that this version of gitproxy does not know")
}

#[cfg(test)]
mod tests {
    use pb::report_data::Value as Of;

    use super::*;

    fn datum(value: Of) -> Value {
        let data = pb::ReportData { title: "t".into(), value: Some(value) };
        serde_json::to_value(Datum::new(&data).expect("a fact")).expect("JSON")
    }

    #[test]
    fn each_fact_has_the_value_that_its_type_wants() {
        let is = |value, kind: &str, expected: Value| {
            assert_eq!(datum(value), json!({"title": "t", "type": kind, "value": expected}));
        };
        is(Of::Boolean(true), "BOOLEAN", json!(true));
        is(Of::DateMs(5), "DATE", json!(5));
        is(Of::DurationMs(6), "DURATION", json!(6));
        let link = pb::ReportLink { text: String::new(), url: "https://x".into() };
        is(Of::Link(link), "LINK", json!({"linktext": "https://x", "href": "https://x"}));
        is(Of::Number(1.5), "NUMBER", json!(1.5));
        is(Of::Percentage(99.0), "PERCENTAGE", json!(99.0));
        is(Of::Text("x".into()), "TEXT", json!("x"));
    }

    #[test]
    fn the_same_report_is_told_from_another() {
        let number = pb::ReportData { title: "n".into(), value: Some(Of::Number(5.0)) };
        let asked = pb::PublishReportRequest { title: "T".into(), data: vec![number], ..Default::default() };
        let report = Report::new(&asked).expect("a report");
        assert_eq!(
            serde_json::to_value(&report).expect("JSON"),
            json!({"title": "T", "data": [{"title": "n", "type": "NUMBER", "value": 5.0}]})
        );
        let read = |json: &str| serde_json::from_str::<Report>(json).expect("read");
        let same =
            r#"{"title":"T","createdDate":5,"key":"k","data":[{"title":"n","type":"NUMBER","value":5}]}"#;
        assert!(read(same).is(&report));
        assert!(!read(&same.replace("\"value\":5", "\"value\":6")).is(&report));
        assert!(!read(&same.replace("\"T\"", "\"U\"")).is(&report));
        assert!(!read(r#"{"title":"T"}"#).is(&report));
    }

    #[test]
    fn annotations_are_compared_in_any_order() {
        let of = |message: &str| {
            Annotation::new(&pb::Annotation { message: message.into(), ..Default::default() }).expect("one")
        };
        let found = |json: &str| serde_json::from_str::<Annotations>(json).expect("read");
        let two = r#"{"annotations":[{"message":"b","severity":"LOW","reportKey":"k"},{"message":"a","severity":"LOW"}]}"#;
        assert!(found(two).are(&[of("a"), of("b")]));
        assert!(!found(two).are(&[of("a"), of("b"), of("b")]) && !found(two).are(&[of("a"), of("c")]));
        assert!(found("{}").are(&[]));
    }

    #[test]
    fn what_keeps_its_result_and_its_places_is_alike_and_nothing_else() {
        let of = |line, message: &str| {
            let asked = pb::Annotation { line, message: message.into(), ..Default::default() };
            Annotation::new(&asked).expect("one")
        };
        let there: Annotations =
            serde_json::from_str(r#"{"annotations":[{"line":3,"message":"a","severity":"LOW"}]}"#)
                .expect("read");
        assert!(there.are_like(&[of(3, "a  ")]) && !there.are(&[of(3, "a  ")]));
        assert!(!there.are_like(&[of(4, "a")]) && !there.are_like(&[of(3, "a"), of(3, "a")]));
        let report = |result: pb::ReportResult, title: &str| {
            let (result, title) = (result.into(), title.to_owned());
            Report::new(&pb::PublishReportRequest { result, title, ..Default::default() }).expect("a report")
        };
        let passed = report(pb::ReportResult::Pass, "T");
        assert!(passed.is_like(&report(pb::ReportResult::Pass, "T ")));
        assert!(!passed.is_like(&report(pb::ReportResult::Fail, "T")));
    }
}
