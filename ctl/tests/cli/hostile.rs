//! Arguments that nobody means: each command ends with a code of the table, and sends the terminal nothing that it would obey.

use crate::daemon::{Answer, Daemon};
use crate::run::command;
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::{Output, Stdio};

/// Each command with an argument that is somebody's to choose, as `X`.
const COMMANDS: &[&str] = &[
    "X",
    "connection X",
    "connection show X",
    "connection check X",
    "connection check main --mailbox X",
    "connection create X --kind ews --url https://mail.example.org/ --user x --password-file -",
    "connection create x --kind X --url https://mail.example.org/ --user x --password-file -",
    "connection create x --kind ews --url X --user x --password-file -",
    "connection create x --kind ews --url https://mail.example.org/ --user X --password-file X",
    "connection edit X --insecure",
    "connection edit main --ca-file X",
    "connection delete X --yes",
    "connection unlock X --password-file -",
    "connection lock X",
    "connection password set X --password-file X",
    "connection sign-in X",
    "connection public-folders X",
    "mailbox list X",
    "storage create X /nowhere",
    "storage create x X",
    "storage import x X",
    "storage show X",
    "storage rename X y",
    "storage rename x X",
    "storage delete X --yes",
    "storage unlock X --password-file X",
    "storage password add X --label X --password-file -",
    "storage password remove main --label X --yes",
    "storage check X",
    "storage check main --subset X",
    "storage rebuild X",
    "storage repair X",
    "storage prune X",
    "storage unprune X",
    "storage free X",
    "storage erase main X --yes",
    "storage erased X",
    "storage allow main X",
    "storage copy main X",
    "storage retention set main --superseded-after X",
    "storage retention thaw X",
    "job create X --connection X --storage X --mailbox X --one-time",
    "job create x --connection x --storage x --mailbox x --continuous --idle X",
    "job create x --connection x --storage x --mailbox x --one-time --older-than X",
    "job create x --connection x --storage x --mailbox x --one-time --weekly X",
    "job create x --connection x --storage x --mailbox x --one-time --leave-out X",
    "job create x --connection x --storage x --mailbox x --one-time --daily --time-zone X",
    "job apply -f X",
    "job copy X y",
    "job copy x X",
    "job rename X y",
    "job edit X --one-time",
    "job edit x --connection X",
    "job start X",
    "job stop X",
    "job show X",
    "job show X --toml",
    "job history X",
    "job history x -n X",
    "job schedule X",
    "job watch X",
    "job failures X",
    "job failures x --item X --retry",
    "job failures --mailbox X",
    "job coverage X",
    "job delete X --yes",
    "job disable X",
    "audit show --since X",
    "audit show --user X --mailbox X --action X",
    "alert password --password-file X",
    "monitor --max-age X",
    "mount X missing",
    "mount x X/missing",
    "unmount X",
    "config check X",
    "explain X",
    "completions X",
    "status X",
    "--socket X status",
    "--X",
    "-X",
];

/// How many arguments each command is given.
const ARGUMENTS: usize = 4;

fn nasty() -> Vec<OsString> {
    let texts = ["", "..", "../../etc/passwd", "/", "a/b", "-", "--", "\u{1b}[2J\u{1b}]0;owned\u{7}", "a\r\nb", "\u{9b}31m", "\u{202e}gpj", "%00", "{}", "🙂"];
    let mut all: Vec<OsString> = texts.map(OsString::from).into();
    all.push("x".repeat(300).into());
    all.push(OsString::from_vec(b"not \xff UTF-8".to_vec()));
    all
}

/// Runs a command with `X` replaced; there is a daemon that knows nothing.
fn run(daemon: &Daemon, line: &str, argument: &OsString) -> Output {
    let mut run = command(daemon.dir());
    if !line.contains("--socket") {
        run.arg("--socket").arg(daemon.socket());
    }
    for word in line.split(' ') {
        match word.strip_suffix('X') {
            Some(before) if before.chars().all(|letter| letter == '-') => {
                let mut whole = OsString::from(before);
                whole.push(argument);
                run.arg(whole);
            }
            _ => drop(run.arg(word)),
        }
    }
    let mut child = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    child.wait_with_output().unwrap()
}

#[test]
fn no_argument_makes_a_command_panic_or_the_terminal_obey() {
    let daemon = Daemon::new([("GET /v1/jobs", Answer::Json(200, json!([]))), ("GET /v1/connections", Answer::Json(200, json!([])))]);
    let all = nasty();
    for (n, line) in COMMANDS.iter().enumerate() {
        // Each command is given some of them; each of them is given to many commands.
        for argument in (0..ARGUMENTS).filter_map(|more| all.get((n + more * all.len() / ARGUMENTS) % all.len())) {
            let output = run(&daemon, line, argument);
            let told = format!("c2bctl {line} with {argument:?}: {output:?}");
            let code = output.status.code().unwrap_or_else(|| panic!("{told}"));
            // A mount ends as mount.c2b did.
            assert!((0..=7).contains(&code) || line.starts_with("mount"), "{told}");
            let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
            let text = String::from_utf8(said).unwrap_or_else(|_| panic!("{told}"));
            let obeyed = |letter: char| (letter.is_control() && letter != '\n') || ('\u{202a}'..='\u{202e}').contains(&letter);
            assert!(!text.chars().any(obeyed), "{told}");
            assert!(!text.contains("panicked"), "{told}");
            if code != 0 {
                assert!(!output.stderr.is_empty() || line.starts_with("monitor"), "{told}");
            }
        }
    }
}

#[test]
fn who_stops_reading_is_no_reason_to_panic() {
    let daemon = Daemon::new([("GET /v1/jobs", Answer::Json(200, json!([])))]);
    for line in ["--help", "job list --help", "api schema", "explain", "--json explain", "completions bash", "job list", "nonsense"] {
        let script = format!("\"$0\" --socket {} {line} | true", daemon.socket().display());
        let output = std::process::Command::new("bash").args(["-o", "pipefail", "-c", &script, crate::run::PROGRAM]).output().unwrap();
        let code = output.status.code().unwrap();
        assert!([0, 2].contains(&code) && !String::from_utf8_lossy(&output.stderr).contains("panicked"), "{line}: {output:?}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named_and_never_read_for_ever() {
    let daemon = Daemon::new([]);
    let dir = daemon.dir().to_owned();
    for (line, code) in [
        ("job apply -f missing.toml", 1),
        ("job apply -f .", 1),
        ("job apply -f /dev/zero", 1),
        ("job apply -f /dev/full", 1),
        ("connection unlock main --password-file missing", 1),
        ("connection unlock main --password-file .", 2),
        ("connection unlock main --password-file /dev/zero", 2),
        ("alert password --password-file /proc/self/mem", 1),
    ] {
        let output = command(&dir).arg("--socket").arg(daemon.socket()).args(line.split(' ')).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        assert!(text.contains(line.rsplit(' ').next().unwrap()), "{line}: {text}");
    }
}
