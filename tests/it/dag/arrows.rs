//! The arrows that ARCHITECTURE allows: which module may import which.

/// Every top-level module and what it may import, besides itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("ops", &[]),
    ("egress", &["ops"]),
    ("tunnel", &["ops", "proto"]),
    ("bitbucket", &["egress", "ops", "proto"]),
    ("scm", &["ops", "proto"]),
    ("agent", &["bitbucket", "egress", "ops", "proto", "scm", "tunnel"]),
    ("gateway", &["egress", "ops", "proto", "tunnel"]),
];

/// The module of `src/main.rs` that holds the command line, in files beside the library's.
const CLI: &str = "cli";

/// Arrows that only one file and the folder of its name may have.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Where the backend is built; the rest of scm knows only its trait.
    ("src/scm/backend", "bitbucket"),
];

/// Where a file stands in the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `src/lib.rs`.
    Root,
    /// A file of the library, by its module path.
    Module(Vec<String>),
    /// A file of a binary, by the one side that it starts.
    Binary(&'static str),
    /// A path that no rule knows.
    Unknown,
}

impl Place {
    /// Reads the place off a path like `src/scm/backend.rs`.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "src/lib.rs" => return Self::Root,
            "src/main.rs" => return Self::Binary("agent"),
            "src/bin/gitproxy-gateway.rs" => return Self::Binary("gateway"),
            _ => {}
        }
        let module = path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs"));
        let parts: Vec<String> = module.into_iter().flat_map(|m| m.split('/')).map(str::to_owned).collect();
        match parts.first() {
            Some(top) if top == CLI && parts.iter().all(|part| part != "mod") => Self::Binary("agent"),
            Some(top) if is_module(top) && parts.iter().all(|part| part != "mod") => Self::Module(parts),
            Some(_) | None => Self::Unknown,
        }
    }

    /// Whether the file at `path`, which is here, may have its module `name` in another file.
    ///
    /// `mod agent;` in `src/main.rs` would find the library's file, so the binary has one name for all of its own.
    pub(super) fn may_declare(&self, path: &str, name: &str) -> bool {
        match self {
            Self::Root => is_module(name),
            Self::Binary(_) if path == "src/main.rs" => name == CLI,
            Self::Binary(_) => path.starts_with(&format!("src/{CLI}")),
            Self::Module(_) | Self::Unknown => true,
        }
    }

    /// Whether the file at `path`, which is here, may import the top-level module `to`.
    pub(super) fn may_import(&self, path: &str, to: &str) -> bool {
        let exception = EXCEPTIONS.iter().any(|(file, module)| {
            let below = path.strip_prefix(file).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'));
            below && *module == to
        });
        match self {
            Self::Root | Self::Unknown => false,
            Self::Module(parts) => {
                let own = parts.first().map_or("", String::as_str);
                own == to || exception || below(own).contains(&to)
            }
            Self::Binary(side) => *side == to || below(side).contains(&to),
        }
    }
}

/// Whether the library has a top-level module of this name.
pub(super) fn is_module(name: &str) -> bool {
    ARROWS.iter().any(|(module, _)| *module == name)
}

/// The names of the top-level modules.
pub(super) fn modules() -> impl Iterator<Item = &'static str> {
    ARROWS.iter().map(|(module, _)| *module)
}

fn below(module: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(name, _)| *name == module).map_or(&[], |(_, allowed)| allowed)
}
