//! Items arrive as the server holds them; what is wrong with one costs no other.

use crate::answers::{envelope, error, export, export_of, fault, healthy, message, mime_of, open, response, success};
use crate::server::{Answer, Request, Scripted, cut, ok, status};
use c2b_mailbox::{Address, Fetched, Fidelity, FlagStatus, Format, Importance, Item, ItemId, ItemRef, Retry, Scope, Source, SourceError, Trouble};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) fn alice() -> Address {
    Address::parse("alice@example.org").unwrap()
}

/// Fetches and sorts by id.
pub(crate) async fn fetch(server: &Scripted, ids: &[&str]) -> Result<BTreeMap<String, Result<Item, SourceError>>, SourceError> {
    let items: Vec<ItemRef> = ids.iter().map(|id| ItemRef { id: ItemId::new(*id), change_key: None, settle: false }).collect();
    let fetched = server.source.fetch(&alice(), &items).await?;
    assert_eq!(fetched.len(), ids.len());
    Ok(fetched.into_iter().map(|Fetched { id, result, .. }| (id.as_str().to_owned(), result)).collect())
}

fn readable(item: &mut Item) -> String {
    String::from_utf8(item.readable.as_mut().unwrap().content.to_vec().unwrap()).unwrap()
}

fn assert_healthy(result: &mut Result<Item, SourceError>, id: &str) {
    let item = result.as_mut().unwrap_or_else(|err| panic!("{id} failed: {err}"));
    assert_eq!((item.fidelity, item.meta.subject.as_str()), (Fidelity::Full, format!("About {id}").as_str()));
    assert_eq!(readable(item), mime_of(id));
    assert_eq!(item.export.as_mut().unwrap().to_vec().unwrap(), export_of(id).into_bytes());
}

#[tokio::test]
async fn ten_small_items_cost_two_requests() {
    let server = Scripted::start(healthy).await;
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for (id, mut result) in fetch(&server, &ids).await.unwrap() {
        assert_healthy(&mut result, &id);
    }
    assert_eq!(server.operations(), ["GetItem", "ExportItems"]);
    let request = &server.requests()[0];
    assert_eq!(request.header("x-anchormailbox"), Some("alice@example.org"));
    assert_eq!(request.text("t:PrimarySmtpAddress").as_deref(), Some("alice@example.org"));
    assert_eq!(request.header("user-agent"), Some(concat!("c2b/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(request.header("authorization"), Some("Basic YWRtaW5AZXhhbXBsZS5vcmc6cGHDn3dvcmQ="));
    assert!(request.header("client-request-id").is_some());
}

#[tokio::test]
async fn all_properties_of_the_metadata_are_read() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => ok(response(
            "GetItem",
            &success(
                "GetItem",
                "<m:Items><x:Message xmlns:x='t'><x:MimeContent>QQ</x:MimeContent><x:ItemId Id='a' ChangeKey='CK'/><x:ItemClass>IPM.Note.X</x:ItemClass>
                 <x:Subject>Caf&#xe9; &amp; more&#x0;</x:Subject><x:Unheard><x:Of>1</x:Of></x:Unheard><x:DateTimeReceived>2026-11-21T10:00:00Z</x:DateTimeReceived>
                 <x:Size>7</x:Size><x:Categories><x:String>Red</x:String><x:String>Blue</x:String></x:Categories><x:Importance>High</x:Importance>
                 <x:DateTimeSent>2026-11-21T09:00:00+01:00</x:DateTimeSent><x:HasAttachments>true</x:HasAttachments>
                 <x:ExtendedProperty><x:ExtendedFieldURI PropertyTag='0x300b' PropertyType='Binary'/><x:Value>AQID</x:Value></x:ExtendedProperty>
                 <x:Flag><x:FlagStatus>Flagged</x:FlagStatus></x:Flag>
                 <x:ToRecipients><x:Mailbox><x:Name>Bob B</x:Name><x:EmailAddress>bob@example.org</x:EmailAddress></x:Mailbox>
                 <x:Mailbox><x:Name>X</x:Name><x:EmailAddress>/o=Org/cn=X</x:EmailAddress><x:RoutingType>EX</x:RoutingType></x:Mailbox></x:ToRecipients>
                 <x:CcRecipients><x:Mailbox><x:EmailAddress>c@example.org</x:EmailAddress></x:Mailbox></x:CcRecipients>
                 <x:From><x:Mailbox><x:Name>Ann</x:Name><x:EmailAddress>ann@example.org</x:EmailAddress></x:Mailbox></x:From>
                 <x:InternetMessageId>&lt;1@x&gt;</x:InternetMessageId><x:IsRead>false</x:IsRead></x:Message></m:Items>",
            ),
        )),
        _ => healthy(request),
    })
    .await;
    let meta = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap().meta;
    assert_eq!((meta.class.as_str(), meta.subject.as_str(), meta.from.as_str()), ("IPM.Note.X", "Caf\u{e9} & more\u{fffd}", "Ann <ann@example.org>"));
    assert_eq!(meta.change_key.unwrap().as_str(), "CK");
    assert_eq!(meta.recipients, ["Bob B <bob@example.org>", "X", "c@example.org"]);
    assert_eq!((meta.received.unwrap().timestamp(), meta.sent.unwrap().timestamp()), (1_795_255_200, 1_795_248_000));
    assert_eq!((meta.size, meta.read, meta.has_attachments), (Some(7), Some(false), true));
    assert_eq!((meta.flag, meta.importance, meta.search_key), (Some(FlagStatus::Flagged), Some(Importance::High), Some(vec![1, 2, 3])));
    assert_eq!((meta.categories, meta.message_id.as_deref()), (vec!["Red".to_owned(), "Blue".to_owned()], Some("<1@x>")));
}

#[tokio::test]
async fn an_answer_without_optional_elements_is_enough() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => ok(response(
            "GetItem",
            "<m:GetItemResponseMessage><m:Items><t:Message><t:MimeContent>SGk</t:MimeContent></t:Message></m:Items></m:GetItemResponseMessage>",
        )),
        "ExportItems" => ok(response("ExportItems", "<m:ExportItemsResponseMessage><m:Data>SGk=</m:Data></m:ExportItemsResponseMessage>")),
        _ => open(request),
    })
    .await;
    let mut item = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap();
    assert_eq!(readable(&mut item), "Hi");
    assert_eq!((item.fidelity, item.meta.class.as_str()), (Fidelity::Full, "IPM.Note"));
}

#[tokio::test]
async fn bad_bytes_cost_their_own_item_only() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => {
            let mut body =
                response("GetItem", &format!("{}{}{}", message("a", &mime_of("a")), message("b", "x").replace("eA==", "?!"), message("c", &mime_of("c"))))
                    .into_bytes();
            let at = body.windows(7).position(|window| window == b"About b").unwrap();
            body[at] = 0xff;
            ok(body)
        }
        "ExportItems" => {
            let truncated = export("d", "x").replace("eA==", "AAAA=== Truncated Data ===");
            ok(response(
                "ExportItems",
                &request.ids("t:ItemId").iter().map(|id| if id == "d" { truncated.clone() } else { export(id, &export_of(id)) }).collect::<String>(),
            ))
        }
        _ => healthy(request),
    })
    .await;
    let mut fetched = fetch(&server, &["a", "b", "c"]).await.unwrap();
    assert_healthy(fetched.get_mut("a").unwrap(), "a");
    assert_healthy(fetched.get_mut("c").unwrap(), "c");
    let err = fetched.remove("b").unwrap().unwrap_err();
    assert_eq!((err.scope, err.trouble, err.code.as_str(), err.is_transient()), (Scope::Item, Trouble::Malformed, "base64", true));
}

#[tokio::test]
async fn an_export_that_the_server_truncated_fails_for_now() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "ExportItems" => {
            let one = |id: &String| if id == "b" { export("b", "x").replace("eA==", "AAAA=== Truncated Data ===") } else { export(id, &export_of(id)) };
            ok(response("ExportItems", &request.ids("t:ItemId").iter().map(one).collect::<String>()))
        }
        _ => healthy(request),
    })
    .await;
    let mut fetched = fetch(&server, &["a", "b"]).await.unwrap();
    assert_healthy(fetched.get_mut("a").unwrap(), "a");
    let err = fetched.remove("b").unwrap().unwrap_err();
    assert_eq!((err.scope, err.retry), (Scope::Item, Retry::Backoff));
}

#[tokio::test]
async fn what_came_before_a_break_counts_and_the_rest_is_asked_again() {
    let breaks = AtomicUsize::new(0);
    let server = Scripted::start(move |request: &Request| {
        if request.operation() != "GetItem" || breaks.fetch_add(1, Ordering::Relaxed) > 0 {
            return healthy(request);
        }
        let body = response("GetItem", &request.ids("t:ItemId").iter().map(|id| message(id, &mime_of(id))).collect::<String>());
        let inside_of_c = body.find("About c").unwrap();
        cut(&body, inside_of_c)
    })
    .await;
    for (id, mut result) in fetch(&server, &["a", "b", "c", "d"]).await.unwrap() {
        assert_healthy(&mut result, &id);
    }
    let asked: Vec<Vec<String>> = server.requests().iter().filter(|request| request.operation() == "GetItem").map(|request| request.ids("t:ItemId")).collect();
    assert_eq!(asked, [vec!["a", "b", "c", "d"], vec!["c"], vec!["d"]]);
}

#[tokio::test]
async fn an_answer_that_always_breaks_is_passing_trouble_of_its_item() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => {
            let body = response("GetItem", &message("a", &mime_of("a")));
            ok(&body[..body.len() - 60])
        }
        _ => healthy(request),
    })
    .await;
    let fetched = fetch(&server, &["a"]).await.unwrap();
    assert!(fetched["a"].is_ok(), "the item was whole; only the end of the envelope is missing");
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => {
            let body = response("GetItem", &message("a", &mime_of("a")));
            ok(&body[..body.find("About").unwrap()])
        }
        _ => healthy(request),
    })
    .await;
    let err = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap_err();
    assert_eq!((err.scope, err.trouble, err.retry), (Scope::Item, Trouble::Malformed, Retry::Backoff));
}

#[tokio::test]
async fn items_behind_a_stopped_batch_are_asked_for_singly() {
    for class in ["Warning", "Error"] {
        let server = Scripted::start(move |request: &Request| {
            let ids = request.ids("t:ItemId");
            if request.operation() != "GetItem" || ids.len() == 1 {
                return healthy(request);
            }
            let stopped = error("GetItem", "ErrorBatchProcessingStopped").replace("Class=\"Error\"", &format!("Class=\"{class}\""));
            ok(response("GetItem", &(message("a", &mime_of("a")) + &stopped.repeat(ids.len() - 1))))
        })
        .await;
        for (id, mut result) in fetch(&server, &["a", "b", "c"]).await.unwrap() {
            assert_healthy(&mut result, &id);
        }
        assert_eq!(server.operations().iter().filter(|operation| *operation == "GetItem").count(), 3);
    }
}

#[tokio::test]
async fn what_can_be_had_of_an_item_is_taken_when_the_caller_says_so() {
    for broken in ["GetItem", "ExportItems"] {
        let server = Scripted::start(move |request: &Request| {
            if request.operation() == broken { status("500 Internal Server Error", "", fault("ErrorInternalServerError", "")) } else { healthy(request) }
        })
        .await;
        let one = |settle| ItemRef { id: ItemId::new("a"), change_key: None, settle };
        let fetched = server.source.fetch(&alice(), &[one(false)]).await.unwrap().remove(0);
        assert!(fetched.result.is_err_and(|err| err.is_transient() && err.scope == Scope::Item), "{broken}: a part was taken for the whole");
        let fetched = server.source.fetch(&alice(), &[one(true)]).await.unwrap().remove(0);
        let (item, lacks) = (fetched.result.unwrap(), fetched.lacks.unwrap());
        let fidelity = if broken == "GetItem" { Fidelity::ExportOnly } else { Fidelity::Mime };
        assert_eq!((item.fidelity, lacks.code.as_str()), (fidelity, "ErrorInternalServerError"), "{broken}");
    }
    let nothing = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" | "ExportItems" => status("500 Internal Server Error", "", fault("ErrorInternalServerError", "")),
        _ => open(request),
    })
    .await;
    let fetched = nothing.source.fetch(&alice(), &[ItemRef { id: ItemId::new("a"), change_key: None, settle: true }]).await.unwrap().remove(0);
    assert!(fetched.lacks.is_none() && fetched.result.is_err_and(|err| err.is_transient()));
}

#[tokio::test]
async fn a_poisoned_item_is_found() {
    let poisoned = |request: &Request| match request.operation() {
        "GetItem" | "ExportItems" if request.ids("t:ItemId").iter().any(|id| id == "e") => {
            status("500 Internal Server Error", "", fault("ErrorInternalServerError", ""))
        }
        _ => healthy(request),
    };
    let server = Scripted::start(poisoned).await;
    let mut fetched = fetch(&server, &["a", "b", "c", "d", "e", "f", "g", "h"]).await.unwrap();
    let err = fetched.remove("e").unwrap().unwrap_err();
    assert_eq!((err.scope, err.code.as_str(), err.is_transient()), (Scope::Item, "ErrorInternalServerError", true));
    for (id, mut result) in fetched {
        assert_healthy(&mut result, &id);
    }
    assert!(server.requests().len() <= 10, "{:?}", server.operations());
}

#[tokio::test]
async fn a_server_without_export_is_asked_for_it_no_more() {
    for refusal in [
        || ok(fault("ErrorInvalidRequest", "")),
        || status("500 Internal Server Error", "", fault("ErrorInvalidOperation", "")),
        || ok(envelope("<s:Fault><faultcode>s:Client</faultcode><faultstring>Unknown operation ExportItems</faultstring></s:Fault>")),
        || status("501 Not Implemented", "", "no"),
        || ok(response("ExportItems", &error("ExportItems", "ErrorInvalidRequest"))),
    ] {
        let server = Scripted::start(move |request: &Request| if request.operation() == "ExportItems" { refusal() } else { healthy(request) }).await;
        for _ in 0..2 {
            let item = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap();
            assert_eq!((item.fidelity, item.export.is_none()), (Fidelity::Mime, true));
        }
        let asked = server.operations().iter().filter(|operation| *operation == "ExportItems").count();
        assert!(asked <= 2, "asked {asked} times");
    }
}

#[tokio::test]
async fn one_item_that_cannot_be_exported_does_not_cost_the_others_theirs() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "ExportItems" => {
            let one = |id: &String| match id.as_str() {
                "b" | "AAMk" => error("ExportItems", "ErrorInvalidRequest"),
                id => export(id, &export_of(id)),
            };
            ok(response("ExportItems", &request.ids("t:ItemId").iter().map(one).collect::<String>()))
        }
        _ => healthy(request),
    })
    .await;
    assert_healthy(fetch(&server, &["a"]).await.unwrap().get_mut("a").unwrap(), "a");
    assert_eq!(fetch(&server, &["b"]).await.unwrap()["b"].as_ref().unwrap().fidelity, Fidelity::Mime);
    assert_healthy(fetch(&server, &["c"]).await.unwrap().get_mut("c").unwrap(), "c");
}

#[tokio::test]
async fn an_item_that_is_gone_is_not_found() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => ok(response("GetItem", &(error("GetItem", "ErrorItemNotFound") + &message("b", &mime_of("b"))))),
        _ => healthy(request),
    })
    .await;
    let mut fetched = fetch(&server, &["a", "b"]).await.unwrap();
    assert_eq!(fetched.remove("a").unwrap().unwrap_err().trouble, Trouble::NotFound);
    assert_healthy(fetched.get_mut("b").unwrap(), "b");
}

/// Answers GetItem with MIME by an error and without it by `everything`.
fn without_mime(code: &'static str, everything: &'static str) -> impl Fn(&Request) -> Answer {
    move |request: &Request| match (request.operation(), request.text("t:IncludeMimeContent").as_deref()) {
        ("GetItem", Some("true")) => ok(response("GetItem", &error("GetItem", code))),
        ("GetItem", Some("false")) if !everything.is_empty() => ok(response("GetItem", &success("GetItem", everything))),
        ("GetItem", Some(_)) => ok(response("GetItem", &error("GetItem", "ErrorItemCorrupt"))),
        ("GetItem", None) => {
            ok(response("GetItem", &success("GetItem", "<m:Items><t:Message><t:ItemId Id='a'/><t:Subject>Bare</t:Subject></t:Message></m:Items>")))
        }
        ("GetAttachment", _) if request.ids("t:AttachmentId") == ["lost"] => ok(response("GetAttachment", &error("GetAttachment", "ErrorItemNotFound"))),
        ("GetAttachment", _) => ok(response(
            "GetAttachment",
            &success(
                "GetAttachment",
                "<m:Attachments><t:FileAttachment><t:AttachmentId Id='f'/><t:Name>f.bin</t:Name><t:Content>AAEC</t:Content></t:FileAttachment></m:Attachments>",
            ),
        )),
        ("ExportItems", _) => ok(fault("ErrorInvalidRequest", "")),
        _ => open(request),
    }
}

#[tokio::test]
async fn an_item_without_mime_is_rendered_with_its_attachments() {
    const ITEM: &str = "<m:Items><t:Message><t:ItemId Id='a' ChangeKey='k'/><t:ItemClass>IPM.Note.SMIME</t:ItemClass><t:Subject>Gr\u{fc}\u{df}e</t:Subject>
        <t:Body BodyType='HTML'>&lt;p&gt;Hi&lt;/p&gt;</t:Body><t:Attachments><t:FileAttachment><t:AttachmentId Id='f'/><t:Name>f.bin</t:Name></t:FileAttachment></t:Attachments>
        <t:DateTimeSent>2026-11-21T10:00:00Z</t:DateTimeSent><t:From><t:Mailbox><t:EmailAddress>ann@example.org</t:EmailAddress></t:Mailbox></t:From></t:Message></m:Items>";
    let mut seen = Vec::new();
    for _ in 0..2 {
        let server = Scripted::start(without_mime("ErrorMimeContentConversionFailed", ITEM)).await;
        let mut item = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap();
        assert_eq!((item.fidelity, item.readable.as_ref().unwrap().rendered), (Fidelity::Properties, true));
        seen.push(readable(&mut item));
    }
    assert_eq!(seen[0], seen[1], "rendering is not deterministic");
    for part in ["From: <ann@example.org>", "Date: Sat, 21 Nov 2026 10:00:00 +0000", "<p>Hi</p>", "filename=\"f.bin\"", "AAEC"] {
        assert!(seen[0].contains(part), "{part} is missing in\n{}", seen[0]);
    }
}

#[tokio::test]
async fn a_lost_attachment_makes_the_item_partial() {
    const ITEM: &str = "<m:Items><t:Message><t:ItemId Id='a'/><t:Subject>S</t:Subject><t:Attachments><t:FileAttachment><t:AttachmentId Id='lost'/><t:Name>f.bin</t:Name></t:FileAttachment></t:Attachments></t:Message></m:Items>";
    let server = Scripted::start(without_mime("ErrorUnsupportedMimeConversion", ITEM)).await;
    let item = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap();
    assert_eq!((item.fidelity, item.meta.subject.as_str()), (Fidelity::Partial, "S"));
}

#[tokio::test]
async fn an_item_that_only_exports_keeps_its_name() {
    let broken = without_mime("ErrorItemCorrupt", "");
    let server = Scripted::start(move |request: &Request| if request.operation() == "ExportItems" { healthy(request) } else { broken(request) }).await;
    let item = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap();
    assert_eq!((item.fidelity, item.meta.subject.as_str(), item.readable.is_none()), (Fidelity::ExportOnly, "Bare", true));
    let server = Scripted::start(without_mime("ErrorItemCorrupt", "")).await;
    let err = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap_err();
    assert_eq!((err.scope, err.trouble, err.retry), (Scope::Item, Trouble::Corrupt, Retry::No));
}

#[tokio::test]
async fn other_kinds_become_files_of_their_own_format() {
    let cases = [
        (
            "Task",
            "IPM.Task",
            "<t:Body BodyType='Text'>do</t:Body><t:DueDate>2026-12-01T00:00:00Z</t:DueDate><t:Status>InProgress</t:Status>",
            Format::Ics,
            "BEGIN:VTODO",
        ),
        ("Item", "IPM.Activity", "", Format::Ics, "BEGIN:VJOURNAL"),
        ("CalendarItem", "IPM.Appointment", "<t:Start>2026-12-01T10:00:00Z</t:Start>", Format::Ics, "DTSTART:20261201T100000Z"),
        (
            "Contact",
            "IPM.Contact",
            "<t:EmailAddresses><t:Entry Key='EmailAddress1'>x@example.org</t:Entry></t:EmailAddresses>",
            Format::Vcf,
            "EMAIL:x@example.org",
        ),
        (
            "DistributionList",
            "IPM.DistList",
            "<t:Members><t:Member><t:Mailbox><t:EmailAddress>m@example.org</t:EmailAddress></t:Mailbox></t:Member></t:Members>",
            Format::Vcf,
            "MEMBER:mailto:m@example.org",
        ),
        ("Item", "IPM.StickyNote", "<t:Body BodyType='Text'>milk</t:Body>", Format::Txt, "milk\n"),
        ("Item", "IPM.Strange", "", Format::Eml, "Subject: Named"),
    ];
    for (element, class, inside, format, expected) in cases {
        let item =
            format!("<m:Items><t:{element}><t:ItemId Id='a'/><t:ItemClass>{class}</t:ItemClass><t:Subject>Named</t:Subject>{inside}</t:{element}></m:Items>");
        let server = Scripted::start(move |request: &Request| match request.operation() {
            "GetItem" => ok(response("GetItem", &success("GetItem", &item))),
            _ => healthy(request),
        })
        .await;
        let mut item = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap();
        let text = readable(&mut item);
        assert_eq!((item.readable.unwrap().format, item.fidelity), (format, Fidelity::Full));
        assert!(text.contains(expected), "{class} is\n{text}");
    }
}

#[tokio::test]
async fn a_busy_server_tells_when_to_come_back() {
    let pause = "<t:MessageXml xmlns:t='t'><t:Value Name='BackOffMilliseconds'>4500</t:Value></t:MessageXml>";
    let after = |millis| Retry::After(Duration::from_millis(millis));
    let cases: Vec<(Box<dyn Fn() -> Answer + Send + Sync>, Retry)> = vec![
        (Box::new(move || status("500 Internal Server Error", "", fault("ErrorServerBusy", pause))), after(4500)),
        (Box::new(move || ok(fault("ErrorServerBusy", pause))), after(4500)),
        (Box::new(|| status("503 Service Unavailable", "Retry-After: 7\r\n", "busy")), after(7000)),
        (Box::new(|| status("429 Too Many Requests", "", "")), Retry::Backoff),
        (
            Box::new(|| ok(fault("ErrorInternalServerError", "<t:MessageXml><t:Value Name='InnerErrorResponseCode'>ErrorServerBusy</t:Value></t:MessageXml>"))),
            Retry::Backoff,
        ),
        (Box::new(|| ok(response("GetItem", &error("GetItem", "ErrorServerBusy").repeat(2)))), Retry::Backoff),
        (Box::new(|| ok(response("GetItem", &error("GetItem", "ErrorTooManyObjectsOpened").repeat(2)))), Retry::Backoff),
    ];
    for (n, (answer, retry)) in cases.into_iter().enumerate() {
        let server = Scripted::start(move |request: &Request| if request.operation() == "GetItem" { answer() } else { open(request) }).await;
        let err = fetch(&server, &["a", "b"]).await.unwrap_err();
        assert_eq!((err.trouble, err.retry, err.scope), (Trouble::Throttled, retry, Scope::Mailbox), "case {n}");
        assert_eq!(server.operations(), ["GetItem"], "case {n} asked again");
    }
}

#[tokio::test]
async fn a_server_in_trouble_is_not_asked_item_by_item() {
    for line in ["503 Service Unavailable", "502 Bad Gateway"] {
        let server = Scripted::start(move |request: &Request| if request.operation() == "GetItem" { status(line, "", "down") } else { open(request) }).await;
        let err = fetch(&server, &["a", "b", "c", "d"]).await.unwrap_err();
        assert_eq!((err.trouble, err.scope, err.retry), (Trouble::Busy, Scope::Connection, Retry::Backoff));
        assert_eq!(server.operations(), ["GetItem"]);
    }
}

#[tokio::test]
async fn a_server_that_knows_no_list_of_properties_gives_all() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" if request.body.contains("AdditionalProperties") => ok(fault("ErrorInvalidPropertyRequest", "")),
        _ => healthy(request),
    })
    .await;
    for _ in 0..2 {
        let mut fetched = fetch(&server, &["a", "b"]).await.unwrap();
        assert_healthy(fetched.get_mut("a").unwrap(), "a");
    }
    assert_eq!(server.operations(), ["GetItem", "GetItem", "ExportItems", "GetItem", "ExportItems"]);
}

#[tokio::test]
async fn a_success_without_an_item_is_no_item() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => ok(response("GetItem", &success("GetItem", "<m:Items/>"))),
        _ => healthy(request),
    })
    .await;
    let err = fetch(&server, &["a"]).await.unwrap().remove("a").unwrap().unwrap_err();
    assert_eq!((err.trouble, err.is_transient()), (Trouble::Malformed, true));
}

#[tokio::test]
async fn a_password_that_is_refused_is_not_sent_again() {
    let server = Scripted::start(|request: &Request| if request.operation() == "GetItem" { status("401 Unauthorized", "", "") } else { open(request) }).await;
    let err = fetch(&server, &["a", "b", "c"]).await.unwrap_err();
    assert_eq!((err.trouble, err.scope, err.retry), (Trouble::SignIn, Scope::Connection, Retry::No));
    assert_eq!(server.operations(), ["GetItem"]);
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_is_trouble_of_ours() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => ok(response("GetItem", &request.ids("t:ItemId").iter().map(|id| message(id, &"x".repeat(2 << 20))).collect::<String>())),
        _ => healthy(request),
    })
    .await;
    std::fs::remove_dir_all(server.dir.path()).unwrap();
    for (_, result) in fetch(&server, &["a", "b"]).await.unwrap() {
        let err = result.unwrap_err();
        assert_eq!((err.trouble, err.is_transient()), (Trouble::Local, true));
        let causes = std::iter::successors(Some(&err as &dyn std::error::Error), |err| err.source());
        assert!(causes.filter_map(|err| err.downcast_ref::<std::io::Error>()).any(|err| err.kind() == std::io::ErrorKind::NotFound), "{err:?}");
    }
    assert_eq!(server.operations(), ["GetItem"]);
}

#[tokio::test]
async fn a_server_that_fails_over_everything_is_left_in_peace() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetItem" => status("500 Internal Server Error", "", fault("ErrorInternalServerError", "")),
        _ => healthy(request),
    })
    .await;
    let fetched = fetch(&server, &["a", "b"]).await.unwrap();
    assert!(fetched.values().all(|result| result.as_ref().is_err_and(SourceError::is_transient)));
    assert_eq!(server.operations(), ["GetItem", "GetItem", "GetItem"]);
}
