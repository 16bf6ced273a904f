//! A world with something in it for every command, asked by the name of the command and JSON.

use bitbucket_sim::{Commit, Version};
use gitproxy::proto::methods::{METHODS, SCM_PACKAGE};
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{DESCRIPTOR_SET, Method, Reason};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::world::{Caller, Plan, World};

/// See the module. Pull requests: 1 and 6 are open and merge, 2 waits for its merge, 3 is to be declined, 4 conflicts, 5 is bob's.
/// Of 1, comment `$COMMENT` has a reply, `$LAST` none, and `$TASK` is a task; the head `$HEAD` has the build `ci`.
pub(super) struct Bench {
    pub(super) world: World,
    caller: Caller,
    pool: DescriptorPool,
    names: Vec<(&'static str, String)>,
}

/// What came of a command.
#[derive(Debug)]
pub(super) struct Told {
    status: Status,
    answer: Option<DynamicMessage>,
}

impl Bench {
    pub(super) async fn new(version: Version) -> Self {
        Self::with(|plan| plan.version(version).local("main")).await
    }

    /// With a connection `main` of another kind.
    pub(super) async fn with(main: impl FnOnce(Plan) -> Plan) -> Self {
        let other = |plan: Plan, name: &&str| plan.local(name).token_of(name);
        let world = World::with(|plan| ["bob", "mallory", "reader"].iter().fold(main(plan), other)).await;
        world.sim.add_user("carol", PASSWORD);
        let caller = world.caller().await;
        let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("descriptors");
        let mut bench = Self { world, caller, pool, names: Vec::new() };
        bench.furnish().await;
        bench
    }

    /// Asks on the connection `main`; `$NAMES` in the JSON stand for what the bench has.
    pub(super) async fn ask(&self, name: &str, json: &str) -> Told {
        self.ask_on("main", name, json).await
    }

    pub(super) async fn ask_on(&self, connection: &str, name: &str, json: &str) -> Told {
        let method = self.method(name);
        let json = self.names.iter().fold(json.to_owned(), |json, (name, value)| json.replace(name, value));
        let mut reader = serde_json::Deserializer::from_str(&json);
        let request = DynamicMessage::deserialize(method.input(), &mut reader);
        let request = request.unwrap_or_else(|error| panic!("{name}: {error} in {json}")).encode_to_vec();
        let caller = self.caller.clone().on(connection);
        let told = caller.first(command(name).path, &request, &[]).await.expect("an answer");
        let answer = told
            .body
            .get(5..)
            .map(|body| DynamicMessage::decode(method.output(), body).expect("its message"));
        // A stream that lasts has said well by its first message.
        let status = if answer.is_some() && told.trailers.is_none() { Status::ok("") } else { told.status() };
        Told { status, answer }
    }

    fn method(&self, name: &str) -> MethodDescriptor {
        let (service, method) = name.split_once('/').expect("Service/Command");
        let service = self.pool.get_service_by_name(&format!("{SCM_PACKAGE}.{service}")).expect("a service");
        service.methods().find(|it| it.name() == method).expect("a method")
    }

    async fn furnish(&mut self) {
        let sim = &self.world.sim;
        let seed = Commit::new("More").file("src/main.rs", "fn main() {}\n").file("b.txt", "b\n");
        sim.add_commits("SHOP", "web", &[seed]).await.expect("seeded");
        let start = sim.commit_of("SHOP", "web", "master").await.expect("a commit");
        self.names = vec![("$COMMIT", start)];
        for number in 1..=6 {
            // The fourth changes what the target will have changed too.
            let (path, text) = if number == 4 {
                ("b.txt".to_owned(), "bWluZQ==")
            } else {
                (format!("new-{number}.txt"), "bmV3")
            };
            let source = if number == 4 { r#", "source_commit_id": "$COMMIT""# } else { "" };
            self.well(
                "Refs/CreateBranch",
                &format!(r#"{{{WEB}, "name": "fix-{number}", "start_point": "$COMMIT"}}"#),
            )
            .await;
            let edit = format!(
                r#"{{{WEB}, "branch": "fix-{number}", "path": "{path}", "content": "{text}", "message": "Fix"{source}}}"#
            );
            self.well("Files/EditFile", &edit).await;
            let connection = if number == 5 { "bob" } else { "main" };
            let open = format!(
                r#"{{{WEB}, "title": "Fix {number}", "from_branch": "fix-{number}", "to_branch": "master"}}"#
            );
            let told = self.ask_on(connection, "PullRequests/OpenPR", &open).await;
            assert_eq!(told.code(), Code::Ok, "{told:?}");
        }
        self.well("Files/EditFile", &format!(r#"{{{WEB}, "branch": "master", "path": "b.txt", "content": "dGhlaXJz", "message": "Clash", "source_commit_id": "$COMMIT"}}"#)).await;
        for branch in ["spare", "gone"] {
            self.well(
                "Refs/CreateBranch",
                &format!(r#"{{{WEB}, "name": "{branch}", "start_point": "$COMMIT"}}"#),
            )
            .await;
        }
        self.well(
            "Files/EditFile",
            &format!(
                r#"{{{WEB}, "branch": "spare", "path": "spare.txt", "content": "bmV3", "message": "Spare"}}"#
            ),
        )
        .await;
        let head = self.world.sim.commit_of("SHOP", "web", "fix-1").await.expect("a commit");
        self.names.push(("$HEAD", head));
        let comment = self.comment("").await;
        self.names.push(("$COMMENT", comment));
        self.comment(r#", "parent_id": $COMMENT"#).await;
        let (last, task) = (self.comment("").await, self.comment(r#", "kind": "COMMENT_KIND_TASK""#).await);
        self.names.extend([("$LAST", last), ("$TASK", task)]);
        self.well("Builds/SetBuildStatus", &format!(r#"{{{WEB}, "commit_id": "$HEAD", "key": "ci", "state": "BUILD_STATE_SUCCESSFUL", "url": "https://ci.example/1"}}"#)).await;
    }

    async fn comment(&self, more: &str) -> String {
        let told = self
            .well("Comments/PostComment", &format!(r#"{{{WEB}, "pr_id": 1, "text": "Look"{more}}}"#))
            .await;
        let answer =
            pb::PostCommentResponse::decode(told.answer.expect("an answer").encode_to_vec().as_slice());
        answer.expect("its message").comment.expect("a comment").id.to_string()
    }

    async fn well(&self, name: &str, json: &str) -> Told {
        let told = self.ask(name, json).await;
        assert_eq!(told.code(), Code::Ok, "{name} {json}: {told:?}");
        told
    }
}

impl Told {
    pub(super) fn code(&self) -> Code {
        self.status.code()
    }

    /// The word of the reason; empty for success.
    pub(super) fn reason(&self) -> &'static str {
        Reason::of(&self.status).map_or("", Reason::word)
    }

    /// A fact of the error.
    pub(super) fn fact(&self, name: &str) -> String {
        let details = self.status.get_error_details();
        let facts = details.error_info().map(|info| &info.metadata);
        facts.and_then(|facts| facts.get(name)).cloned().unwrap_or_default()
    }

    /// The answer as JSON; empty where there is none.
    pub(super) fn json(&self) -> String {
        let json = self.answer.as_ref().map(|answer| serde_json::to_string(answer).expect("JSON"));
        json.unwrap_or_default()
    }

    /// Whether the answer has something in a member, or need not.
    pub(super) fn has(&self, member: &str) -> bool {
        member.is_empty()
            || self.answer.as_ref().is_some_and(|answer| {
                let value = answer.get_field_by_name(member).expect("a member").into_owned();
                if let Value::List(list) = value {
                    !list.is_empty()
                } else {
                    answer.has_field_by_name(member) && value != Value::Bool(false)
                }
            })
    }
}

/// The row of the table of methods.
pub(super) fn command(name: &str) -> &'static Method {
    let path = format!("/{SCM_PACKAGE}.{name}");
    METHODS.iter().find(|method| method.path == path).unwrap_or_else(|| panic!("no command {name}"))
}

/// Of the user carol.
pub(super) const PASSWORD: &str = "correct+horse/battery staple:%";

const WEB: &str = r#""repo": {"project": "SHOP", "slug": "web"}"#;
