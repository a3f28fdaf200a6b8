//! A server's certificate that ends soon: seen while mail is fetched, told wherever somebody looks, and not forgotten.

use c2b_tests::{Bench, Lab};

#[test]
fn a_certificate_that_ends_soon_is_told_of_until_there_is_another() {
    let mut bench = Bench::company(2, 20, &[]);
    let cert = bench.text("ca.pem");
    let mut lab = Lab::serve(&bench.lab.org, &["--tls", "--tls-cert-out", &cert, "--tls-days", "9"]);
    let ctl = bench.ctl();
    let password = bench.text("password");
    ctl.ok(&["connection", "create", "tls", "--kind", "ews", "--url", &lab.url, "--user", "admin", "--password-file", &password, "--ca-file", &cert]);
    assert!(!ctl.ok(&["status"]).contains("certificate"), "of what nobody has seen");
    ctl.ok(&["job", "create", "all", "--connection", "tls", "--storage", "main", "--all-except", "--one-time"]);
    bench.run("all");
    let words = "connection tls: the server certificate expires in 8 days, on ";
    for _ in 0..2 {
        let ctl = bench.ctl();
        let expires = ctl.json(&["connection", "show", "tls"])["expires"][0].clone();
        assert_eq!(expires["what"], "server certificate", "{expires}");
        assert!(ctl.ok(&["status"]).contains(words), "{}", ctl.ok(&["status"]));
        let monitor = ctl.run(&["monitor"]);
        assert!(monitor.code == 1 && monitor.stdout.contains(words), "{monitor:?}");
        assert!(ctl.ok(&["metrics"]).contains("c2b_connection_expiry_timestamp_seconds{connection=\"tls\",what=\"server certificate\"} 17"));
        let check = ctl.ok(&["connection", "check", "tls"]);
        // By the server's time of day, which has whole seconds: 9 days in the first of them.
        assert!(check.contains("trusted for 8 more days") || check.contains("trusted for 9 more days"), "{check}");
        // Nobody has asked the server since.
        bench.restart_daemon();
    }
    lab.kill();
    let lab = Lab::serve(&bench.lab.org, &["--tls", "--tls-cert-out", &cert, "--tls-days", "90"]);
    let ctl = bench.ctl();
    ctl.ok(&["connection", "edit", "tls", "--url", &lab.url, "--password-file", &password]);
    bench.run("all");
    assert!(!ctl.ok(&["status"]).contains("certificate"), "{}", ctl.ok(&["status"]));
    ctl.ok(&["job", "delete", "all", "--yes"]);
    ctl.ok(&["connection", "delete", "tls", "--yes"]);
    assert_eq!(std::fs::read_to_string(bench.path("var/certificates.json")).unwrap(), "{}");
}
