//! Settings in layers: flag, then environment, then file, then default, each value with where it came from.
//!
//! A program states its settings as one static table of [`Setting`]s. From it come the flags ([`args`]), the reader
//! ([`Layers`]) and the documentation ([`markdown`]), so that none of them can lack a setting that another has. The
//! types of values are the program's business: it asks with [`Layers::value`] for what it wants parsed.
//!
//! Nothing here fails at the first bad value: [`Problems`] collects them all.

mod layers;
mod problem;
mod section;
mod sources;
mod units;

use std::fmt::Write as _;

pub use layers::Layers;
pub use problem::{Problem, Problems};
pub use section::Section;
pub use units::{Count, Malformed, NoCount, NoSwitch, Period, SWITCH, Size, Switch};

/// One setting of a program.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its dotted key in the file, such as `gateway.url`. A `*` stands for any name: `connections.*.url`.
    pub key: &'static str,
    /// Its long flag without the dashes; empty if it has none. A secret never has one.
    pub flag: &'static str,
    /// The environment variables that are tried in this order; the first that is not empty wins.
    pub env: &'static [&'static str],
    /// The value when nobody gave one, in the form in which the file would have it; empty if there is none.
    pub default: &'static str,
    /// What a value looks like, in a few words that also tell what to do about a bad one: `duration such as 10s`.
    pub unit: &'static str,
    /// Whether its value may be shown.
    pub secret: Secrecy,
    /// One sentence that says what it does.
    pub help: &'static str,
    /// The value of the Helm chart that sets it, and what is given there where that is something else, such as
    /// `proxy.httpsProxy`; empty if there is none.
    pub chart: &'static str,
}

/// Whether the value of a setting may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// It may.
    Plain,
    /// It may not: it is kept apart, and only [`Layers::secret`] and [`Layers::source`] give it out.
    Secret,
}

/// Reads one variable of the process's environment: what [`Layers::read`] takes outside of tests.
///
/// It is the only place that does. Bytes that are no UTF-8 are replaced, so that the value is then found to be bad.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The flags of a table, for [`clap::Command::args`].
///
/// They have neither default nor environment of clap's: the layers do that, and know afterwards which it was. Secrets
/// get no flag, because everybody on the machine can read the command line of a process. A flag whose unit is [`SWITCH`]
/// may stand without a value, and means true then.
pub fn args(table: &'static [Setting]) -> Vec<clap::Arg> {
    let with_flag = table.iter().filter(|setting| !setting.flag.is_empty());
    let plain = with_flag.filter(|setting| setting.secret == Secrecy::Plain);
    plain
        .map(|setting| {
            let arg = clap::Arg::new(setting.key).long(setting.flag).value_name("VALUE").help(about(setting));
            // With an equals sign only: the word after the bare flag may be an argument of its own.
            match setting.unit {
                SWITCH => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                _ => arg,
            }
        })
        .collect()
}

/// The rows of a table as Markdown, with its header.
pub fn markdown(table: &[Setting]) -> String {
    let mut text = String::from(
        "| file key | flag | environment | default | unit | what it does |\n|---|---|---|---|---|---|\n",
    );
    for setting in table {
        let flag = if setting.flag.is_empty() { String::new() } else { format!("--{}", setting.flag) };
        let env: Vec<String> = setting.env.iter().map(|name| code(name)).collect();
        let cells = [
            code(setting.key),
            code(&flag),
            env.join(", "),
            code(setting.default),
            plain(setting.unit),
            plain(setting.help),
        ];
        let _infallible = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

impl Setting {
    /// The same, with the value of the Helm chart that sets it.
    #[must_use]
    pub const fn charted(self, chart: &'static str) -> Self {
        Self { chart, ..self }
    }

    /// What to do about a bad value of `key`.
    fn remedy(&self, key: &str) -> String {
        let chart = if self.chart.is_empty() { String::new() } else { format!(" (chart: {})", self.chart) };
        format!("set {} to a {}{chart}", self.ways(key), self.unit)
    }

    /// The ways to set it, for a sentence that tells what to do.
    fn ways(&self, key: &str) -> String {
        let flag = (!self.flag.is_empty()).then(|| format!("--{}", self.flag));
        let file = format!("`{key}` in the settings file");
        flag.into_iter()
            .chain(self.env.iter().map(|&name| name.to_owned()))
            .chain([file])
            .collect::<Vec<_>>()
            .join(" or ")
    }

    /// Whether `key` is this setting's, any name standing where its key has a `*`.
    fn is(&self, key: &str) -> bool {
        let mut parts = self.key.split('.');
        let same = key.split('.').all(|part| parts.next().is_some_and(|own| own == part || own == "*"));
        same && parts.next().is_none()
    }
}

fn about(setting: &Setting) -> String {
    let mut text = format!("{} [{}]", setting.help, setting.unit);
    if !setting.default.is_empty() {
        let _infallible = write!(text, " [default: {}]", setting.default);
    }
    if !setting.env.is_empty() {
        let _infallible = write!(text, " [environment: {}]", setting.env.join(", "));
    }
    text
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) }
}

/// A bar would end the cell, and `<id>` would be a tag.
fn plain(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

#[cfg(test)]
mod tests;
