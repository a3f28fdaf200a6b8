//! The walls between the rooms, and the habits that a machine can check.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who may use whom (the table in `doc/architecture.md`).
const ARROWS: &[(&str, &[&str])] = &[
    ("c2b-mailbox", &[]),
    ("c2b-api", &[]),
    ("c2b-ews", &["c2b-mailbox"]),
    ("c2b-storagefmt", &["c2b-mailbox"]),
    ("c2b-mountfs", &["c2b-mailbox", "c2b-storagefmt"]),
    ("c2bd", &["c2b-api", "c2b-ews", "c2b-mailbox", "c2b-mountfs", "c2b-storagefmt"]),
    ("c2bctl", &["c2b-api"]),
    ("c2b-lab", &[]),
    ("c2b-tests", &["c2b-api", "c2b-ews", "c2b-lab", "c2b-mailbox", "c2b-mountfs", "c2b-storagefmt", "c2bctl", "c2bd"]),
];

/// Crates that only one room may name.
const OWNED: &[(&str, &str)] = &[("rocksdb", "c2b-storagefmt"), ("fuser", "c2b-mountfs"), ("daemonize", "c2bd"), ("indicatif", "c2bctl")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is in the workspace").to_owned()
}

#[test]
fn the_arrows_between_the_rooms_hold() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().other_options(vec!["--offline".into()]).exec().unwrap();
    let ours: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    assert_eq!(
        ours.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        allowed.keys().copied().collect(),
        "a room without a row in the table, or a row without a room"
    );
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|dependency| ours.contains(&dependency.name)) {
            let free = dependency.kind == DependencyKind::Development && dependency.name == "c2b-storagefmt" && package.name.as_str() == "c2b-mountfs";
            assert!(free || allowed[package.name.as_str()].contains(&dependency.name.as_str()), "{} may not use {}", package.name, dependency.name);
        }
        for (name, owner) in OWNED {
            let uses = package.dependencies.iter().any(|dependency| dependency.name == *name);
            assert!(!uses || package.name.as_str() == *owner, "{} names {name}, which only {owner} may", package.name);
        }
    }
}

#[test]
fn each_dependency_has_its_reason() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).and_then(|rest| rest.split("\n[").next()).expect("the section is there");
    let names: Vec<&str> = section.lines().filter(|line| line.contains(" = ")).map(|line| line.split(" = ").next().unwrap()).collect();
    for line in section.lines().filter(|line| line.contains(" = ") && !line.starts_with("c2b-")) {
        assert!(line.contains(" # "), "no reason beside: {line}");
    }
    let manifests: String =
        sources("Cargo.toml").iter().filter(|path| path.parent() != Some(&root())).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for name in names {
        assert!(manifests.contains(&format!("{name}.workspace")) || manifests.contains(&format!("{name} = {{ workspace")), "nobody uses {name}");
    }
}

#[test]
fn each_file_opens_with_what_it_is() {
    let silent: Vec<_> = sources(".rs").into_iter().filter(|path| !std::fs::read_to_string(path).unwrap().starts_with("//!")).collect();
    assert!(silent.is_empty(), "do not open with `//!`: {silent:?}");
    for path in sources(".rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            !matches!(name.as_str(), "mod.rs" | "utils.rs" | "util.rs" | "common.rs" | "imp.rs" | "helpers.rs"),
            "{} is not named for a noun",
            path.display()
        );
        let banned = ["#[allow(", "todo!(", "unimplemented!("];
        let own = path.ends_with("tests/all/tidy.rs");
        assert!(own || !banned.iter().any(|word| text.contains(word)), "{} holds one of {banned:?}", path.display());
    }
}

#[test]
fn no_end_to_end_test_is_forgotten() {
    let runner = std::fs::read_to_string(root().join("tests/all.rs")).unwrap();
    for entry in std::fs::read_dir(root().join("tests/all")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(runner.contains(&format!("mod {name};")), "tests/all/{name}.rs is not run");
    }
}

#[test]
fn the_documents_exist_and_their_links_lead_somewhere() {
    for name in ["README.md", "doc/architecture.md", "doc/format.md", "doc/security.md", "doc/semantics.md", "doc/glossary.md", "fixtures/README.md"] {
        let path = root().join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{name}: {err}"));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            let local = !target.is_empty() && !target.contains("://");
            assert!(!local || path.parent().unwrap().join(target).exists(), "{name} links to {target}, which is not there");
        }
    }
}

/// Returns the files of the workspace whose name ends so.
fn sources(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(entry.path());
                }
            } else if name.ends_with(ending) {
                found.push(entry.path());
            }
        }
    }
    found
}
