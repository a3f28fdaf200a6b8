//! Signing in at the lab, whose side of each scheme is code of its own: NTLM, Negotiate with a real MIT realm, and
//! OAuth with secret, certificate and device code. The lab is as strict as Exchange with Extended Protection.

use crate::kerberos::{Realm, without_kerberos};
use crate::oracle::{Program, lab};
use crate::signing::{client_certificate, wall_clock};
use c2b_ews::auth::oauth::{DeviceSignIn, Grant, Keeper, OAuth};
use c2b_ews::auth::{Account, Negotiate};
use c2b_ews::{EwsConfig, EwsSource, Secret, SignIn};
use c2b_mailbox::{Address, Source, SourceError, Trouble};
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

struct Lab {
    _program: Program,
    url: Url,
    dir: TempDir,
}

/// Starts a lab with one small mailbox, whose users are `backup` and `admin`; over TLS when told so.
fn serve(args: &[&str], change: impl FnOnce(&mut Command)) -> Option<Lab> {
    serve_to("backup:secret:impersonate\nadmin:secret:impersonate\nbackup@lab.test:Pa\u{df}w0rd:impersonate\n", args, change)
}

/// Starts a lab with other users.
fn serve_to(users: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Option<Lab> {
    let dir = tempfile::tempdir().unwrap();
    let inbox = dir.path().join("org/alice@example.org/Inbox");
    std::fs::create_dir_all(&inbox).unwrap();
    std::fs::write(inbox.join("1.eml"), "Subject: one\r\n\r\nHello\r\n").unwrap();
    std::fs::write(dir.path().join("users"), users).unwrap();
    let mut command = Command::new(lab()?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--org"]).arg(dir.path().join("org")).arg("--users").arg(dir.path().join("users")).args(args);
    if args.contains(&"--tls") {
        command.arg("--tls-cert-out").arg(dir.path().join("ca.pem"));
    }
    change(&mut command);
    let program = Program::start(&mut command);
    let url = Url::parse(program.line.strip_prefix("listening on ").unwrap()).unwrap();
    let url = Url::parse(&url.as_str().replace("127.0.0.1", "localhost")).unwrap();
    Some(Lab { _program: program, url, dir })
}

impl Lab {
    fn config(&self, sign_in: SignIn) -> EwsConfig {
        let mut config = EwsConfig::with(self.url.clone(), sign_in, self.dir.path());
        config.ca_pem = std::fs::read(self.dir.path().join("ca.pem")).ok();
        config
    }

    fn source(&self, sign_in: SignIn) -> EwsSource {
        EwsSource::new(self.config(sign_in)).unwrap()
    }

    fn base(&self) -> String {
        self.url.as_str().trim_end_matches("/EWS/Exchange.asmx").replace("localhost", "127.0.0.1")
    }

    fn oauth(&self, grant: Grant) -> SignIn {
        SignIn::OAuth(OAuth {
            token_url: Url::parse(&format!("{}/tenant/oauth2/v2.0/token", self.base())).unwrap(),
            client_id: "lab-app".to_owned(),
            scope: "https://outlook.office365.com/.default".to_owned(),
            grant,
            secret_expires: None,
            clock: wall_clock(),
        })
    }

    /// Asks the lab something beside EWS, by hand.
    fn curl(&self, args: &[&str], path: &str) -> String {
        let output = Command::new("curl").args(["--silent", "--fail", "--insecure"]).args(args).arg(format!("{}{path}", self.base())).output().unwrap();
        assert!(output.status.success(), "{path}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn unauthorized(&self) -> u64 {
        let counters = self.curl(&[], "/lab/counters");
        counters.split_once("\"unauthorized\":").unwrap().1.split([',', '}']).next().unwrap().trim().parse().unwrap()
    }
}

async fn look(source: &EwsSource) -> Result<usize, SourceError> {
    let mailbox = Address::parse("alice@example.org").unwrap();
    Ok(source.folder_changes(&mailbox, None).await?.changes.len())
}

fn account(user: &str, password: &str) -> Account {
    Account { user: user.to_owned(), password: Secret::new(password) }
}

fn ntlm(user: &str, password: &str) -> SignIn {
    SignIn::Ntlm(account(user, password))
}

#[tokio::test]
async fn ntlm_signs_each_connection_in_once() {
    let Some(lab) = serve(&["--tls", "--sign-in", "negotiate,ntlm", "--extended-protection", "require"], |_| {}) else { return };
    for (user, password) in [("LAB\\backup", "secret"), ("backup", "secret"), ("backup@lab.test", "Pa\u{df}w0rd")] {
        let before = lab.unauthorized();
        let source = lab.source(ntlm(user, password));
        for _ in 0..5 {
            assert!(look(&source).await.unwrap() > 0);
        }
        assert_eq!(lab.unauthorized() - before, 1, "one challenge for one connection");
    }
}

#[tokio::test]
async fn ntlm_keeps_to_its_connections_under_load() {
    let Some(lab) = serve(&["--tls", "--sign-in", "ntlm", "--extended-protection", "require", "--latency", "5"], |_| {}) else { return };
    let source = lab.source(ntlm("backup", "secret"));
    look(&source).await.unwrap();
    let all = futures(&source, 40).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert!(lab.unauthorized() <= 41, "a connection is signed in once");
}

async fn futures(source: &EwsSource, count: usize) -> Vec<Result<usize, SourceError>> {
    let mut waiting: Vec<_> = (0..count).map(|_| Box::pin(look(source))).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(result) => {
                done.push(result);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn a_connection_that_the_server_forgets_is_signed_in_anew() {
    let Some(lab) = serve(&["--sign-in", "ntlm", "--sign-in-requests", "2"], |_| {}) else { return };
    let source = lab.source(ntlm("backup", "secret"));
    for _ in 0..6 {
        assert!(look(&source).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn refusals_say_what_may_be_wrong() {
    let Some(lab) = serve(&["--tls", "--sign-in", "ntlm", "--extended-protection", "require"], |_| {}) else { return };
    let report = lab.source(ntlm("backup", "wrong")).check(&[]).await;
    let last = report.findings.last().unwrap();
    assert!(last.subject == "sign-in" && last.hint.contains("Extended Protection"), "{last:?}");
    let report = lab.source(SignIn::Basic(account("backup", "secret"))).check(&[]).await;
    let last = report.findings.last().unwrap();
    assert!(last.text.contains("does not accept Basic sign-in, only NTLM") && last.hint == "set sign-in to ntlm", "{last:?}");
}

#[tokio::test]
async fn negotiate_does_with_ntlm_where_there_is_no_kerberos() {
    without_kerberos("signing_lab::negotiate_does_with_ntlm_where_there_is_no_kerberos", async {
        let Some(lab) = serve(&["--tls", "--sign-in", "negotiate", "--extended-protection", "require"], |_| {}) else { return };
        let source = lab.source(SignIn::Negotiate(Negotiate { user: "LAB\\backup".to_owned(), password: Some(Secret::new("secret")), service: None }));
        assert!(look(&source).await.unwrap() > 0);
        assert_eq!(lab.unauthorized(), 1);
    })
    .await;
}

/// Starts a realm, and a lab that takes its tickets unless told otherwise.
fn kerberized(args: &[&str], takes_tickets: bool) -> Option<(Lab, Realm)> {
    let realm = Realm::start()?;
    let tickets: &[&str] = if takes_tickets { &["--kerberos"] } else { &[] };
    let all = [["--tls", "--sign-in", "negotiate,ntlm"].as_slice(), args, tickets].concat();
    // The account has one password, whichever way it signs in.
    let lab = serve_to("backup@lab.test:secret:impersonate\n", &all, |command| {
        command.env("KRB5_CONFIG", realm.config()).env("KRB5_KTNAME", realm.file("http.keytab"));
    })?;
    Some((lab, realm))
}

#[tokio::test]
async fn a_ticket_of_a_real_realm_signs_in() {
    let Some((lab, realm)) = kerberized(&["--extended-protection", "require"], true) else { return };
    let url = lab.url.to_string();
    run_client(&url, &lab, &realm, "password", &[]);
    run_client(&url, &lab, &realm, "keytab", &[("KRB5_CLIENT_KTNAME", realm.file("client.keytab").display().to_string())]);
    assert_eq!(lab.unauthorized(), 0, "a ticket needs no challenge");
    run_client(&url, &lab, &realm, "wrong", &[]);
}

#[tokio::test]
async fn a_server_that_takes_no_ticket_gets_ntlm() {
    let Some((lab, realm)) = kerberized(&["--extended-protection", "require"], false) else { return };
    run_client(lab.url.as_str(), &lab, &realm, "password", &[]);
    assert_eq!(lab.unauthorized(), 2, "the choice of NTLM, and its challenge");
}

fn run_client(url: &str, lab: &Lab, realm: &Realm, how: &str, env: &[(&str, String)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "signing_lab::client_of_a_realm", "--nocapture"]).env("KRB5_CONFIG", realm.config());
    command.env("KRB5CCNAME", format!("MEMORY:{how}")).env("C2B_TEST_LAB", url).env("C2B_TEST_CA", lab.dir.path().join("ca.pem")).env("C2B_TEST_HOW", how);
    let output = command.envs(env.iter().map(|(name, value)| (name, value))).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("signed in as told"), "{how}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The client's side of the tests above, in a process of its own.
#[tokio::test]
async fn client_of_a_realm() {
    let Ok(url) = std::env::var("C2B_TEST_LAB") else { return };
    let dir = tempfile::tempdir().unwrap();
    let how = std::env::var("C2B_TEST_HOW").unwrap();
    let password = match how.as_str() {
        "keytab" => None,
        "wrong" => Some(Secret::new("wrong")),
        _ => Some(Secret::new("secret")),
    };
    let sign_in = SignIn::Negotiate(Negotiate { user: "backup@lab.test".to_owned(), password, service: None });
    let mut config = EwsConfig::with(Url::parse(&url).unwrap(), sign_in, dir.path());
    config.ca_pem = Some(std::fs::read(std::env::var("C2B_TEST_CA").unwrap()).unwrap());
    let source = EwsSource::new(config).unwrap();
    for _ in 0..3 {
        match (how.as_str(), look(&source).await) {
            ("wrong", Err(err)) => assert_eq!(err.trouble, Trouble::SignIn, "{err}"),
            (_, result) => assert!(result.unwrap() > 0),
        }
    }
    println!("signed in as told");
}

#[tokio::test]
async fn an_application_gets_tokens_for_its_secret() {
    let Some(lab) = serve(&["--sign-in", "bearer", "--client-secret", "s3cret&=", "--token-life", "3600"], |_| {}) else { return };
    let source = lab.source(lab.oauth(Grant::Secret(Secret::new("s3cret&="))));
    for _ in 0..3 {
        assert!(look(&source).await.unwrap() > 0);
    }
    assert_eq!(lab.curl(&[], "/lab/tokens"), "{\"issued\":1}");
    let err = look(&lab.source(lab.oauth(Grant::Secret(Secret::new("wrong"))))).await.unwrap_err();
    assert!(err.trouble == Trouble::SignIn && err.message.contains("AADSTS7000215") && !err.message.contains("Trace"), "{err}");
}

#[tokio::test]
async fn an_application_gets_tokens_for_its_certificate_and_new_ones_in_time() {
    let (certificate, pem) = client_certificate();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("client.pem"), certificate).unwrap();
    let arg = dir.path().join("client.pem");
    let Some(lab) = serve(&["--sign-in", "bearer", "--token-life", "2", "--client-certificate", arg.to_str().unwrap()], |_| {}) else { return };
    let source = lab.source(lab.oauth(Grant::Certificate(Secret::new(pem))));
    let mut asked = 0;
    while lab.curl(&[], "/lab/tokens") != "{\"issued\":3}" {
        assert!(look(&source).await.unwrap() > 0);
        asked += 1;
    }
    assert!(asked > 3);
    assert_eq!(lab.unauthorized(), 0, "no token was used beyond its life");
    let (_, stranger) = client_certificate();
    let err = look(&lab.source(lab.oauth(Grant::Certificate(Secret::new(stranger))))).await.unwrap_err();
    assert!(err.trouble == Trouble::SignIn && err.message.contains("thumbprint"), "{err}");
}

/// Remembers all refresh tokens that were to be kept.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<String>>);

impl Memory {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Keeper for Memory {
    fn load(&self) -> io::Result<Option<Secret>> {
        Ok(self.all().pop().map(Secret::new))
    }

    fn keep(&self, refresh_token: &Secret) -> io::Result<()> {
        self.0.lock().unwrap().push(String::from_utf8(refresh_token.expose().to_vec()).unwrap());
        Ok(())
    }
}

/// Keeps nothing beyond the token that it has.
#[derive(Debug)]
struct FullDisk(String);

impl Keeper for FullDisk {
    fn load(&self) -> io::Result<Option<Secret>> {
        Ok(Some(Secret::new(self.0.as_str())))
    }

    fn keep(&self, _: &Secret) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[tokio::test]
async fn somebody_signs_in_with_a_code_and_refresh_tokens_rotate() {
    let Some(lab) = serve(&["--sign-in", "bearer", "--token-life", "1"], |_| {}) else { return };
    let memory = Arc::new(Memory::default());
    let grant = || Grant::Refresh(memory.clone());
    let err = look(&lab.source(lab.oauth(grant()))).await.unwrap_err();
    assert!(err.trouble == Trouble::SignIn && err.message.contains("nobody has signed in yet"), "{err}");
    let waiting = DeviceSignIn::begin(&lab.config(lab.oauth(grant()))).await.unwrap();
    assert!(waiting.url().ends_with("/devicelogin") && !waiting.user_code().is_empty() && waiting.life() == Duration::from_secs(900));
    lab.curl(&["-X", "POST"], &format!("/lab/device/{}", waiting.user_code()));
    waiting.wait().await.unwrap();
    let first = memory.all().pop().unwrap();
    let source = lab.source(lab.oauth(grant()));
    while memory.all().len() < 4 {
        assert!(look(&source).await.unwrap() > 0);
    }
    let mut all = memory.all();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), memory.all().len(), "each refresh token is another");
    // What was used once is of no use: the newest one must be kept.
    let err = look(&lab.source(lab.oauth(Grant::Refresh(Arc::new(FullDisk(first)))))).await.unwrap_err();
    assert!(err.trouble == Trouble::SignIn && err.message.contains("sign in again"), "{err}");
    let newest = memory.all().pop().unwrap();
    let err = look(&lab.source(lab.oauth(Grant::Refresh(Arc::new(FullDisk(newest)))))).await.unwrap_err();
    assert_eq!(err.trouble, Trouble::Local, "a token that is not kept is not used: {err}");
}
