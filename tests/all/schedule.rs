//! Activity periods at work: the daemon's own parts with a clock that the test sets, against the lab.

use c2b_api::job::{JobEdit, JobStart, JobState, JobStatus};
use c2b_storagefmt::{Sealing, Writer};
use c2b_tests::{Lab, until};
use c2bd::clock::Clock;
use c2bd::daemon::Daemon;
use c2bd::name::Name;
use c2bd::options::Options;
use chrono::{DateTime, Utc};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Friday evening in Warsaw, an hour before the night's work begins; clocks are put forward two nights later.
const FRIDAY: &str = "2026-03-27T20:00:00Z";

const NIGHTS: &str = "time-zone = \"Europe/Warsaw\"\ndaily = { from = \"22:00\", to = \"06:00\" }";

struct Stage {
    runtime: Runtime,
    clock: Clock,
    lab: Lab,
    dir: TempDir,
    name: Name,
    at_work: Option<(Arc<Daemon>, JoinHandle<()>)>,
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl Stage {
    /// A company of one mailbox with so many messages behind a server that answers slowly, and a job for it.
    fn new(messages: u32, latency_ms: u32, continuity: &str, activity: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let org = dir.path().join("org");
        Lab::generate(&org, 1, messages, 7);
        let lab = Lab::serve(&org, &["--latency", &latency_ms.to_string()]);
        for folder in ["etc/connections", "etc/storages", "etc/jobs", "var/secrets"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let storage = dir.path().join("storage");
        Writer::create(&storage, utc(FRIDAY), Sealing::None).unwrap();
        write("etc/connections/lab.toml", &format!("kind = \"ews\"\nurl = {:?}\nuser = \"admin\"\n", lab.url));
        write("etc/storages/main.toml", &format!("path = {storage:?}\n"));
        write(
            "etc/jobs/nightly.toml",
            &format!("connection = \"lab\"\nstorage = \"main\"\ncontinuity = {continuity}\n[source]\nall-except = []\n[activity]\n{activity}\n"),
        );
        write("var/secrets/lab", "secret");
        std::fs::set_permissions(dir.path().join("var/secrets/lab"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let clock = Clock::manual(utc(FRIDAY));
        let mut stage = Self { runtime: Runtime::new().unwrap(), clock, lab, dir, name: "nightly".parse().unwrap(), at_work: None };
        stage.open();
        stage
    }

    fn open(&mut self) {
        let path = |name: &str| self.dir.path().join(name);
        let options = Options {
            foreground: true,
            daemonize: false,
            pid_file: None,
            log_file: None,
            check: None,
            config: path("etc"),
            state: path("var"),
            socket: path("socket"),
        };
        let daemon = Daemon::open(&options, &self.clock).unwrap();
        let bad = daemon.definitions.known().bad.clone();
        assert!(bad.is_empty(), "{bad:?}");
        let _inside = self.runtime.enter();
        self.runtime.block_on(daemon.jobs.resume());
        let conductor = self.runtime.spawn(daemon.jobs.clone().conduct());
        self.at_work = Some((daemon, conductor));
    }

    fn close(&mut self) {
        let Some((daemon, conductor)) = self.at_work.take() else { return };
        conductor.abort();
        self.runtime.block_on(async {
            daemon.jobs.end().await;
            daemon.storages.close_all().await;
        });
    }

    fn daemon(&self) -> &Arc<Daemon> {
        &self.at_work.as_ref().unwrap().0
    }

    /// Sets the clock, and has the periods looked at.
    fn at(&self, time: &str) {
        self.clock.set(utc(time));
        self.daemon().jobs.look_again();
    }

    fn job(&self) -> JobStatus {
        self.runtime.block_on(self.daemon().jobs.status(&self.name)).unwrap()
    }

    fn start(&self, now: bool) -> Result<JobStatus, String> {
        self.runtime.block_on(self.daemon().jobs.start(&self.name, JobStart { now }, "root")).map_err(|error| error.message)
    }

    fn stop(&self) {
        self.runtime.block_on(self.daemon().jobs.stop(&self.name, "root")).unwrap();
    }

    fn wait_for(&self, state: JobState, detail: &str) -> JobStatus {
        until(&format!("the job is {state:?}: {detail}"), || Some(self.job()).filter(|job| job.state == state && job.detail.starts_with(detail)))
    }

    /// Items stored by the run that goes on, or the last one.
    fn stored(&self) -> u64 {
        self.job().run.map_or(0, |run| run.totals.stored)
    }

    /// How the cycles so far ended.
    fn history(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("var/history/nightly.ndjson")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["end"].as_str().unwrap().to_owned()).collect()
    }

    fn kept(&self) -> u64 {
        let count = |path: &Path| c2b_storagefmt::Catalog::open_reader(path, self.dir.path(), &c2b_storagefmt::Unlock::Open).unwrap().0.stats().unwrap().items;
        count(&self.dir.path().join("storage"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.close();
    }
}

#[test]
fn a_period_pauses_and_resumes_a_cycle_in_mid_mailbox() {
    let mut stage = Stage::new(100, 50, "{ continuous = {} }", NIGHTS);
    let waiting = stage.wait_for(JobState::Inactive, "starts at 2026-03-27 22:00 +01:00");
    assert_eq!(waiting.next_run, Some(utc("2026-03-27T21:00:00Z")));
    stage.at("2026-03-27T21:00:00Z");
    until("something is stored", || (stage.stored() > 0).then_some(()));
    stage.at("2026-03-28T05:00:00Z");
    let paused = stage.wait_for(JobState::Active, "paused until 2026-03-28 22:00 +01:00");
    let before = paused.run.unwrap().totals.stored;
    assert!(before < 100, "the cycle ended before its period did");
    assert_eq!(paused.last_success, None);
    assert_eq!(stage.history(), ["paused"]);
    // The daemon ends while the job is paused, and nothing else happens to it.
    stage.close();
    stage.open();
    stage.wait_for(JobState::Active, "paused until 2026-03-28 22:00 +01:00");
    stage.at("2026-03-28T21:00:00Z");
    until("more is stored", || (stage.stored() > before).then_some(()));
    stage.at("2026-03-29T04:00:00Z");
    // Clocks were put forward in this night.
    let paused = stage.wait_for(JobState::Active, "paused until 2026-03-29 22:00 +02:00");
    let so_far = paused.run.unwrap().totals.stored;
    stage.at("2026-03-29T20:00:00Z");
    until("the cycle is done", || stage.job().last_success);
    let run = stage.job().run.unwrap();
    assert!(run.totals.stored > so_far, "a cycle that goes on counts on");
    assert_eq!(run.cycle, 1);
    stage.at("2026-03-30T04:00:00Z");
    stage.wait_for(JobState::Active, "idle until 2026-03-30 22:00 +02:00");
    assert_eq!(stage.history()[..3], ["paused", "paused", "finished"]);
    stage.close();
    assert_eq!(stage.kept(), stage.lab.mailboxes().iter().map(|mailbox| stage.lab.items(mailbox).len() as u64).sum::<u64>());
    let fetched = stage.lab.fetched();
    let twice: u64 = fetched.as_object().unwrap().values().map(|row| row["export"].as_u64().unwrap_or(0).saturating_sub(1)).sum();
    assert!(twice * 20 <= fetched.as_object().unwrap().len() as u64, "{twice} items were fetched twice");
}

#[test]
fn by_hand_a_job_starts_in_its_periods_or_now_and_a_stop_holds() {
    let stage = Stage::new(20, 0, "{ continuous = { idle = \"10:00:00\" } }", NIGHTS);
    let refused = stage.start(false).unwrap_err();
    assert!(refused.contains("outside of its activity periods; the next one begins at 2026-03-27 22:00 +01:00"), "{refused}");
    stage.start(true).unwrap();
    // One cycle, and then it follows its periods.
    stage.wait_for(JobState::Active, "idle until 2026-03-27 22:00 +01:00");
    assert_eq!(stage.history(), ["finished"]);
    stage.at("2026-03-27T21:30:00Z");
    until("the night's cycle is done", || (stage.history().len() == 2).then_some(()));
    stage.stop();
    stage.wait_for(JobState::Inactive, "stopped by root; it follows its activity periods again after");
    stage.at("2026-03-28T21:30:00Z");
    stage.at("2026-03-29T10:00:00Z");
    assert_eq!((stage.history().len(), stage.job().next_run), (2, None), "what was stopped began by itself");
    let armed = stage.start(false).unwrap();
    assert_eq!((armed.state, armed.detail.as_str()), (JobState::Inactive, "starts at 2026-03-29 22:00 +02:00"));
    stage.at("2026-03-29T20:00:00Z");
    until("it runs again by itself", || (stage.history().len() == 3).then_some(()));
    // Disabled, it runs for nobody.
    let edit = |disabled| JobEdit { disabled: Some(disabled), stop: true, ..JobEdit::default() };
    stage.runtime.block_on(stage.daemon().jobs.edit(&stage.name, edit(true), "root")).unwrap();
    stage.wait_for(JobState::Inactive, "disabled");
    assert!(stage.start(true).unwrap_err().contains("is disabled"));
    stage.at("2026-03-30T20:00:00Z");
    stage.runtime.block_on(stage.daemon().jobs.edit(&stage.name, edit(false), "root")).unwrap();
    until("it runs again", || (stage.history().len() >= 4).then_some(()));
}

#[test]
fn a_one_time_job_has_one_cycle_or_one_in_each_period() {
    let stage = Stage::new(10, 0, "\"one-time\"", NIGHTS);
    stage.at("2026-03-27T21:00:00Z");
    let done = stage.wait_for(JobState::Finished, "");
    assert_eq!(done.next_run, None);
    stage.at("2026-03-28T21:00:00Z");
    assert_eq!((stage.job().state, stage.history().len()), (JobState::Finished, 1));
    let stage = Stage::new(10, 0, "\"one-time\"", &format!("rearm = true\n{NIGHTS}"));
    for (night, (time, next)) in [("2026-03-27T21:00:00Z", "2026-03-28T21:00:00Z"), ("2026-03-28T21:00:00Z", "2026-03-29T20:00:00Z")].into_iter().enumerate() {
        stage.at(time);
        until("the night's cycle is done", || (stage.history().len() == night + 1).then_some(()));
        until("it waits for the next night", || (stage.job().next_run == Some(utc(next))).then_some(()));
        assert_eq!(stage.job().state, JobState::Finished);
    }
}

#[test]
fn a_period_missed_while_the_daemon_was_down_is_made_good_once_and_only_when_asked_for() {
    for (catch_up, cycles) in [(false, 0), (true, 1)] {
        let mut stage = Stage::new(10, 0, "{ continuous = { idle = \"01:00:00\" } }", &format!("catch-up = {catch_up}\n{NIGHTS}"));
        stage.wait_for(JobState::Inactive, "starts at");
        stage.close();
        // Three nights pass.
        stage.clock.set(utc("2026-03-30T10:00:00Z"));
        stage.open();
        if catch_up {
            stage.wait_for(JobState::Active, "idle until 2026-03-30 22:00 +02:00");
        } else {
            stage.wait_for(JobState::Inactive, "starts at 2026-03-30 22:00 +02:00");
        }
        stage.at("2026-03-30T12:00:00Z");
        stage.close();
        stage.open();
        assert_eq!(stage.history().len(), cycles, "catch-up = {catch_up}");
    }
}

#[test]
fn a_clock_that_is_set_is_followed() {
    let stage = Stage::new(100, 50, "{ continuous = {} }", NIGHTS);
    stage.at("2026-03-27T21:30:00Z");
    until("something is stored", || (stage.stored() > 0).then_some(()));
    // Somebody finds that it is afternoon.
    stage.at("2026-03-27T14:00:00Z");
    stage.wait_for(JobState::Active, "paused until 2026-03-27 22:00 +01:00");
    stage.at("2026-03-28T00:00:00Z");
    until("it runs again", || (stage.job().detail == "running").then_some(()));
}
