//! The Debian package in a machine with a real systemd: installed, started, killed, hung, rebooted, stopped, upgraded,
//! removed and purged, with jobs running.

use c2b_tests::{Machine, program};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// How long stopping may take, in seconds.
const STOP_SECS_MAX: u64 = 30;

/// Secrets: of the account, and of a storage.
const SECRETS: [&str; 2] = ["secret-canary-7319", "storage-canary-4821"];

/// Content of a mailbox: subjects of a mail that is stored and of one that fails, and their text.
const CONTENT: [&str; 3] = ["Zebrafish-budget-88", "Quokka-redundancy-41", "walrus-in-the-body"];

/// Whose that is.
const CANARY: &str = "canary@example.org";

/// Lists what could be of the package.
const FILES: &str = "find /usr /etc /run -xdev -name '*c2b*' | sort";

#[test]
fn the_package_lives_through_everything() {
    if !cargo_deb_is_built() {
        eprintln!("skipped: no cargo-deb: scripts/cargo-deb.sh builds it");
        return;
    }
    let Some(mut machine) = Machine::boot() else { return };
    let dir = tempfile::tempdir().unwrap();
    let package = |revision: &str| {
        let path = dir.path().join(format!("c2b-{revision}.deb"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/deb.sh");
        let mut command = Command::new(script);
        command.arg("--debug").arg(&path).env("C2B_DEB_REVISION", revision);
        let output = command.env("CARGO_TARGET_DIR", program("c2bd").ancestors().nth(2).unwrap()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        machine.copy(&path, &format!("/root/c2b-{revision}.deb"), "644");
    };
    package("1");
    package("2");
    machine.copy(&program("c2b-lab"), "/opt/c2b-lab", "755");

    install(&machine);
    first_backup(&machine);
    units_of_jobs(&machine);
    mounts(&machine);
    journal(&machine);
    killed_and_hung(&machine);
    key_as_credential(&mut machine);
    stopped(&machine);
    window_opened(&machine);
    upgraded(&machine);
    removed_and_purged(&machine);
}

fn install(machine: &Machine) {
    machine.sh(&format!("{FILES} >/root/before"));
    // It says all that it can, from the first moment on.
    machine.sh("mkdir -p /etc/systemd/system/c2bd.service.d");
    machine.write("/etc/systemd/system/c2bd.service.d/verbose.conf", "[Service]\nEnvironment=C2BD_LOG=trace\nLogRateLimitIntervalSec=0\n");
    machine.ok(&["dpkg", "--install", "/root/c2b-1.deb"]);
    assert_eq!(machine.ok(&["systemctl", "is-active", "c2bd"]), "active");
    assert_eq!(machine.ok(&["systemctl", "is-enabled", "c2bd"]), "enabled");
    assert_eq!(machine.sh("stat -c '%U:%G %a' /etc/c2b /var/lib/c2b /run/c2b /run/c2b/c2bd.sock"), "c2b:c2b 750\n".repeat(3) + "c2b:c2b 660");
    assert_eq!(machine.sh("ps -o user= -p $(systemctl show -P MainPID c2bd)"), "c2b");
    machine.sh("systemd-analyze security --threshold=20 c2bd.service");
    machine.sh("man -w c2bctl-job-create c2bd mount.c2b c2b-job 7 c2b >/dev/null && test -s /usr/share/bash-completion/completions/c2bctl");
    // Who is in no group of ours has no business with it.
    let stranger = machine.run(&["runuser", "-u", "nobody", "--", "c2bctl", "status"]);
    assert_eq!(stranger.code, 6, "{stranger:?}");
}

fn first_backup(machine: &Machine) {
    machine.sh("/opt/c2b-lab generate /opt/company --mailboxes 3 --messages 60 --seed 3 >/dev/null");
    for (n, subject) in [(1, CONTENT[0]), (2, CONTENT[1])] {
        let text = format!("From: ann@example.org\nTo: {CANARY}\nSubject: {subject}\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n\n{}\n", CONTENT[2]);
        machine.write(&format!("/opt/company/{CANARY}/Inbox/{n}.eml"), &text.replace('\n', "\r\n"));
    }
    machine.write("/opt/faults", &format!("[[fault]]\nitem_subject = '{}'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'\n", CONTENT[1]));
    machine.write("/opt/users", &format!("admin:{}:impersonate\n", SECRETS[0]));
    machine.write(
        "/etc/systemd/system/lab.service",
        "[Unit]\nBefore=c2bd.service\n[Service]\nExecStart=/opt/c2b-lab serve --org /opt/company --listen 127.0.0.1:8025 --latency 20 --users /opt/users --faults /opt/faults\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload && systemctl enable --now lab");
    machine.until("the lab listens", "curl -sf http://127.0.0.1:8025/lab/counters >/dev/null");
    for (file, secret) in ["/root/password", "/root/storage-password"].into_iter().zip(SECRETS) {
        machine.write(file, secret);
        machine.ok(&["chmod", "600", file]);
    }
    machine.sh("install -d -o c2b -g c2b -m 750 /srv/c2b");
    machine.sh("c2bctl connection create lab --kind ews --url http://127.0.0.1:8025/EWS/Exchange.asmx --user admin --password-file /root/password");
    machine.sh("c2bctl storage create main /srv/c2b/main --seal --password-file /root/storage-password");
    machine.sh(&format!("c2bctl job create once --connection lab --storage main --all-except {CANARY} --one-time"));
    machine.sh(&format!("c2bctl job create canary --connection lab --storage main --mailbox {CANARY} --one-time"));
    machine.sh("c2bctl job start once --wait");
    assert_eq!(job(machine, "once")["state"], "finished");
    // Its window opens within the minute; nobody starts it.
    machine.sh("from=$(date -d '+1 minute' +%FT%H:%M); to=$(date -d '+30 minutes' +%FT%H:%M); c2bctl job create window --connection lab --storage main --all-except canary@example.org --one-time --custom $from/$to");
    assert!(job(machine, "window")["last-success"].is_null());
    machine.sh(&format!("c2bctl job create always --connection lab --storage main --all-except {CANARY} --continuous --idle 00:00:01"));
    machine.sh("c2bctl job start always");
}

/// The units for those who prefer systemd's calendar end as the job does.
fn units_of_jobs(machine: &Machine) {
    machine.sh("systemctl start c2b-job@once.service");
    assert_eq!(machine.sh("systemctl show -P ExecMainStatus c2b-job@once.service"), "0");
    let missing = machine.run(&["systemctl", "start", "c2b-job@missing.service"]);
    assert_ne!(missing.code, 0, "a job that does not exist was started");
    assert_eq!(machine.sh("systemctl show -P Result c2b-job@missing.service"), "exit-code");
    // Its own calendar; one of the two mails fails, and the unit says what the job's exit code says.
    machine.sh("mkdir -p /etc/systemd/system/c2b-job@canary.timer.d");
    let at_once = "[Timer]\nOnCalendar=\nOnActiveSec=1ms\nAccuracySec=1ms\nRandomizedDelaySec=0\n";
    machine.write("/etc/systemd/system/c2b-job@canary.timer.d/at-once.conf", at_once);
    machine.sh("systemctl daemon-reload && systemctl start c2b-job@canary.timer");
    machine.until("the timer's job ends", "test $(systemctl show -P ActiveState c2b-job@canary.service) = failed");
    assert_eq!(machine.sh("systemctl show -P Result -P ExecMainStatus c2b-job@canary.service"), "exit-code\n3");
    assert_eq!(job(machine, "canary")["state"], "finished-with-warnings");
    machine.sh("systemctl reset-failed; systemctl start c2b-job@once.timer c2b-check@main.timer && systemctl list-timers 'c2b-*' | grep c2b-job@once.timer");
    machine.sh("systemctl start c2b-check@main.service");
    // The unit waits for a job that goes on, outlives the daemon, and stopping it stops the job.
    machine.sh("systemctl start --no-block c2b-job@always.service");
    machine.until("the unit waits", "test $(systemctl is-active c2b-job@always.service) = activating");
    machine.sh("systemctl restart c2bd");
    machine.until("the unit waits again", "test $(systemctl show -P NRestarts c2b-job@always.service) -ge 1 && pgrep -f 'job start always' >/dev/null");
    machine.sh("systemctl stop c2b-job@always.service");
    assert_eq!(job(machine, "always")["state"], "inactive");
    machine.sh("c2bctl job start always");
}

/// A mount is seen by everybody's processes, and read by whom it is for.
fn mounts(machine: &Machine) {
    machine.sh("useradd --create-home alice");
    machine.sh("mkdir -p /etc/systemd/system/c2b-mount@srv-c2b-main.service.d");
    machine.write("/etc/systemd/system/c2b-mount@srv-c2b-main.service.d/alice.conf", "[Service]\nEnvironment=OPTIONS=allow_other,uid=alice,gid=alice\n");
    machine.sh("systemctl daemon-reload && systemctl start c2b-mount@srv-c2b-main.service");
    // Another login: a session of its own, of another user.
    let seen = machine.sh("systemd-run --quiet --pipe --wait -p User=alice find /run/c2b-mnt/srv-c2b-main/mailboxes -path '*/latest/*' -name '*.eml' | wc -l");
    assert!(seen.parse::<u32>().unwrap() > 30, "{seen} mails seen");
    assert_ne!(machine.run(&["runuser", "-u", "nobody", "--", "ls", "/run/c2b-mnt/srv-c2b-main/mailboxes"]).code, 0, "a stranger looks in");
    let read = "find /run/c2b-mnt/srv-c2b-main/mailboxes -path '*/latest/*' -name '*.eml' -exec cat {} ';' -quit >/dev/null";
    machine.sh(&format!("systemd-run --quiet --pipe --wait -p User=alice sh -c \"{read}\""));
    machine.until("who read is recorded", "c2bctl --json audit show --action 'mount read' | grep -q 'by alice (uid [0-9]*), pid [0-9 ]*, items '");

    machine.sh(
        "cp /usr/share/doc/c2b/examples/srv-mail.* /etc/systemd/system/ && mkdir -p /srv/mail && systemctl daemon-reload && systemctl start srv-mail.automount",
    );
    machine.sh("ls /srv/mail/mailboxes | grep -q @");
    assert_eq!(machine.ok(&["systemctl", "is-active", "srv-mail.mount"]), "active");
    machine.sh("systemctl stop srv-mail.automount srv-mail.mount");
    // Somebody is in it all the time, and it ends nevertheless.
    machine.sh("systemd-run --quiet --unit=lingerer --working-directory=/run/c2b-mnt/srv-c2b-main/mailboxes sleep infinity");
    machine.sh("timeout 10 systemctl stop c2b-mount@srv-c2b-main.service && ! grep -q c2b-mnt /proc/self/mountinfo");
    assert_eq!(machine.sh("systemctl show -P Result c2b-mount@srv-c2b-main.service"), "success");
    machine.sh("systemctl stop lingerer && systemctl start c2b-mount@srv-c2b-main.service");
    // One that dies comes back at the same place.
    machine.sh("systemctl kill --signal=KILL c2b-mount@srv-c2b-main.service");
    machine.until("the mount is back", "ls /run/c2b-mnt/srv-c2b-main/mailboxes | grep -q @");
}

/// The journal tells what happened with fields, and at its most verbose neither secrets nor subjects.
fn journal(machine: &Machine) {
    for fields in ["JOB=always CYCLE=1", "JOB=canary CYCLE=1 CODE=ErrorItemCorrupt MAILBOX=canary@example.org"] {
        assert_ne!(machine.sh(&format!("journalctl -u c2bd -o cat {fields} | wc -l")), "0", "no lines with {fields}");
    }
    assert_ne!(machine.sh("journalctl -u c2bd -o cat PRIORITY=7 | wc -l"), "0", "the journal is not verbose");
    let canaries: String = SECRETS.iter().chain(&CONTENT).map(|canary| format!(" -e {canary}")).collect();
    let told = machine.sh(&format!("journalctl --sync; journalctl -o export --no-pager | grep -aF{canaries} | head -3"));
    assert_eq!(told, "", "a canary is in the journal");
    let shown = machine.sh(&format!("systemctl show 'c2b*' | grep -F{canaries} || true"));
    assert_eq!(shown, "", "a canary is shown by systemctl");
    machine.sh("c2bctl job delete canary --yes");
    machine.sh("for pid in $(pgrep 'c2bd|mount.c2b'); do grep -q '^Max core file size *0 *0 ' /proc/$pid/limits; done");
}

/// Whatever ends the daemon, it comes back by itself, and the job that ran goes on.
fn killed_and_hung(machine: &Machine) {
    machine.sh("mkdir -p /etc/systemd/system/c2bd.service.d");
    machine.write("/etc/systemd/system/c2bd.service.d/impatient.conf", "[Service]\nWatchdogSec=2\nRestartSec=100ms\n");
    machine.sh("systemctl daemon-reload");
    for (what, blow) in [
        ("restarted", "systemctl restart c2bd"),
        ("killed", "systemctl kill --signal=KILL c2bd"),
        ("hung, and ended by the watchdog", "systemctl kill --signal=STOP c2bd"),
    ] {
        let before = machine.sh("systemctl show -P MainPID c2bd");
        machine.sh(blow);
        machine.until(what, &format!("pid=$(systemctl show -P MainPID c2bd); test $pid != {before} && test $pid != 0 && c2bctl status >/dev/null"));
        goes_on(machine, what);
    }
    // Mounts are processes of their own.
    machine.sh("ls /run/c2b-mnt/srv-c2b-main/mailboxes | grep -q @");
    machine.sh("rm -r /etc/systemd/system/c2bd.service.d && systemctl daemon-reload && systemctl reload c2bd");
}

/// The key of the machine may be an encrypted credential: then the disk of the state folder alone opens nothing.
fn key_as_credential(machine: &mut Machine) {
    let (drop_in, folder) = ("/etc/systemd/system/c2bd.service.d/machine-key.conf", "/usr/share/doc/c2b/examples");
    machine.sh("systemctl stop c2bd && systemd-creds encrypt --name=machine.key /var/lib/c2b/machine.key /etc/c2b/machine.key.cred");
    machine.sh(&format!("install -D -m 644 {folder}/machine-key.conf {drop_in} && rm /var/lib/c2b/machine.key"));
    machine.sh("systemctl daemon-reload && systemctl start c2bd && c2bctl job start once --wait");
    rebooted(machine);
    assert_eq!(machine.sh("c2bctl --json status | grep -o '\"bad-news\":\\[[^]]*\\]'"), "\"bad-news\":[]");
    machine.sh("test ! -e /var/lib/c2b/machine.key && ! grep -rqF -e secret-canary /var/lib/c2b /etc/c2b");
    // Who has the state folder without it has nothing, and is told what to do.
    machine.sh(&format!("systemctl stop c2bd && mv {drop_in} /root/ && systemctl daemon-reload && systemctl start c2bd"));
    let news = machine.sh("c2bctl --json status | tee /dev/stderr | grep -o '\"bad-news\":\\[[^]]*\\]'");
    assert!(news.contains("storage unlock") && news.contains("connection edit lab --password-file"), "{news}");
    assert_ne!(machine.run(&["c2bctl", "job", "start", "once", "--wait"]).code, 0);
    machine.sh(&format!("systemctl stop c2bd && rm -f /var/lib/c2b/machine.key && mv /root/machine-key.conf {drop_in} && systemctl daemon-reload"));
    machine.sh("systemctl start c2bd && c2bctl job start once --wait");
    goes_on(machine, "given its key again");
}

fn rebooted(machine: &mut Machine) {
    machine.reboot();
    machine.until("the daemon is up after a reboot", "c2bctl status >/dev/null");
    goes_on(machine, "rebooted");
}

fn stopped(machine: &Machine) {
    let versions = || number(&json(machine, &["storage", "show", "main"])["versions"]);
    let stored = || number(&job(machine, "always")["run"]["totals"]["stored"]);
    let before = (versions(), stored());
    // Enough that it cannot be done at the moment of the stop.
    machine.sh("/opt/c2b-lab generate /opt/more --mailboxes 4 --messages 800 --seed 5 >/dev/null; cp -r /opt/more/* /opt/company/; systemctl restart lab");
    c2b_tests::until("more is being backed up", || (stored() >= before.1 + 20).then_some(()));
    let fetched = stored() - before.1;
    let secs: u64 = machine.sh("start=$(date +%s); systemctl stop c2bd; echo $(($(date +%s) - start))").parse().unwrap();
    assert!(secs <= STOP_SECS_MAX, "stopping took {secs} s");
    assert_eq!(machine.sh("systemctl show -P Result c2bd"), "success");
    machine.sh("test ! -e /run/c2b/c2bd.sock");
    // Nobody tells what was fetched but the storage, and that is whole.
    machine.sh("systemctl start c2bd && c2bctl storage check main --read-data");
    assert!(versions() >= before.0 + fetched, "{fetched} were fetched, and {} are stored", versions() - before.0);
    goes_on(machine, "stopped and started");
}

/// The window that was said before all that opened, and the job ran.
fn window_opened(machine: &Machine) {
    c2b_tests::until("the window opens, and the job runs", || job(machine, "window")["state"].as_str().filter(|state| *state == "finished").map(|_| ()));
    assert!(job(machine, "window")["last-success"].is_string());
}

fn upgraded(machine: &Machine) {
    let before = machine.sh("systemctl show -P MainPID c2bd");
    machine.ok(&["dpkg", "--install", "/root/c2b-2.deb"]);
    assert_ne!(machine.sh("systemctl show -P MainPID c2bd"), before, "the old program runs on");
    assert_eq!(machine.sh("dpkg-query -W -f '${Version}' c2b").rsplit('-').next(), Some("2"));
    goes_on(machine, "upgraded");
}

fn removed_and_purged(machine: &Machine) {
    machine.sh("install -d -o c2b -g c2b /var/lib/c2b/storages-here && c2bctl storage create inside /var/lib/c2b/storages-here/inside");
    machine.sh("systemctl start c2b-mount@srv-c2b-main.service");
    machine.ok(&["dpkg", "--remove", "c2b"]);
    assert_ne!(machine.run(&["systemctl", "is-active", "c2bd"]).code, 0);
    machine.sh(
        "test ! -e /run/c2b-mnt/srv-c2b-main && test -s /var/log/c2b/always.csv && test -e /etc/c2b/jobs/always.toml && test -e /var/lib/c2b/jobs/always.json",
    );
    machine.ok(&["dpkg", "--purge", "c2b"]);
    machine.sh("test ! -e /var/log/c2b && test ! -e /etc/c2b && test ! -e /run/c2b && test ! -e /var/lib/c2b/jobs && test ! -e /var/lib/c2b/machine.key");
    machine.sh("test -s /srv/c2b/main/storage.toml && ls /srv/c2b/main/packs | grep -q .");
    machine.sh("test -s /var/lib/c2b/storages-here/inside/storage.toml");
    machine.sh("rm -r /etc/systemd/system/srv-mail.* /etc/systemd/system/c2b-mount@* /etc/systemd/system/c2b-job@* /etc/systemd/system/c2bd.service.d");
    assert_eq!(machine.sh(&format!("{FILES} | diff /root/before - || true")), "", "something of the package was left behind");
}

/// Waits until a job that was never stopped by anybody has ended one more cycle.
fn goes_on(machine: &Machine, after: &str) {
    let last = |machine: &Machine| job(machine, "always")["last-success"].as_str().unwrap_or_default().to_owned();
    let before = last(machine);
    c2b_tests::until(&format!("the job goes on after the daemon was {after}"), || (last(machine) > before).then_some(()));
}

fn job(machine: &Machine, name: &str) -> Value {
    json(machine, &["job", "show", name])
}

fn json(machine: &Machine, args: &[&str]) -> Value {
    serde_json::from_str(&machine.ok(&[&["c2bctl", "--json"], args].concat())).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn cargo_deb_is_built() -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cargo-deb.sh");
    Command::new(script).env("C2B_CARGO_DEB_BUILD", "no").output().is_ok_and(|output| output.status.success())
}
