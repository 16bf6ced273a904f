//! Finds what a file imports, in its tokens: a path counts wherever it stands, in a `use`, an expression or a macro.
//!
//! Tokens and not a syntax tree, because the arguments of a macro are only tokens, and a path hides well there.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Something in a file that the rules may have a word about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) line: usize,
    pub(super) what: What,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A path as written, and the inline modules around it.
    Path { written: Vec<String>, inline: Vec<String>, publicity: Publicity },
    /// A module whose text is in another file: `mod name;`.
    FileModule(String),
    /// `extern crate …;`
    ExternCrate,
    /// `#[path = …]` on a module.
    PathAttribute,
    /// `include!` of something that the build did not make.
    Include,
    /// `crate::$name` or `super::$name`: where it leads is known only to the macro's callers.
    MacroPath,
}

/// Who else can reach what a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publicity {
    /// It is named and that is all.
    Named,
    /// A private `use`.
    Used,
    /// `pub use`, also `pub(crate) use` and the like.
    Reexported,
}

/// Lists the items of a file's tokens, in order.
pub(super) fn items(text: &str) -> Result<Vec<Item>, proc_macro2::LexError> {
    let mut scan = Scan::default();
    scan.stream(text.parse::<TokenStream>()?);
    Ok(scan.found)
}

#[derive(Default)]
struct Scan {
    inline: Vec<String>,
    found: Vec<Item>,
}

impl Scan {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at += self.one(&tokens, at).max(1);
        }
    }

    /// Looks at the token at `at` and says how many were dealt with.
    fn one(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let rest = &tokens[at..];
        match &rest[0] {
            TokenTree::Group(group) => {
                self.attribute(tokens, at);
                self.stream(group.stream());
                1
            }
            TokenTree::Ident(_) => match word(rest, 0).as_str() {
                "use" => self.import(tokens, at),
                "mod" => self.module(rest),
                "extern" if word(rest, 1) == "crate" => self.add(rest, What::ExternCrate, 2),
                _ => self.path(rest),
            },
            TokenTree::Punct(_) | TokenTree::Literal(_) => 1,
        }
    }

    fn add(&mut self, rest: &[TokenTree], what: What, used: usize) -> usize {
        self.found.push(Item { line: rest[0].span().start().line, what });
        used
    }

    fn add_path(&mut self, rest: &[TokenTree], written: Vec<String>, publicity: Publicity) {
        let inline = self.inline.clone();
        self.add(rest, What::Path { written, inline, publicity }, 0);
    }

    /// A path in an expression or a type; a single word is none.
    fn path(&mut self, rest: &[TokenTree]) -> usize {
        let mut written = vec![word(rest, 0)];
        let mut used = 1;
        while is_colons(rest, used) {
            match rest.get(used + 2) {
                Some(TokenTree::Ident(_)) => written.push(word(rest, used + 2)),
                Some(TokenTree::Punct(punct)) if punct.as_char() == '$' && is_root(&written) => {
                    return self.add(rest, What::MacroPath, used + 3);
                }
                Some(_) | None => break,
            }
            used += 3;
        }
        if written.last().is_some_and(|last| last == "include") && is_punct(rest, used, '!') {
            self.include(&rest[used..]);
        }
        if written.len() > 1 {
            self.add_path(rest, written, Publicity::Named);
        }
        used
    }

    fn import(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let rest = &tokens[at..];
        let end = rest.iter().position(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ';'));
        let Some(end) = end.filter(|_| !is_punct(rest, 1, '<')) else {
            // `impl Trait + use<'a>`, or a `use` in a macro's pattern.
            return 1;
        };
        let publicity = if is_public(&tokens[..at]) { Publicity::Reexported } else { Publicity::Used };
        self.use_tree(&rest[1..end], &[], publicity);
        end
    }

    /// Follows one branch of a `use` and its groups; `prefix` is what stands before.
    fn use_tree(&mut self, branch: &[TokenTree], prefix: &[String], publicity: Publicity) {
        let mut written = prefix.to_vec();
        let mut at = 0;
        while let Some(token) = branch.get(at) {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for part in inner.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
                        self.use_tree(part, &written, publicity);
                    }
                    return;
                }
                TokenTree::Ident(_) if word(branch, at) == "as" => break,
                TokenTree::Ident(_) => written.push(word(branch, at)),
                TokenTree::Punct(punct) if punct.as_char() == '*' => written.push("*".to_owned()),
                TokenTree::Punct(punct) if punct.as_char() == '$' && word(branch, at + 1) != "crate" => {
                    if is_root(&written) {
                        self.add(branch, What::MacroPath, 0);
                        return;
                    }
                    break;
                }
                TokenTree::Punct(_) | TokenTree::Group(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
        if written.len() > 1 && written.last().is_some_and(|last| last == "self") {
            written.pop();
        }
        if let Some(first) = branch.first() {
            self.add_path(std::slice::from_ref(first), written, publicity);
        }
    }

    fn module(&mut self, rest: &[TokenTree]) -> usize {
        let name = word(rest, 1);
        match rest.get(2) {
            Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace && !name.is_empty() => {
                self.inline.push(name);
                self.stream(body.stream());
                self.inline.pop();
                3
            }
            Some(_) if is_punct(rest, 2, ';') => self.add(rest, What::FileModule(name), 3),
            Some(_) | None => 1,
        }
    }

    /// `#[path = …]`, also inside `cfg_attr`.
    fn attribute(&mut self, tokens: &[TokenTree], at: usize) {
        let TokenTree::Group(group) = &tokens[at] else { return };
        let marked = at > 0 && (is_punct(tokens, at - 1, '#') || is_punct(tokens, at - 1, '!'));
        if group.delimiter() != Delimiter::Bracket || !marked {
            return;
        }
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        let conditional = word(&inner, 0) == "cfg_attr" && group.stream().to_string().contains("path =");
        if conditional || (word(&inner, 0) == "path" && is_punct(&inner, 1, '=')) {
            self.add(&tokens[at..], What::PathAttribute, 0);
        }
    }

    /// `include!`, from its `!` on; what the build made has no path in this repository.
    fn include(&mut self, rest: &[TokenTree]) {
        let made = rest.get(1).is_some_and(|argument| argument.to_string().contains("OUT_DIR"));
        if !made {
            self.add(rest, What::Include, 0);
        }
    }
}

/// Whether a path that begins so does not yet name a module; what follows decides.
fn is_root(written: &[String]) -> bool {
    written.iter().all(|step| matches!(step.as_str(), "crate" | "gitproxy" | "self" | "super"))
}

/// The identifier at `at` without its `r#`; empty when there is none.
fn word(tokens: &[TokenTree], at: usize) -> String {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => ident.to_string().trim_start_matches("r#").to_owned(),
        Some(_) | None => String::new(),
    }
}

fn is_punct(tokens: &[TokenTree], at: usize, sign: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

/// Whether the tokens before a `use` end in `pub` or `pub(…)`.
fn is_public(before: &[TokenTree]) -> bool {
    let pub_at =
        |back: usize| before.len().checked_sub(back).map(|at| word(before, at)) == Some("pub".to_owned());
    let scoped =
        matches!(before.last(), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Parenthesis);
    pub_at(1) || (scoped && pub_at(2))
}
