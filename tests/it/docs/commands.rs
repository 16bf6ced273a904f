//! `docs/commands.md`: the reference of every command, made from the comments and options of the contracts.

mod examples;
mod shape;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gitproxy::proto::methods::{METHODS, SCM_PACKAGE};
use gitproxy::proto::{Class, Effect, Method};
use prost_reflect::{DynamicMessage, MethodDescriptor};

use self::examples::EXAMPLES;
use self::shape::{Contracts, Reasons};
use super::{MADE, up_to_date};

#[test]
fn the_page_of_commands_is_what_the_contracts_say() {
    let contracts = Contracts::read();
    up_to_date("docs/commands.md", &page(&contracts));
}

#[test]
fn every_command_has_an_example_that_its_request_can_be_read_from() {
    let contracts = Contracts::read();
    for method in contracts.commands() {
        let name = contracts.name(&method);
        let json = example(&name);
        let mut reader = serde_json::Deserializer::from_str(json);
        let request = DynamicMessage::deserialize(method.input(), &mut reader);
        request.and_then(|_| reader.end()).unwrap_or_else(|error| panic!("{name}: {error} in {json}"));
    }
    let named: BTreeSet<_> = contracts.commands().map(|method| contracts.name(&method)).collect();
    let extra: Vec<_> = EXAMPLES.iter().filter(|(name, _)| !named.contains(*name)).collect();
    assert!(extra.is_empty(), "examples of commands that do not exist: {extra:?}");
}

#[test]
fn no_command_repeats_a_reason_that_every_command_of_its_kind_has() {
    let contracts = Contracts::read();
    for method in contracts.commands() {
        let common = contracts.common(&method);
        for reason in contracts.reasons(&method) {
            assert!(!common.contains(&reason.as_str()), "{}: {reason}", contracts.name(&method));
        }
    }
}

fn page(contracts: &Contracts) -> String {
    let mut page = format!("# Commands\n\n{MADE}\n{INTRODUCTION}\n");
    for group in Reasons::ALL {
        let _ = writeln!(page, "- {}: {}", group.title(), listed(group.words()));
    }
    for service in contracts.services() {
        let _ = writeln!(page, "\n## {}\n\n{}", service.name(), contracts.comment(&service));
        for method in service.methods() {
            command(&mut page, contracts, &method);
        }
    }
    let _ = writeln!(page, "\n## Messages\n");
    for message in contracts.shared_messages() {
        let _ = writeln!(page, "### {}\n\n{}", message.name(), contracts.comment(&message));
        fields(&mut page, contracts, &message);
    }
    let _ = writeln!(page, "## Enumerations\n");
    for kind in contracts.enums() {
        let _ = writeln!(
            page,
            "### {}\n\n{}\n\n| value | meaning |\n|---|---|",
            kind.name(),
            contracts.comment(&kind)
        );
        for value in kind.values() {
            let _ = writeln!(page, "| `{}` | {} |", value.name(), cell(&contracts.comment(&value)));
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn command(page: &mut String, contracts: &Contracts, method: &MethodDescriptor) {
    let name = contracts.name(method);
    let row = row(&name);
    let _ = writeln!(page, "\n### {name}\n\n{}\n\n{}.", contracts.comment(method), kind(row));
    let _ = writeln!(
        page,
        "\n<!-- read: an example, whose request is checked by tests/it/docs/commands.rs -->\n```sh\n{}\n```\n",
        grpcurl(&name)
    );
    part(page, contracts, "Request", &method.input());
    part(page, contracts, "Response", &method.output());
    let own = contracts.reasons(method);
    if own.is_empty() {
        let _ = writeln!(page, "Fails with: what is common to {}.", contracts.kinds(method));
    } else {
        let own: Vec<_> = own.iter().map(String::as_str).collect();
        let _ = writeln!(
            page,
            "Fails with: {}; and what is common to {}.",
            listed(&own),
            contracts.kinds(method)
        );
    }
}

fn part(page: &mut String, contracts: &Contracts, title: &str, message: &prost_reflect::MessageDescriptor) {
    if message.fields().len() == 0 {
        let _ = writeln!(page, "{title}: nothing.\n");
        return;
    }
    let _ = writeln!(page, "{title}:\n");
    fields(page, contracts, message);
}

fn fields(page: &mut String, contracts: &Contracts, message: &prost_reflect::MessageDescriptor) {
    let _ = writeln!(page, "| field | type | meaning |\n|---|---|---|");
    for field in message.fields() {
        let meaning = cell(&contracts.comment(&field));
        let _ = writeln!(page, "| `{}` | {} | {meaning} |", field.name(), contracts.type_of(&field));
    }
    page.push('\n');
}

fn kind(row: &Method) -> &'static str {
    match (row.effect, row.class) {
        (Effect::Write, _) => "Writes; takes an `idempotency-key`",
        (Effect::Read | Effect::Admin, Class::Unary) => "Reads",
        (Effect::Read | Effect::Admin, Class::Bulk) => "Reads; the answer is a stream of any size",
        (Effect::Read | Effect::Admin, Class::Watch) => "Watches; the answer is a stream that lasts",
    }
}

fn grpcurl(name: &str) -> String {
    let json = example(name);
    let data = if json == "{}" { String::new() } else { format!(" \\\n  -d '{json}'") };
    let key = match row(name).effect {
        Effect::Write => " \\\n  -H 'idempotency-key: 019aa5d4-96ac-774b-8cce-b302099a8057'",
        Effect::Read | Effect::Admin => "",
    };
    format!(
        "grpcurl -cacert CA.pem -H 'authorization: Bearer gpk_…'{key}{data} \\\n  GATEWAY {SCM_PACKAGE}.{name}"
    )
}

fn example(name: &str) -> &'static str {
    let found = EXAMPLES.iter().find(|(of, _)| *of == name);
    found.map_or_else(|| panic!("no example of {name}: add one to examples.rs"), |(_, json)| json)
}

fn row(name: &str) -> &'static Method {
    let path = format!("/{SCM_PACKAGE}.{name}");
    METHODS.iter().find(|method| method.path == path).expect("a method of the table")
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("[`{word}`](errors.md)")).collect::<Vec<_>>().join(", ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

const INTRODUCTION: &str = "\
Every command is an ordinary gRPC method of the package `gitproxy.scm.v1`, called at the gateway as if it were local: with a
deadline (`grpc-timeout`), and a token in `authorization`. The metadata `gitproxy-agent` names the agent where the tenant has
several, `gitproxy-connection` the connection where the agent has several. `gitproxy-label: key=value`, which may repeat, asks
for an instance with that label; `gitproxy-wait: true` lets the call wait for an instance that is about to come, up to its
deadline. A write takes an `idempotency-key`, a UUIDv7 made
anew for each intended write: then a call whose answer was lost may simply be repeated ([writes.md](writes.md)).

A diff, or a page of 10,000 paths, may be larger than the 4 MiB that most clients of gRPC take: let yours take 16 MiB.
A request's message may be 8 MiB (a larger one is OUT_OF_RANGE, from the agent), the metadata of a call 64 KiB.

`CA.pem`, `gpk_…` and `GATEWAY` stand for yours; `cargo run --example demo` prints lines with all three filled in.

Reasons are in `google.rpc.ErrorInfo`; [errors.md](errors.md) explains each. Common to many commands:
";
