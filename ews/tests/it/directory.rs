//! Mailboxes out of a real directory server, out of files, groups and the search role.

use crate::answers::{envelope, error, response, success};
use crate::server::{Request, Scripted, ok};
use crate::slapd::{LIMITED_USER, Slapd, USER, here, mailbox};
use c2b_ews::{EwsConfig, EwsSource, LdapConfig, MailboxList, Secret};
use c2b_mailbox::{Address, Mailbox, MailboxKind, Source, Trouble};
use std::collections::BTreeMap;
use url::Url;

fn ldap(slapd: &Slapd) -> LdapConfig {
    LdapConfig {
        url: slapd.tls.clone(),
        start_tls: false,
        user: USER.to_owned(),
        password: Secret::new("secret"),
        base: None,
        filter: None,
        ca_pem: Some(slapd.ca_pem.clone()),
        insecure: false,
    }
}

async fn list(ldap: LdapConfig) -> Result<Vec<Mailbox>, c2b_mailbox::SourceError> {
    let mut config = EwsConfig::new(Url::parse("http://127.0.0.1:1/").unwrap(), "admin", Secret::new("pw"), "/nowhere");
    config.lists = vec![MailboxList::Ldap];
    config.ldap = Some(ldap);
    EwsSource::new(config).unwrap().mailboxes().await
}

fn kinds(mailboxes: &[Mailbox]) -> BTreeMap<&'static str, usize> {
    mailboxes.iter().fold(BTreeMap::new(), |mut sums, mailbox| {
        *sums.entry(mailbox.kind.word()).or_default() += 1;
        sums
    })
}

fn add(ldif: &mut String, name: &str, attributes: &[(&'static str, String)]) {
    let borrowed: Vec<(&str, &str)> = attributes.iter().map(|(key, value)| (*key, value.as_str())).collect();
    mailbox(ldif, name, &borrowed);
}

/// 2,345 people, some of every other kind, and entries that are no mailbox.
fn company() -> String {
    let mut ldif = String::new();
    for n in 0..2345 {
        add(&mut ldif, &format!("user{n}"), &here(&format!("user{n}@example.org"), 1));
    }
    for (name, details) in [("info", 4), ("room", 16), ("beamer", 32), ("linked", 2), ("arbitration", 8_388_608), ("folders", 68_719_476_736)] {
        add(&mut ldif, name, &here(&format!("{name}@example.org"), details));
    }
    let mut archived = here("archived@example.org", 1);
    archived.push(("msExchArchiveGUID:", "/wD+gIGCg4SFhoeIiYqLjA==".to_owned()));
    add(&mut ldif, "archived", &archived);
    let mut old: Vec<_> = here("old@example.org", 1).into_iter().filter(|(key, _)| *key != "msExchRecipientTypeDetails").collect();
    old.push(("msExchRecipientDisplayType", "7".to_owned()));
    add(&mut ldif, "old-room", &old);
    add(&mut ldif, "contact", &[("mail", "contact@elsewhere.org".to_owned()), ("msExchRecipientTypeDetails", "64".to_owned())]);
    let nameless: Vec<_> = here("x", 1).into_iter().filter(|(key, _)| !matches!(*key, "mail" | "proxyAddresses")).collect();
    add(&mut ldif, "nameless", &nameless);
    ldif
}

#[tokio::test]
async fn a_directory_is_listed_whole_and_classified() {
    let Some(slapd) = Slapd::start(&company()).await else { return };
    let listed = list(ldap(&slapd)).await.unwrap();
    let expected = [("user", 2346), ("shared", 1), ("room", 2), ("equipment", 1), ("linked", 1), ("system", 1), ("public-folder", 1)];
    assert_eq!(kinds(&listed), BTreeMap::from(expected));
    let of = |name: &str| listed.iter().find(|mailbox| mailbox.address.as_str() == format!("{name}@example.org")).unwrap();
    assert_eq!((of("archived").archive, of("user7").archive), (Some(true), Some(false)));
    assert!(of("arbitration").skipped.is_some() && of("folders").skipped.is_some() && of("info").skipped.is_none());
    // By StartTLS, and to this machine in the clear, it is the same list.
    let started = LdapConfig { url: slapd.plain.clone(), start_tls: true, ..ldap(&slapd) };
    assert_eq!(list(started).await.unwrap(), listed);
    assert_eq!(list(LdapConfig { url: slapd.plain.clone(), ..ldap(&slapd) }).await.unwrap(), listed);
    let some = LdapConfig { filter: Some("(msExchRecipientTypeDetails=64)".to_owned()), ..ldap(&slapd) };
    let contact = list(some).await.unwrap();
    assert_eq!((contact.len(), contact[0].kind), (1, MailboxKind::Unsupported));
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_whole_gives_no_list() {
    let Some(slapd) = Slapd::start(&company()).await else { return };
    let trouble = async |ldap: LdapConfig| list(ldap).await.map_err(|err| (err.trouble, err.message)).unwrap_err();
    let cut = trouble(LdapConfig { user: LIMITED_USER.to_owned(), ..ldap(&slapd) }).await;
    assert!(cut.0 == Trouble::Refused && cut.1.contains("size limit"), "{cut:?}");
    let stranger = trouble(LdapConfig { password: Secret::new("wrong"), ..ldap(&slapd) }).await;
    assert!(stranger.0 == Trouble::SignIn && stranger.1.contains("password are wrong"), "{stranger:?}");
    let unknown = trouble(LdapConfig { ca_pem: None, ..ldap(&slapd) }).await;
    assert!(unknown.0 == Trouble::Certificate && unknown.1.contains("UnknownIssuer"), "{unknown:?}");
    let nowhere = trouble(LdapConfig { base: Some("ou=Nobody,dc=example,dc=org".to_owned()), ..ldap(&slapd) }).await;
    assert_eq!(nowhere.0, Trouble::NotFound, "{nowhere:?}");
    let bad = trouble(LdapConfig { filter: Some("((".to_owned()), ..ldap(&slapd) }).await;
    assert_eq!(bad.0, Trouble::Local, "{bad:?}");
    drop(slapd);
}

#[tokio::test]
async fn a_domain_that_refers_elsewhere_is_not_the_whole_forest() {
    let mut ldif = String::from(
        "dn: dc=child,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\ndc: child\nref: ldap://child.example.org/dc=child,dc=example,dc=org\n\n",
    );
    add(&mut ldif, "alice", &here("alice@example.org", 1));
    let Some(slapd) = Slapd::start(&ldif).await else { return };
    let err = list(ldap(&slapd)).await.unwrap_err();
    assert!(err.message.contains("child.example.org") && err.message.contains("global catalog"), "{}", err.message);
    let chosen = LdapConfig { base: Some("dc=example,dc=org".to_owned()), ..ldap(&slapd) };
    assert_eq!(list(chosen).await.unwrap().len(), 1);
}

fn lists(server: &Scripted, lists: Vec<MailboxList>) -> EwsSource {
    let mut config = EwsConfig::new(server.url.clone(), "admin@example.org", Secret::new("pw"), server.dir.path());
    config.lists = lists;
    EwsSource::new(config).unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Answers ExpandDL out of `groups`: members, with their type.
fn expand(request: &Request, groups: &[(&str, &[(&str, &str)])]) -> crate::server::Answer {
    let wanted = request.text("t:EmailAddress").unwrap();
    let Some((_, members)) = groups.iter().find(|(name, _)| *name == wanted) else {
        return ok(response("ExpandDL", &error("ExpandDL", "ErrorNameResolutionNoResults")));
    };
    let members: String = members
        .iter()
        .map(|(address, kind)| {
            format!("<t:Mailbox><t:Name>N {address}</t:Name><t:EmailAddress>{address}</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>{kind}</t:MailboxType></t:Mailbox>")
        })
        .collect();
    ok(response("ExpandDL", &success("ExpandDL", &format!("<m:DLExpansion TotalItemsInView='3' IncludesLastItemInRange='true'>{members}</m:DLExpansion>"))))
}

#[tokio::test]
async fn groups_are_opened_to_the_bottom_and_once() {
    let server = Scripted::start(|request: &Request| {
        expand(
            request,
            &[
                ("all@example.org", &[("alice@example.org", "Mailbox"), ("sales@example.org", "PublicDL"), ("guest@else.org", "Contact")]),
                ("sales@example.org", &[("Bob@example.org", "Mailbox"), ("all@example.org", "PublicDL"), ("alice@example.org", "Mailbox")]),
            ],
        )
    })
    .await;
    let listed = lists(&server, vec![MailboxList::Group(address("all@example.org"))]).mailboxes().await.unwrap();
    let shown: Vec<_> = listed.iter().map(|mailbox| (mailbox.address.as_str(), mailbox.kind, mailbox.skipped.is_some())).collect();
    assert_eq!(
        shown,
        [
            ("alice@example.org", MailboxKind::Unknown, false),
            ("bob@example.org", MailboxKind::Unknown, false),
            ("guest@else.org", MailboxKind::Unsupported, true)
        ]
    );
    assert_eq!(server.all_requests().len(), 2);
}

#[tokio::test]
async fn a_group_that_cannot_be_opened_gives_no_list() {
    let server = Scripted::start(|request: &Request| expand(request, &[("all@example.org", &[("hidden@example.org", "PublicDL")])])).await;
    let err = lists(&server, vec![MailboxList::Group(address("all@example.org"))]).mailboxes().await.unwrap_err();
    assert!(err.message.contains("hidden@example.org cannot be opened"), "{}", err.message);
}

#[tokio::test]
async fn the_search_role_lists_mailboxes_and_a_file_adds_some() {
    let server = Scripted::start(|request: &Request| {
        assert_eq!(request.operation(), "GetSearchableMailboxes");
        let entry = |address: &str, external: bool, group: bool| {
            format!(
                "<t:SearchableMailbox><t:Guid>0a9f4b3e-6f5a-4a0c-9d0e-1b2c3d4e5f60</t:Guid><t:PrimarySmtpAddress>{address}</t:PrimarySmtpAddress><t:IsExternalMailbox>{external}</t:IsExternalMailbox>\
                 <t:ExternalEmailAddress/><t:DisplayName>Name</t:DisplayName><t:IsMembershipGroup>{group}</t:IsMembershipGroup><t:ReferenceId>r</t:ReferenceId></t:SearchableMailbox>"
            )
        };
        let entries = entry("alice@example.org", false, false) + &entry("cloud@example.org", true, false) + &entry("all@example.org", false, true);
        ok(envelope(&format!(
            "<m:GetSearchableMailboxesResponse xmlns:m='m' xmlns:t='t' ResponseClass='Success'><m:ResponseCode>NoError</m:ResponseCode>\
             <m:SearchableMailboxes>{entries}</m:SearchableMailboxes></m:GetSearchableMailboxesResponse>"
        )))
    })
    .await;
    let file = server.dir.path().join("more.csv");
    std::fs::write(&file, "PrimarySmtpAddress,RecipientTypeDetails\ninfo@example.org,SharedMailbox\nalice@example.org,UserMailbox\n").unwrap();
    let source = lists(&server, vec![MailboxList::Searchable, MailboxList::File(file.clone())]);
    let listed = source.mailboxes().await.unwrap();
    let shown: Vec<_> = listed.iter().map(|mailbox| (mailbox.address.as_str(), mailbox.kind.word())).collect();
    let expected = [("alice@example.org", "user"), ("all@example.org", "group"), ("cloud@example.org", "unsupported"), ("info@example.org", "shared")];
    assert_eq!(shown, expected);
    assert_eq!(listed[0].display_name, "Name");
    // The file is read again each time; once it is broken, there is no list.
    std::fs::write(&file, "PrimarySmtpAddress\nnobody\n").unwrap();
    assert!(source.mailboxes().await.unwrap_err().message.contains("line 2"));
}
