//! A real directory server with a schema like Active Directory's, of one test's own; none where `slapd` is not installed.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

const SUFFIX: &str = "dc=example,dc=org";
/// Who signs in, with the password `secret`; may read 100,000 entries in pages, 1,000 at once.
pub(crate) const USER: &str = "cn=backup,dc=example,dc=org";
/// The same for one who may read 1,200 entries in all.
pub(crate) const LIMITED_USER: &str = "cn=limited,dc=example,dc=org";

/// A running server; killed when dropped.
pub(crate) struct Slapd {
    child: Child,
    /// `ldap://127.0.0.1:PORT`
    pub(crate) plain: Url,
    /// `ldaps://127.0.0.1:PORT`
    pub(crate) tls: Url,
    /// The authority that signed its certificate.
    pub(crate) ca_pem: Vec<u8>,
    _dir: TempDir,
}

impl Slapd {
    /// Starts a server that holds these entries, in LDIF, below `dc=example,dc=org`.
    pub(crate) async fn start(entries: &str) -> Option<Self> {
        let programs: Vec<PathBuf> = ["slapd", "slapadd"].iter().map(|name| Path::new("/usr/sbin").join(name)).filter(|path| path.exists()).collect();
        let [slapd, slapadd] = programs.as_slice() else {
            println!("skipped: no slapd in /usr/sbin");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let ca_pem = certificates(dir.path());
        let config = configure(dir.path());
        let ldif = dir.path().join("entries.ldif");
        std::fs::write(&ldif, base() + entries).unwrap();
        let added = Command::new(slapadd).arg("-q").arg("-f").arg(&config).arg("-l").arg(&ldif).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let [plain, tls] = free_ports();
        let urls = format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}");
        let child = Command::new(slapd).args(["-d", "0", "-h", &urls, "-f"]).arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let url = |scheme: &str, port: u16| Url::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
        let running = Self { child, plain: url("ldap", plain), tls: url("ldaps", tls), ca_pem, _dir: dir };
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..500 {
            tick.tick().await;
            if tokio::net::TcpStream::connect(("127.0.0.1", tls)).await.is_ok() {
                return Some(running);
            }
        }
        panic!("slapd does not come up");
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the entry of a mailbox.
pub(crate) fn mailbox(ldif: &mut String, name: &str, attributes: &[(&str, &str)]) {
    let _ = write!(ldif, "dn: cn={name},ou=People,{SUFFIX}\nobjectClass: person\nobjectClass: mailRecipient\ncn: {name}\nsn: {name}\n");
    for (key, value) in attributes {
        let _ = writeln!(ldif, "{key}: {value}");
    }
    ldif.push('\n');
}

/// The attributes of a mailbox in a database here.
pub(crate) fn here(address: &str, details: u64) -> Vec<(&'static str, String)> {
    vec![
        ("mail", address.to_owned()),
        ("proxyAddresses", format!("SMTP:{address}")),
        ("homeMDB", "CN=DB1,CN=Databases".to_owned()),
        // Bytes that are no text.
        ("msExchMailboxGuid:", "/wD+gIGCg4SFhoeIiYqLjA==".to_owned()),
        ("msExchRecipientTypeDetails", details.to_string()),
    ]
}

fn base() -> String {
    let mut ldif = format!("dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n");
    let _ = write!(ldif, "dn: ou=People,{SUFFIX}\nobjectClass: organizationalUnit\nou: People\n\n");
    let _ = write!(ldif, "dn: cn=Configuration,{SUFFIX}\nobjectClass: organizationalRole\ncn: Configuration\n\n");
    for user in [USER, LIMITED_USER] {
        let _ = write!(ldif, "dn: {user}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\nuserPassword: secret\n\n");
    }
    ldif
}

fn configure(dir: &Path) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    std::fs::create_dir(dir.join("db")).unwrap();
    let root = format!(
        "dn:\nobjectClass: top\nobjectClass: OpenLDAProotDSE\ndefaultNamingContext: {SUFFIX}\nconfigurationNamingContext: cn=Configuration,{SUFFIX}\n\
         dsServiceName: CN=NTDS Settings,CN=DC1,CN=Servers,CN=Rome,CN=Sites,CN=Configuration,{SUFFIX}\n"
    );
    std::fs::write(dir.join("root.ldif"), root).unwrap();
    let text = format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\ninclude {schema}\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\nrootDSE {dir}/root.ldif\npidfile {dir}/pid\nargsfile {dir}/args\n\
         TLSCACertificateFile {dir}/ca.pem\nTLSCertificateFile {dir}/cert.pem\nTLSCertificateKeyFile {dir}/key.pem\n\
         database mdb\nsuffix \"{SUFFIX}\"\ndirectory {dir}/db\nmaxsize 67108864\nsizelimit size.soft=1000 size.hard=1000 size.pr=1000 size.prtotal=unlimited\n\
         limits dn.exact=\"{LIMITED_USER}\" size=1000 size.pr=1000 size.prtotal=1200\n",
        schema = data.join("directory.schema").display(),
        dir = dir.display()
    );
    let path = dir.join("slapd.conf");
    std::fs::write(&path, text).unwrap();
    path
}

/// Writes a certificate for this machine; returns that of the authority.
fn certificates(dir: &Path) -> Vec<u8> {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    for (name, pem) in [("ca.pem", &ca_pem), ("cert.pem", &cert.pem()), ("key.pem", &key.serialize_pem())] {
        std::fs::write(dir.join(name), pem).unwrap();
    }
    ca_pem.into_bytes()
}

fn free_ports() -> [u16; 2] {
    let held = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
