//! The help of every command, as one reference.

use crate::run::{Run, command};
use insta::assert_snapshot;

const COMMANDS: &[&str] = &[
    "",
    "status",
    "connection",
    "connection create",
    "connection list",
    "connection show",
    "connection check",
    "connection public-folders",
    "connection sign-in",
    "connection edit",
    "connection password",
    "connection password set",
    "connection password remove",
    "connection unlock",
    "connection lock",
    "connection delete",
    "storage",
    "storage create",
    "storage list",
    "storage show",
    "storage import",
    "storage rename",
    "storage delete",
    "storage unlock",
    "storage password",
    "storage password list",
    "storage password add",
    "storage password change",
    "storage password remove",
    "storage recovery-key",
    "storage rotate-keys",
    "storage check",
    "storage rebuild",
    "storage repair",
    "storage retention",
    "storage retention set",
    "storage retention thaw",
    "storage prune",
    "storage unprune",
    "storage free",
    "storage erase",
    "storage erased",
    "storage allow",
    "storage copy",
    "alert",
    "alert list",
    "alert test",
    "alert password",
    "api",
    "api schema",
    "explain",
    "config",
    "job",
    "config check",
    "config show",
    "job create",
    "job new",
    "job apply",
    "job copy",
    "job rename",
    "job history",
    "job list",
    "job show",
    "job start",
    "job stop",
    "job edit",
    "job delete",
    "job disable",
    "job enable",
    "job schedule",
    "job watch",
    "job failures",
    "job coverage",
    "mailbox",
    "mailbox list",
    "monitor",
    "access",
    "access show",
    "audit",
    "audit show",
    "audit verify",
    "mount",
    "unmount",
    "metrics",
    "completions",
];

fn help(args: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    Run::of(&command(dir.path()).args(args.split_whitespace()).arg("--help").output().unwrap(), dir.path())
}

#[test]
fn reference() {
    let mut text = String::new();
    for args in COMMANDS {
        let run = help(args);
        assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{args}");
        text += &format!("$ c2bctl {args} --help\n{}\n", run.stdout);
    }
    assert_snapshot!(text);
}

#[test]
fn each_command_has_examples() {
    // A noun's own help lists its verbs; they have the examples.
    for args in COMMANDS.iter().filter(|args| {
        !["connection", "connection password", "storage", "storage password", "job", "mailbox", "access", "alert", "audit", "config", "api"].contains(args)
    }) {
        assert!(help(args).stdout.contains("\nExamples:\n  c2bctl"), "{args}");
    }
}

#[test]
fn no_command_is_forgotten() {
    for noun in ["", "connection", "connection password", "storage", "storage password", "job", "mailbox", "access", "alert", "audit", "config", "api"] {
        let text = help(noun).stdout;
        let commands = text.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        // A description that takes a second line is indented further.
        let lines = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        for verb in lines.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help") {
            let args = format!("{noun} {verb}");
            assert!(COMMANDS.contains(&args.trim()), "{args}");
        }
    }
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let text = help("").stdout;
    for code in [
        "0  ok",
        "1  failed",
        "2  wrong usage",
        "3  finished with warnings",
        "4  a definition file",
        "5  sign-in",
        "6  the daemon cannot be reached",
        "7  low space",
    ] {
        assert!(text.contains(code), "{code}");
    }
}
