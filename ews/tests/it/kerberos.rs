//! A realm of MIT Kerberos of the test's own, and tests that run in a process of their own: where the realm is, a
//! process learns from its environment.

use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Set in the process of its own.
const INSIDE: &str = "C2B_TEST_INSIDE";
const TOOLS: &str = "/usr/sbin";

/// Runs a test in a process that knows no realm.
pub(crate) async fn without_kerberos(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        return body.await;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("krb5.conf");
    std::fs::write(&config, "[libdefaults]\n default_realm = NOWHERE.TEST\n dns_lookup_kdc = false\n dns_lookup_realm = false\n").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").env("KRB5_CONFIG", config).env_remove("KRB5CCNAME");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A realm `LAB.TEST` with the user `backup`, password `secret`, and the service `HTTP/localhost`.
pub(crate) struct Realm {
    dir: TempDir,
    kdc: Child,
}

impl Realm {
    /// Makes and serves it; none where MIT's programs are missing.
    pub(crate) fn start() -> Option<Self> {
        if !["krb5kdc", "kdb5_util", "kadmin.local"].iter().all(|tool| Path::new(TOOLS).join(tool).exists()) {
            println!("skipped: no MIT Kerberos (krb5-kdc, krb5-admin-server)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let client = format!(
            "[libdefaults]\n default_realm = LAB.TEST\n dns_lookup_kdc = false\n dns_lookup_realm = false\n dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n\
             [realms]\n LAB.TEST = {{\n kdc = 127.0.0.1:{port}\n }}\n[domain_realm]\n localhost = LAB.TEST\n"
        );
        let server = format!(
            "[kdcdefaults]\n kdc_listen = \"\"\n kdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n LAB.TEST = {{\n database_name = {}\n key_stash_file = {}\n acl_file = {}\n max_life = 1h\n }}\n",
            at("principal"),
            at("stash"),
            at("acl"),
        );
        std::fs::write(dir.path().join("krb5.conf"), client).unwrap();
        std::fs::write(dir.path().join("kdc.conf"), server).unwrap();
        let run = |tool: &str, args: &[&str]| {
            let output = command(dir.path(), tool).args(args).output().unwrap();
            assert!(output.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run("kdb5_util", &["create", "-s", "-r", "LAB.TEST", "-P", "master"]);
        run("kadmin.local", &["-q", "addprinc -pw secret backup"]);
        run("kadmin.local", &["-q", "addprinc -randkey HTTP/localhost"]);
        run("kadmin.local", &["-q", &format!("ktadd -k {} HTTP/localhost", at("http.keytab"))]);
        run("kadmin.local", &["-q", &format!("ktadd -norandkey -k {} backup", at("client.keytab"))]);
        let kdc = command(dir.path(), "krb5kdc").args(["-n"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let realm = Self { dir, kdc };
        // It listens within a moment; connections that are refused cost nothing.
        (0..100_000).find(|_| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).expect("the KDC listens");
        Some(realm)
    }

    /// Returns the file that tells clients where the realm is.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("krb5.conf")
    }

    /// Returns a file of the realm: `http.keytab`, `client.keytab`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        let _ = self.kdc.kill();
        let _ = self.kdc.wait();
    }
}

fn command(dir: &Path, tool: &str) -> Command {
    let mut command = Command::new(Path::new(TOOLS).join(tool));
    command.env("KRB5_CONFIG", dir.join("krb5.conf")).env("KRB5_KDC_PROFILE", dir.join("kdc.conf")).current_dir(dir);
    command
}
