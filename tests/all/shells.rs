//! Completions in the real shells, where they are installed: the names of what there is come from the daemon.

use c2b_tests::{Bench, program};
use std::process::{Command, Stdio};

/// How long a shell may take, in seconds.
const SECS_MAX: &str = "30";

/// Runs a script in a shell that has our completions in the file `$COMPLETIONS`; none where there is no such shell.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn run(bench: &Bench, shell: &str, args: &[&str], script: &str) -> Option<String> {
    if Command::new(shell).arg("--version").output().is_err() {
        eprintln!("skipped: no {shell} on this machine");
        return None;
    }
    let completions = bench.path(&format!("completions.{shell}"));
    std::fs::write(&completions, bench.ctl().ok(&["completions", shell])).unwrap();
    let folder = program("c2bctl").parent().unwrap().display().to_string();
    let mut command = Command::new("timeout");
    command.arg(SECS_MAX).arg(shell).args(args).args(["-c", script]).stdin(Stdio::null()).env_clear();
    command.env("PATH", format!("{folder}:/usr/bin:/bin")).env("HOME", bench.path("")).env("TERM", "xterm").env("LANG", "C.UTF-8");
    let output = command.env("COMPLETIONS", completions).env("C2B_SOCKET", bench.path("c2bd.sock")).output().unwrap();
    assert!(output.status.success(), "{shell}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn names_are_completed_in_each_shell() {
    let bench = Bench::company(2, 20, &[]);
    bench.job_all("nightly");
    let first = |text: String| text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let bash = r#"
        source "$COMPLETIONS"
        function=$(complete -p c2bctl | sed 's/.*-F \([^ ]*\).*/\1/')
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; "$function" c2bctl "${!#}" "${@: -2:1}"; printf '%s\n' "${COMPREPLY[@]}"; }
        ask c2bctl job start ''; ask c2bctl storage show m; ask c2bctl connection che"#;
    if let Some(told) = run(&bench, "bash", &["--norc"], bash) {
        let told: Vec<String> = told.lines().map(|line| line.trim().to_owned()).collect();
        for name in ["nightly", "main", "check"] {
            assert!(told.iter().any(|word| word == name), "bash does not know {name}: {told:?}");
        }
    }
    let fish = r#"source $COMPLETIONS; complete -C "c2bctl job start "; complete -C "c2bctl storage show m"; complete -C "c2bctl connection che""#;
    if let Some(told) = run(&bench, "fish", &["--no-config"], fish).map(first) {
        for name in ["nightly", "main", "check"] {
            assert!(told.iter().any(|word| word == name), "fish does not know {name}: {told:?}");
        }
    }
    // A zsh at a terminal of its own, in which somebody types.
    let zsh = r#"
        zmodload zsh/zpty
        zpty typist zsh -f -i
        zpty -w typist 'PS1= PS2= RPS1=; autoload -Uz compinit; compinit -u -D; source $COMPLETIONS; print re""ady'
        zpty -r -m typist said '*ready*'
        for typed in 'c2bctl job start nig' 'c2bctl storage show m' 'c2bctl connection che'; do
            zpty -w -n typist $typed$'\t'
            zpty -r -m typist said "*${typed}(htly|ain|ck)*"
            print -r -- "${said##*$'\n'}"
            zpty -w -n typist $'\x15'
        done"#;
    if let Some(told) = run(&bench, "zsh", &["-f"], zsh) {
        for name in ["nightly", "main", "check"] {
            assert!(told.contains(name), "zsh does not know {name}: {told:?}");
        }
    }
}
