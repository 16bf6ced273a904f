//! The labels of an instance.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::ops::settings::{Layers, Problems};

struct Label {
    name: String,
    value: String,
}

/// Why a text is no label.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("is not of the form NAME=VALUE")]
    Form,
    #[error("has a name or value of more than {LONGEST} bytes, or with control characters")]
    Text,
}

/// Reads the labels; of two with the same name the last counts.
pub(super) fn all(layers: &Layers, problems: &mut Problems) -> BTreeMap<String, String> {
    let labels = layers.list::<Label>("labels", problems);
    let labels: BTreeMap<_, _> = labels.into_iter().map(|label| (label.name, label.value)).collect();
    if labels.len() > MOST {
        problems.push(
            layers.problem("labels", &format!("are {} labels, which is more than {MOST}", labels.len())),
        );
    }
    labels
}

impl FromStr for Label {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (name, value) = text.split_once('=').ok_or(Malformed::Form)?;
        if name.is_empty() {
            return Err(Malformed::Form);
        }
        let fits = |part: &str| part.len() <= LONGEST && !part.chars().any(char::is_control);
        if !fits(name) || !fits(value) {
            return Err(Malformed::Text);
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// As `Hello.labels` says.
const MOST: usize = 16;
const LONGEST: usize = 63;
