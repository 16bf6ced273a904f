//! Runs helm, and reads what it renders.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::Chart;
use super::objects::Objects;
use crate::tools::need;

/// One version of helm.
#[derive(Debug)]
pub(crate) struct Helm {
    program: PathBuf,
    reader: PathBuf,
    /// No plugin, repository or cluster of whoever runs the tests counts.
    home: tempfile::TempDir,
}

impl Helm {
    /// Helm 3.19 and 4.3; nothing where one is missing, which is noted.
    pub(crate) fn both() -> Option<[Self; 2]> {
        Some([Self::named("helm-3")?, Self::named("helm-4")?])
    }

    /// The newest, for what does not differ: [`super::every_set`] shows that both render the same.
    pub(crate) fn newest() -> Option<Self> {
        Self::named("helm-4")
    }

    fn named(name: &str) -> Option<Self> {
        let home = tempfile::tempdir().expect("a folder");
        Some(Self { program: need::program(name)?, reader: need::program("yaml-to-json")?, home })
    }

    /// The objects that a chart renders, in the order of the chart.
    pub(crate) fn renders(&self, chart: Chart, arguments: &[&str]) -> Objects {
        self.renders_folder(&chart.folder(), arguments)
    }

    /// As [`Self::renders`], for a chart that a test has changed.
    pub(crate) fn renders_folder(&self, chart: &Path, arguments: &[&str]) -> Objects {
        self.objects(&self.yaml(chart, arguments))
    }

    /// What a chart renders, as it is.
    pub(crate) fn yaml(&self, chart: &Path, arguments: &[&str]) -> String {
        let chart = chart.to_str().expect("UTF-8");
        self.does(&[&["template", "backline", chart, "--namespace", "backline"], arguments].concat())
    }

    /// What a release of that name renders in a namespace.
    pub(crate) fn release(&self, chart: Chart, [name, namespace]: [&str; 2], arguments: &[&str]) -> Objects {
        let folder = chart.folder();
        let common = ["template", name, folder.to_str().expect("UTF-8"), "--namespace", namespace];
        self.objects(&self.does(&[&common, arguments].concat()))
    }

    /// Why it does not render a chart.
    pub(crate) fn refuses(&self, chart: Chart, arguments: &[&str]) -> String {
        let folder = chart.folder();
        let common = ["template", "backline", folder.to_str().expect("UTF-8")];
        let output = self.run(self.home.path(), &[&common, arguments].concat());
        assert!(!output.status.success(), "{chart:?} takes {arguments:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    /// What an installation says at its end. Helm 3 says it to who has a cluster only.
    pub(crate) fn notes(&self, chart: &Path, arguments: &[&str]) -> String {
        let chart = chart.to_str().expect("UTF-8");
        let common = ["install", "backline", chart, "--namespace", "backline", "--dry-run=client"];
        let said = self.does(&[&common, arguments].concat());
        let (_, notes) = said.split_once("\nNOTES:\n").expect("notes");
        notes.to_owned()
    }

    /// Runs it to a good end, and gives what it printed.
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        self.does_in(self.home.path(), arguments)
    }

    /// As [`Self::does`], where paths begin at this folder.
    pub(crate) fn does_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.run(folder, arguments);
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{} {arguments:?}:\n{out}{err}", self.program.display());
        out
    }

    /// Reads a file of values.
    pub(crate) fn values(&self, yaml: &str) -> Value {
        self.read(yaml).into_iter().next().expect("values")
    }

    fn objects(&self, yaml: &str) -> Objects {
        Objects::new(self.read(yaml))
    }

    /// Reads every document of a YAML file.
    fn read(&self, yaml: &str) -> Vec<Value> {
        let mut reader = Command::new(&self.reader)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the reader starts");
        // It reads to the end before it writes, so neither waits for the other.
        reader.stdin.take().expect("a pipe").write_all(yaml.as_bytes()).expect("it reads");
        let output = reader.wait_with_output().expect("it ends");
        assert!(output.status.success(), "no YAML:\n{yaml}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Output {
        let home = self.home.path();
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(folder).env("HOME", home).env("KUBECONFIG", home.join("none"));
        for (variable, folder) in
            [("HELM_CACHE_HOME", "c"), ("HELM_CONFIG_HOME", "f"), ("HELM_DATA_HOME", "d")]
        {
            command.env(variable, home.join(folder));
        }
        command.output().expect("helm starts")
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}
