//! Repositories made from lists of files, and the three that the demo shows.

use crate::sim::{Error, Sim};

/// What a seeded commit does to a path.
#[derive(Clone, Debug)]
pub enum Content {
    /// The file has these bytes.
    Bytes(Vec<u8>),
    /// The file has so many zero bytes: for large files that need no memory.
    Zeros(u64),
    /// A symbolic link to this.
    Link(String),
    /// A submodule at this commit.
    Submodule(String),
    /// The file is gone.
    Removed,
}

/// A commit to seed a repository with.
#[derive(Clone, Debug)]
pub struct Commit {
    pub(crate) message: String,
    pub(crate) branch: Option<String>,
    pub(crate) author: (String, String),
    pub(crate) files: Vec<(String, Content)>,
}

impl Commit {
    /// A commit on the default branch.
    #[must_use]
    pub fn new(message: &str) -> Self {
        let author = ("Jane Citizen".to_owned(), "jane.citizen@example.com".to_owned());
        Self { message: message.to_owned(), branch: None, author, files: Vec::new() }
    }

    /// Puts the commit on this branch (a short name); a new branch starts at the default branch.
    #[must_use]
    pub fn on(self, branch: &str) -> Self {
        Self { branch: Some(branch.to_owned()), ..self }
    }

    /// Writes a file.
    #[must_use]
    pub fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.content(path, Content::Bytes(bytes.into()))
    }

    /// Writes a file of so many zero bytes.
    #[must_use]
    pub fn zeros(self, path: &str, length: u64) -> Self {
        self.content(path, Content::Zeros(length))
    }

    /// Writes so many small files, `folder/000000.txt` and so on: for folders that have more than one page.
    #[must_use]
    pub fn many(self, folder: &str, count: usize) -> Self {
        (0..count).fold(self, |commit, number| {
            commit.content(&format!("{folder}/{number:06}.txt"), Content::Bytes(b"small\n".to_vec()))
        })
    }

    /// Makes a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.content(path, Content::Link(target.to_owned()))
    }

    /// Puts a submodule at a commit (40 hexadecimal digits), which need not exist.
    #[must_use]
    pub fn submodule(self, path: &str, commit: &str) -> Self {
        self.content(path, Content::Submodule(commit.to_owned()))
    }

    /// Removes a file.
    #[must_use]
    pub fn remove(self, path: &str) -> Self {
        self.content(path, Content::Removed)
    }

    /// Names the author.
    #[must_use]
    pub fn by(self, name: &str, email: &str) -> Self {
        Self { author: (name.to_owned(), email.to_owned()), ..self }
    }

    fn content(mut self, path: &str, content: Content) -> Self {
        self.files.push((path.to_owned(), content));
        self
    }
}

/// Seeds project `SHOP` with three repositories: a web shop with an outdated dependency, a Java service, and documents.
///
/// # Errors
/// When a repository exists already or git fails.
pub async fn demo(sim: &Sim) -> Result<(), Error> {
    sim.add_project("SHOP")?;
    sim.add_repo("SHOP", "web-shop", &web_shop()).await?;
    sim.add_repo("SHOP", "payments", &payments()).await?;
    sim.add_repo("SHOP", "storefront-docs", &docs()).await
}

fn web_shop() -> [Commit; 3] {
    [
        Commit::new("Start the web shop")
            .file("package.json", include_str!("seed/package.json"))
            .file("README.md", "# web-shop\n\nThe shop's web front end. `npm ci && npm start`.\n"),
        Commit::new("Add the cart").file("src/cart.js", include_str!("seed/cart.js")),
        Commit::new("Serve the cart")
            .file("src/server.js", include_str!("seed/server.js"))
            .file(".gitignore", "node_modules/\n"),
    ]
}

fn payments() -> [Commit; 2] {
    [
        Commit::new("Start the payments service").file("pom.xml", include_str!("seed/pom.xml")),
        Commit::new("Add the ledger")
            .file("src/main/java/com/example/payments/Ledger.java", include_str!("seed/Ledger.java")),
    ]
}

fn docs() -> [Commit; 2] {
    [
        Commit::new("Start the documents").file("README.md", "# Storefront\n\nHow the storefront works.\n"),
        Commit::new("Explain releases")
            .file("guides/release process.md", "# Releases\n\nEvery other Tuesday.\n"),
    ]
}
