use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::*;
use crate::ops::secret::Source;

const TABLE: &[Setting] = &[
    Setting {
        key: "gateway.url",
        flag: "gateway-url",
        env: &["GATEWAY_URL", "OLD_GATEWAY_URL"],
        default: "",
        unit: "https URL",
        secret: Secrecy::Plain,
        help: "Where to attach.",
        chart: "gateway.url",
    },
    Setting {
        key: "link.window",
        flag: "link-window",
        env: &["LINK_WINDOW"],
        default: "1MiB",
        unit: "size such as 1MiB",
        secret: Secrecy::Plain,
        help: "The window of a stream | bytes.",
        chart: "",
    },
    Setting {
        key: "access_key",
        flag: "",
        env: &["ACCESS_KEY"],
        default: "",
        unit: "key",
        secret: Secrecy::Secret,
        help: "The access key.",
        chart: "",
    },
    Setting {
        key: "access_key_file",
        flag: "access-key-file",
        env: &["ACCESS_KEY_FILE"],
        default: "",
        unit: "path",
        secret: Secrecy::Plain,
        help: "The file with the access key.",
        chart: "",
    },
    Setting {
        key: "connections.*.timeout",
        flag: "",
        env: &[],
        default: "30s",
        unit: "duration such as 10s",
        secret: Secrecy::Plain,
        help: "How long a request may take.",
        chart: "",
    },
    Setting {
        key: "connections.*.projects",
        flag: "",
        env: &[],
        default: "",
        unit: "list of project keys",
        secret: Secrecy::Plain,
        help: "The projects that it may touch.",
        chart: "",
    },
    Setting {
        key: "connections.*.token",
        flag: "",
        env: &[],
        default: "",
        unit: "token",
        secret: Secrecy::Secret,
        help: "The token.",
        chart: "",
    },
];

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let file = file("[link]\nwindow = \"2MiB\"");
    let mut world = World::default();
    assert_eq!(world.window(), (Size(1 << 20), "default".to_owned()));
    world.file = Some(file.path.clone());
    assert_eq!(world.window(), (Size(2 << 20), format!("file {} key link.window", file.path.display())));
    world.env = &[("LINK_WINDOW", "3MiB")];
    assert_eq!(world.window(), (Size(3 << 20), "environment LINK_WINDOW".to_owned()));
    world.flags = &["--link-window=4MiB"];
    assert_eq!(world.window(), (Size(4 << 20), "flag --link-window".to_owned()));
}

#[test]
fn the_first_name_in_the_environment_wins_and_an_empty_one_is_not_set() {
    let both = World { env: &[("OLD_GATEWAY_URL", "old"), ("GATEWAY_URL", "new")], ..World::default() };
    assert_eq!(both.layers().0.came_from("gateway.url"), "environment GATEWAY_URL");
    let empty = World { env: &[("OLD_GATEWAY_URL", "old"), ("GATEWAY_URL", "")], ..World::default() };
    assert_eq!(empty.layers().0.came_from("gateway.url"), "environment OLD_GATEWAY_URL");
}

#[test]
fn all_problems_are_reported_at_once_each_with_its_source() {
    let file = file("[gatewy]\nurl = 1\n[connections.a]\ntimeout = \"soon\"\nprojekts = []");
    let world = World { file: Some(file.path.clone()), env: &[("LINK_WINDOW", "1MB")], ..World::default() };
    let (layers, mut problems) = world.layers();
    assert_eq!(layers.required::<String>("gateway.url", &mut problems), None);
    assert_eq!(layers.value::<Size>("link.window", &mut problems), None);
    let sections = layers.table("connections");
    assert_eq!(sections[0].value::<Period>("timeout", &mut problems), None);

    let text = problems.to_string();
    let path = file.path.display();
    for line in [
        format!("connections.a.projekts (file {path}): is not a known setting; did you mean `connections.a.projects`?"),
        format!("gatewy (file {path}): is not a known setting; did you mean `gateway`?"),
        "gateway.url (not set): is required; set --gateway-url or GATEWAY_URL or OLD_GATEWAY_URL or `gateway.url` in \
         the settings file to a https URL (chart: gateway.url)"
            .to_owned(),
        "link.window (environment LINK_WINDOW): `1MB` has a unit other than B, KiB, MiB or GiB (1KiB is 1024 bytes); \
         set --link-window or LINK_WINDOW or `link.window` in the settings file to a size such as 1MiB"
            .to_owned(),
        format!(
            "connections.a.timeout (file {path} key connections.a.timeout): `soon` does not begin with a number; set \
             `connections.a.timeout` in the settings file to a duration such as 10s"
        ),
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line}\nin\n{text}");
    }
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[test]
fn each_table_of_a_kind_is_a_section_with_defaults_of_its_own() {
    let file = file(
        "[connections.b]\nprojects = [\"ONE\", \"~ann\"]\ntoken = \"t0k\"\n[connections.a]\nprojects = \"X, Y\"\n[connections.c]",
    );
    let world = World::of(&file);
    let (layers, mut problems) = world.layers();
    let sections = layers.table("connections");
    let names: Vec<&str> = sections.iter().map(Section::name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(sections[0].list::<String>("projects", &mut problems), ["X", "Y"]);
    assert_eq!(sections[1].list::<String>("projects", &mut problems), ["ONE", "~ann"]);
    assert_eq!(sections[1].secret("token").unwrap().expose_secret(), "t0k");
    assert_eq!(sections[2].value("timeout", &mut problems), Some("30s".parse::<Period>().unwrap()));
    assert_eq!(layers.came_from("connections.c.timeout"), "default");
    assert_eq!(problems, Problems::new());
}

#[test]
fn a_secret_is_never_shown() {
    let file = file("access_key = \"hunter2\"\n[connections.a]\ntoken = [\"hunter2\"]");
    let world = World {
        file: Some(file.path.clone()),
        env: &[("ACCESS_KEY_FILE", "/x"), ("LINK_WINDOW", "https://me:hunter2@host/")],
        ..World::default()
    };
    let (layers, mut problems) = world.layers();
    assert!(layers.source("access_key", "access_key_file", &mut problems).is_none(), "two ways at once");
    problems.push(layers.problem("access_key", "has a wrong checksum"));
    assert_eq!(layers.value::<Size>("link.window", &mut problems), None);
    assert_eq!(problems.iter().count(), 4, "{problems}");
    assert!(!format!("{layers:?}{problems:?}{problems}").contains("hunter2"));
    assert!(
        problems.to_string().contains(&format!("access_key (file {} key access_key)", file.path.display()))
    );

    let broken = self::file("access_key = \"hunter2\" hunter2");
    let (_, problems) = World::of(&broken).layers();
    assert!(
        problems.to_string().contains("line 1 is not TOML") && !problems.to_string().contains("hunter2"),
        "{problems}"
    );
}

#[test]
fn a_secret_is_given_itself_or_as_a_file() {
    let key = file("k1");
    let name: &'static str = Box::leak(key.path.display().to_string().into_boxed_str());
    let env: &'static [(&str, &str)] = Box::leak(Box::new([("ACCESS_KEY_FILE", name)]));
    let cases = [
        (World { env, ..World::default() }, "k1"),
        (World { env: &[("ACCESS_KEY", "k2")], ..World::default() }, "k2"),
    ];
    for (world, expected) in cases {
        let (layers, mut problems) = world.layers();
        let source = layers.source("access_key", "access_key_file", &mut problems).expect(expected);
        assert_eq!(source.current().expose_secret(), expected);
        assert_eq!(matches!(source, Source::File(_)), expected == "k1");
    }
    let missing = World { env: &[("ACCESS_KEY_FILE", "/nowhere/key")], ..World::default() };
    let (layers, mut problems) = missing.layers();
    assert!(layers.source("access_key", "access_key_file", &mut problems).is_none());
    assert!(
        problems.to_string().starts_with("access_key_file (environment ACCESS_KEY_FILE): cannot read"),
        "{problems}"
    );
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let (_, problems) = World { file: Some("/nowhere/settings.toml".into()), ..World::default() }.layers();
    assert!(
        problems.to_string().starts_with("settings file (file /nowhere/settings.toml): cannot be read"),
        "{problems}"
    );
}

#[test]
fn a_secret_gets_no_flag() {
    let names: Vec<String> = args(TABLE).iter().filter_map(|arg| arg.get_long().map(str::to_owned)).collect();
    assert_eq!(names, ["gateway-url", "link-window", "access-key-file"]);
}

#[test]
fn the_documentation_has_a_row_a_setting() {
    let text = markdown(TABLE);
    assert_eq!(text.lines().count(), 2 + TABLE.len());
    let row = "| `link.window` | `--link-window` | `LINK_WINDOW` | `1MiB` | size such as 1MiB | The window of a stream \\| bytes. |";
    assert!(text.lines().any(|line| line == row), "{text}");
}

#[derive(Default)]
struct World {
    flags: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    file: Option<PathBuf>,
}

impl World {
    fn of(file: &Written) -> Self {
        Self { file: Some(file.path.clone()), ..Self::default() }
    }

    fn layers(&self) -> (Layers, Problems) {
        let command = clap::Command::new("test").args(args(TABLE));
        let flags = command.get_matches_from(["test"].iter().chain(self.flags));
        let env = |name: &str| {
            let given = self.env.iter().find(|(key, _)| *key == name);
            given.map(|(_, value)| (*value).to_owned())
        };
        let mut problems = Problems::new();
        let layers = Layers::read(TABLE, &flags, self.file.as_deref(), &env, &mut problems);
        (layers, problems)
    }

    fn window(&self) -> (Size, String) {
        let (layers, mut problems) = self.layers();
        (layers.value("link.window", &mut problems).expect("a window"), layers.came_from("link.window"))
    }
}

/// A file that is removed with its folder.
struct Written {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn file(text: &str) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, text).unwrap();
    Written { path, _folder: folder }
}
