//! The contracts as the page sees them: comments, options, and which reasons a command shares with others.

use gitproxy::proto::Effect;
use gitproxy::proto::methods::{METHODS, SCM_PACKAGE};
use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, MethodDescriptor, ServiceDescriptor, Value,
};

use crate::{build_script, tree};

/// Every file of `proto/`, with comments.
pub(super) struct Contracts(DescriptorPool);

/// Reasons that many commands share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasons {
    Every,
    Repo,
    Listing,
    Write,
}

/// What has a comment: the file it is in, and its path there.
pub(super) trait Documented {
    fn place(&self) -> (FileDescriptor, Vec<i32>);
}

impl Contracts {
    pub(super) fn read() -> Self {
        let encoded = build_script::compile(&tree::root().join("proto")).expect("the contracts compile");
        Self(DescriptorPool::decode(encoded.as_slice()).expect("a descriptor set"))
    }

    pub(super) fn services(&self) -> impl Iterator<Item = ServiceDescriptor> {
        self.0.services().filter(|service| service.package_name() == SCM_PACKAGE)
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = MethodDescriptor> {
        self.services().flat_map(|service| service.methods().collect::<Vec<_>>())
    }

    /// `Service/Command`.
    pub(super) fn name(&self, method: &MethodDescriptor) -> String {
        format!("{}/{}", method.parent_service().name(), method.name())
    }

    /// The comment, as one line.
    pub(super) fn comment(&self, of: &impl Documented) -> String {
        let (file, path) = of.place();
        let source = file.file_descriptor_proto().source_code_info.as_ref();
        let found = source.and_then(|info| info.location.iter().find(|location| location.path == path));
        let text = found.map_or("", |location| location.leading_comments());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The reasons that the command names itself.
    pub(super) fn reasons(&self, method: &MethodDescriptor) -> Vec<String> {
        let option = self.0.get_extension_by_name("gitproxy.scm.v1.reasons").expect("the option");
        let kind = self.0.get_enum_by_name("gitproxy.scm.v1.Reason").expect("the enum");
        let options = method.options();
        let Value::Message(reasons) = options.get_extension(&option).into_owned() else {
            panic!("the option is a message")
        };
        let any_of = reasons.get_field_by_name("any_of").expect("its field").into_owned();
        let values = any_of.as_list().expect("a list").iter().filter_map(Value::as_enum_number);
        let named = values.map(|number| kind.get_value(number).expect("a reason").name().to_owned());
        named.map(|name| name.trim_start_matches("REASON_").to_owned()).collect()
    }

    /// Which groups the command is in.
    fn groups(&self, method: &MethodDescriptor) -> Vec<Reasons> {
        let path = format!("/{SCM_PACKAGE}.{}", self.name(method));
        let has = |field| method.input().get_field_by_name(field).is_some();
        let writes = METHODS.iter().any(|row| row.path == path && row.effect == Effect::Write);
        let is_in = |group: &Reasons| match group {
            Reasons::Every => true,
            Reasons::Repo => has("repo"),
            Reasons::Listing => has("page_token"),
            Reasons::Write => writes,
        };
        Reasons::ALL.into_iter().filter(is_in).collect()
    }

    /// The reasons that the command shares with others.
    pub(super) fn common(&self, method: &MethodDescriptor) -> Vec<&'static str> {
        self.groups(method).into_iter().flat_map(|group| group.words().iter().copied()).collect()
    }

    /// The groups in words.
    pub(super) fn kinds(&self, method: &MethodDescriptor) -> String {
        let titles = self.groups(method).into_iter().map(Reasons::title);
        titles.map(|title| title.to_lowercase()).collect::<Vec<_>>().join(", ")
    }

    /// Messages that are neither a request nor a response.
    pub(super) fn shared_messages(&self) -> Vec<MessageDescriptor> {
        let ends: Vec<_> = self.commands().flat_map(|method| [method.input(), method.output()]).collect();
        let of_scm = self.0.all_messages().filter(|message| message.package_name() == SCM_PACKAGE);
        of_scm.filter(|message| !ends.contains(message) && message.name() != "Reasons").collect()
    }

    /// Every enum but the reasons, which have a page of their own.
    pub(super) fn enums(&self) -> Vec<EnumDescriptor> {
        let of_scm = self.0.all_enums().filter(|kind| kind.package_name() == SCM_PACKAGE);
        of_scm.filter(|kind| kind.name() != "Reason").collect()
    }

    /// The type in words, with a link to ours.
    pub(super) fn type_of(&self, field: &FieldDescriptor) -> String {
        let kind = field.kind();
        let name = if let Kind::Message(message) = &kind {
            linked(message.name())
        } else if let Kind::Enum(kind) = &kind {
            if kind.name() == "Reason" { "[Reason](errors.md)".to_owned() } else { linked(kind.name()) }
        } else {
            format!("{kind:?}").to_lowercase()
        };
        let list = if field.is_list() { "list of " } else { "" };
        let choice = field.containing_oneof().filter(|_| !field.field_descriptor_proto().proto3_optional());
        let choice = choice.map_or(String::new(), |oneof| format!(", one of `{}`", oneof.name()));
        let optional = if field.field_descriptor_proto().proto3_optional() { ", optional" } else { "" };
        format!("{list}{name}{choice}{optional}")
    }
}

fn linked(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

impl Reasons {
    pub(super) const ALL: [Self; 4] = [Self::Every, Self::Repo, Self::Listing, Self::Write];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Every => "Every command",
            Self::Repo => "Every command about a repository",
            Self::Listing => "Every list",
            Self::Write => "Every write",
        }
    }

    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Every => &[
                "CREDENTIAL_INVALID",
                "ROLE_MISSING",
                "AGENT_UNKNOWN",
                "AGENT_AWAY",
                "AGENT_AMBIGUOUS",
                "HEADER_RESERVED",
                "TUNNEL_LOST",
                "BUSY",
                "DRAINING",
                "DEADLINE",
                "INVALID_FIELD",
                "CONNECTION_UNKNOWN",
                "CONNECTION_AMBIGUOUS",
                "CONNECTION_INVALID",
                "POLICY_DENIED",
                "PAUSED",
                "TOKEN_INVALID",
                "CAPTCHA_REQUIRED",
                "PERMISSION_MISSING",
                "RATE_LIMITED",
                "EGRESS_DNS",
                "EGRESS_CONNECT",
                "EGRESS_PROXY",
                "EGRESS_TLS",
                "EGRESS_CUT",
                "ORIGIN_REFUSED",
                "NOT_BITBUCKET",
                "BITBUCKET_UNAVAILABLE",
                "INTERNAL",
            ],
            Self::Repo => {
                &["OUTSIDE_PROJECT", "PROJECT_NOT_FOUND", "REPO_NOT_FOUND", "NOT_FOUND", "ARGUMENT_REFUSED"]
            }
            Self::Listing => &["PAGE_TOKEN_INVALID"],
            Self::Write => {
                &["IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REUSED", "STATE_REFUSED", "WRITE_UNCERTAIN"]
            }
        }
    }
}

impl Documented for ServiceDescriptor {
    fn place(&self) -> (FileDescriptor, Vec<i32>) {
        (self.parent_file(), self.path().to_vec())
    }
}

impl Documented for MethodDescriptor {
    fn place(&self) -> (FileDescriptor, Vec<i32>) {
        (self.parent_service().parent_file(), self.path().to_vec())
    }
}

impl Documented for MessageDescriptor {
    fn place(&self) -> (FileDescriptor, Vec<i32>) {
        (self.parent_file(), self.path().to_vec())
    }
}

impl Documented for FieldDescriptor {
    fn place(&self) -> (FileDescriptor, Vec<i32>) {
        (self.parent_message().parent_file(), self.path().to_vec())
    }
}

impl Documented for EnumDescriptor {
    fn place(&self) -> (FileDescriptor, Vec<i32>) {
        (self.parent_file(), self.path().to_vec())
    }
}

impl Documented for EnumValueDescriptor {
    fn place(&self) -> (FileDescriptor, Vec<i32>) {
        (self.parent_enum().parent_file(), self.path().to_vec())
    }
}
