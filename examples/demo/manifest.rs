//! What the cloud service knows of dependencies: one manifest format and one advisory.

use anyhow::Context as _;

/// The name of the manifests that it can read.
pub(crate) const NAME: &str = "package.json";

/// The package that the advisory is about.
pub(crate) const PACKAGE: &str = "lodash";

/// The first version without the fault.
pub(crate) const FIXED: &str = "4.17.21";

/// What the fault is called.
pub(crate) const ADVISORY: &str = "CVE-2021-23337";

/// A dependency that should be newer.
#[derive(Debug)]
pub(crate) struct Outdated {
    /// The version that the manifest asks for.
    pub(crate) version: String,
    /// Where it asks, from 1.
    pub(crate) line: i32,
    /// The manifest as it should be.
    pub(crate) fixed: String,
}

/// Looks for the advisory's package in a manifest. Only its own line changes: people wrote the rest.
pub(crate) fn outdated(manifest: &str) -> anyhow::Result<Option<Outdated>> {
    let parsed: serde_json::Value = serde_json::from_str(manifest).context("the manifest is not JSON")?;
    let Some(version) = parsed["dependencies"][PACKAGE].as_str().filter(|version| is_old(version)) else {
        return Ok(None);
    };
    let asks = |line: &str| line.contains(&format!("\"{PACKAGE}\"")) && line.contains(version);
    let index = manifest.lines().position(asks).context("the dependency is not on a line of its own")?;
    let lines = manifest.split_inclusive('\n').enumerate();
    let fixed =
        lines.map(|(at, line)| if at == index { line.replace(version, FIXED) } else { line.to_owned() });
    Ok(Some(Outdated {
        version: version.to_owned(),
        line: i32::try_from(index + 1)?,
        fixed: fixed.collect(),
    }))
}

fn is_old(version: &str) -> bool {
    numbers(version).zip(numbers(FIXED)).is_some_and(|(version, fixed)| version < fixed)
}

/// A version of three numbers; ranges and tags are somebody else's business.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let parts: Vec<u64> = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}
