//! Metrics of a job: what they say after a run, and after a restart.

use c2b_tests::Bench;

/// Returns the number of a sample.
fn number(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')).unwrap_or_else(|| panic!("no {sample}:\n{metrics}"));
    line.parse().unwrap()
}

#[test]
fn counters_and_times_survive_restarts() {
    let mut bench = Bench::company(2, 30, &[]);
    let ctl = bench.ctl();
    ctl.ok(&["job", "create", "all", "--connection", "lab", "--storage", "main", "--all-except", "--one-time"]);
    assert_eq!(number(&ctl.ok(&["metrics"]), "c2b_job_last_success_timestamp_seconds{job=\"all\"}"), 0.0);
    ctl.ok(&["job", "start", "all", "--wait"]);
    let first = ctl.ok(&["metrics"]);
    let stored = number(&first, "c2b_job_stored_items_total{job=\"all\"}");
    assert!(stored >= 30.0, "{stored} stored");
    assert_eq!(number(&first, "c2b_job_cycles_total{job=\"all\",result=\"finished\"}"), 1.0);
    assert_eq!(number(&first, "c2b_job_mailboxes{job=\"all\"}"), 2.0);
    assert_eq!(number(&first, "c2b_job_stale_mailboxes{job=\"all\"}"), 0.0);
    assert_eq!(number(&first, "c2b_job_state{job=\"all\",state=\"finished\"}"), 1.0);
    assert!(number(&first, "c2b_storage_items{storage=\"main\"}") >= 30.0);

    assert!(bench.daemon.stop());
    bench.restart_daemon();
    let ctl = bench.ctl();
    let second = ctl.ok(&["metrics"]);
    for sample in [
        "c2b_job_last_success_timestamp_seconds{job=\"all\"}",
        "c2b_job_oldest_mailbox_timestamp_seconds{job=\"all\"}",
        "c2b_job_stored_items_total{job=\"all\"}",
        "c2b_job_stored_bytes_total{job=\"all\"}",
        "c2b_connection_answers_total{connection=\"lab\"}",
    ] {
        assert_eq!(number(&second, sample), number(&first, sample), "{sample}");
    }
    bench.lab.deliver(&bench.lab.mailboxes()[0], b"Subject: new\r\n\r\nnew\r\n");
    ctl.ok(&["job", "start", "all", "--wait"]);
    let third = ctl.ok(&["metrics"]);
    assert_eq!(number(&third, "c2b_job_stored_items_total{job=\"all\"}"), stored + 1.0);
    assert_eq!(number(&third, "c2b_job_cycles_total{job=\"all\",result=\"finished\"}"), 2.0);
    assert!(number(&third, "c2b_connection_answers_total{connection=\"lab\"}") > number(&first, "c2b_connection_answers_total{connection=\"lab\"}"));
}
