//! Notifications of servers that a test makes up: odd streams, refusals, several places.

use crate::answers::{envelope, error, fault, open, response, success};
use crate::server::{Answer, Request, Scripted, ok, status};
use async_trait::async_trait;
use c2b_ews::{EwsConfig, EwsSource, Secret};
use c2b_mailbox::{Address, Listener, Listening, Source, SourceError, Trouble};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// As long as anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who listens: what was heard comes out of a channel; pauses are noted and cut short.
pub(crate) struct Ear {
    heard: UnboundedSender<Address>,
    how: watch::Sender<Listening>,
    over: watch::Sender<bool>,
    pauses: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Listener for Ear {
    fn heard(&self, mailbox: &Address) {
        let _ = self.heard.send(mailbox.clone());
    }

    fn listens(&self, how: Listening) {
        self.how.send_replace(how);
    }

    async fn pause(&self, time: Duration) {
        self.pauses.lock().unwrap().push(time);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    async fn ended(&self) {
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }
}

/// A source that listens, and what it hears.
pub(crate) struct Post {
    pub(crate) ear: Arc<Ear>,
    heard: UnboundedReceiver<Address>,
    task: JoinHandle<Result<(), SourceError>>,
}

impl Post {
    pub(crate) fn new(source: Arc<EwsSource>, mailboxes: Vec<Address>) -> Self {
        let (sender, heard) = unbounded_channel();
        let ear = Arc::new(Ear { heard: sender, how: watch::Sender::default(), over: watch::Sender::new(false), pauses: Mutex::default() });
        let listener = Arc::clone(&ear);
        let task = tokio::spawn(async move { source.watch(&mailboxes, &*listener).await });
        Self { ear, heard, task }
    }

    pub(crate) async fn next(&mut self) -> String {
        timeout(PATIENCE, self.heard.recv()).await.expect("something is heard in time").expect("the ear lives").to_string()
    }

    /// Takes as many as there are mailboxes: each is told once when it is subscribed to.
    pub(crate) async fn begin(&mut self, mailboxes: usize) {
        let mut all = Vec::new();
        for _ in 0..mailboxes {
            all.push(self.next().await);
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), mailboxes, "{all:?}");
    }

    pub(crate) fn is_quiet(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }

    pub(crate) async fn until(&self, wanted: impl Fn(&Listening) -> bool) -> Listening {
        let mut how = self.ear.how.subscribe();
        let found = timeout(PATIENCE, how.wait_for(|how| wanted(how))).await;
        found.unwrap_or_else(|_| panic!("it stays {:?}", self.ear.how.borrow())).unwrap().clone()
    }

    /// Ends the listening, which takes leave.
    pub(crate) async fn end(self) {
        self.ear.over.send_replace(true);
        timeout(PATIENCE, self.task).await.expect("it ends in time").unwrap().unwrap();
    }

    pub(crate) async fn failed(self) -> SourceError {
        timeout(PATIENCE, self.task).await.expect("it ends in time").unwrap().unwrap_err()
    }

    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.ear.pauses.lock().unwrap().clone()
    }
}

pub(crate) fn people(count: usize) -> Vec<Address> {
    (0..count).map(|n| Address::parse(&format!("user{n:04}@example.org")).unwrap()).collect()
}

fn streamed(inside: &str) -> String {
    response("GetStreamingEvents", &success("GetStreamingEvents", inside))
}

fn news(mailbox: &str) -> String {
    streamed(&format!(
        "<m:Notifications><m:Notification><t:SubscriptionId>sub-{mailbox}</t:SubscriptionId><t:CreatedEvent><t:TimeStamp>2026-11-22T10:00:00Z</t:TimeStamp>\
         <t:ItemId Id=\"i\"/><t:ParentFolderId Id=\"f\"/></t:CreatedEvent></m:Notification></m:Notifications>"
    ))
}

fn opening() -> String {
    streamed("<m:ConnectionStatus>OK</m:ConnectionStatus>")
}

fn whose(request: &Request) -> String {
    request.text("t:PrimarySmtpAddress").unwrap_or_default()
}

fn subscribed(request: &Request) -> Answer {
    ok(response("Subscribe", &success("Subscribe", &format!("<m:SubscriptionId>sub-{}</m:SubscriptionId>", whose(request)))))
}

/// A server whose streams a test writes by hand: each stream that is opened comes out of the channel.
async fn by_hand(subscribe: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> (Arc<Scripted>, UnboundedReceiver<UnboundedSender<Vec<u8>>>) {
    let (sender, streams) = unbounded_channel();
    let server = Scripted::start(move |request| match request.operation() {
        "Subscribe" => subscribe(request),
        "Unsubscribe" => ok(response("Unsubscribe", &success("Unsubscribe", ""))),
        "GetStreamingEvents" => {
            let (pieces, body) = unbounded_channel();
            let _ = sender.send(pieces);
            Answer::Pieces(body)
        }
        _ => open(request),
    })
    .await;
    (Arc::new(server), streams)
}

fn patient(server: &Scripted, silence: Duration) -> Arc<EwsSource> {
    let mut config = EwsConfig::new(server.url.clone(), "admin@example.org", Secret::new("secret"), server.dir.path());
    config.idle_timeout = silence;
    Arc::new(EwsSource::new(config).unwrap())
}

async fn stream(streams: &mut UnboundedReceiver<UnboundedSender<Vec<u8>>>) -> UnboundedSender<Vec<u8>> {
    timeout(PATIENCE, streams.recv()).await.expect("a stream is opened in time").expect("the server lives")
}

#[tokio::test]
async fn events_are_heard_however_the_bytes_come() {
    let (server, mut streams) = by_hand(subscribed).await;
    let mut post = Post::new(patient(&server, PATIENCE), people(2));
    let body = stream(&mut streams).await;
    // Byte by byte.
    for byte in opening().bytes() {
        body.send(vec![byte]).unwrap();
    }
    post.begin(2).await;
    let how = post.until(|how| how.mailboxes == 2).await;
    assert_eq!((how.connections, how.reason.as_str()), (1, ""));
    let event = news("user0001@example.org");
    for cut in [1, 37, 38, 39, event.len() / 2, event.len() - 1] {
        let (one, other) = event.as_bytes().split_at(cut);
        body.send(one.to_vec()).unwrap();
        body.send(other.to_vec()).unwrap();
        assert_eq!(post.next().await, "user0001@example.org");
    }
    // Several at once, with signs of life and the schema's namespace between them, and an envelope that is missing.
    let beat = streamed(
        "<m:Notifications><t:Notification><t:SubscriptionId>sub-user0000@example.org</t:SubscriptionId><t:StatusEvent/></t:Notification></m:Notifications>",
    );
    let typed = news("user0000@example.org").replace("m:Notification>", "t:Notification>");
    let (_, inside) = event.split_once("<s:Body>").unwrap();
    let bare = format!("<?xml version=\"1.0\"?><soap:Header><x/></soap:Header>\r\n<soap:Body>{}</soap:Body>", inside.split_once("</s:Body>").unwrap().0);
    body.send([beat.as_str(), &typed, "\r\n", &beat, &bare].concat().into_bytes()).unwrap();
    assert_eq!((post.next().await, post.next().await), ("user0000@example.org".to_owned(), "user0001@example.org".to_owned()));
    // Of a subscription that is not ours nothing is told.
    body.send(news("stranger@example.org").into_bytes()).unwrap();
    body.send(event.clone().into_bytes()).unwrap();
    assert_eq!(post.next().await, "user0001@example.org");
    assert!(post.is_quiet());
    post.end().await;
    let operations = server.operations();
    let count = |name: &str| operations.iter().filter(|operation| *operation == name).count();
    assert_eq!((count("Subscribe"), count("GetStreamingEvents"), count("Unsubscribe")), (2, 1, 2), "{operations:?}");
}

#[tokio::test]
async fn garbage_a_cut_and_silence_end_a_stream_and_the_next_one_is_opened() {
    let (server, mut streams) = by_hand(subscribed).await;
    let mut post = Post::new(patient(&server, Duration::from_millis(150)), people(1));
    let closed = streamed("<m:ConnectionStatus>Closed</m:ConnectionStatus>");
    let event = news("user0000@example.org");
    let ends: [Option<&[u8]>; 6] = [
        Some(&event.as_bytes()[..200]),
        Some(b"<html>busy</html>"),
        Some(b"0\r\n\r\nHTTP/1.1 200 OK\r\n"),
        Some(b"<s:Envelope></s:Body>\xff"),
        Some(closed.as_bytes()),
        None,
    ];
    let mut is_first = true;
    for end in ends {
        let body = stream(&mut streams).await;
        body.send(opening().into_bytes()).unwrap();
        if std::mem::take(&mut is_first) {
            post.begin(1).await;
        }
        post.until(|how| how.mailboxes == 1).await;
        body.send(event.clone().into_bytes()).unwrap();
        assert_eq!(post.next().await, "user0000@example.org");
        match end {
            Some(end) => body.send(end.to_vec()).unwrap(),
            // Nothing comes any more, and the connection stays: a firewall forgot it.
            None => {
                stream(&mut streams).await;
                break;
            }
        }
    }
    let operations = server.operations();
    assert_eq!(operations.iter().filter(|operation| *operation == "Subscribe").count(), 1, "the subscription lives on: {operations:?}");
    assert!(post.is_quiet(), "nothing was lost, so nothing is told anew");
    assert!(post.pauses().iter().all(|pause| (1..=2).contains(&pause.as_secs())), "{:?}", post.pauses());
}

#[tokio::test]
async fn a_stream_that_never_says_anything_is_opened_more_and_more_seldom() {
    let (server, mut streams) = by_hand(subscribed).await;
    let post = Post::new(patient(&server, PATIENCE), people(1));
    for _ in 0..12 {
        let body = stream(&mut streams).await;
        body.send(opening().into_bytes()).unwrap();
    }
    let pauses = post.pauses();
    assert_eq!(pauses.iter().take(4).map(Duration::as_secs).collect::<Vec<_>>(), [2, 4, 8, 16]);
    assert_eq!(pauses.iter().max().unwrap().as_secs(), 300);
}

#[tokio::test]
async fn lost_subscriptions_are_made_anew_and_told() {
    let (server, mut streams) = by_hand(subscribed).await;
    let mut post = Post::new(patient(&server, PATIENCE), people(3));
    let mut body = stream(&mut streams).await;
    body.send(opening().into_bytes()).unwrap();
    post.begin(3).await;
    let codes = ["ErrorSubscriptionNotFound", "ErrorMissedNotificationEvents", "ErrorReadEventsFailed", "ErrorExpiredSubscription"];
    for code in codes {
        let told = error("GetStreamingEvents", code)
            .replace("</m:GetStreamingEventsResponseMessage>", "<m:ErrorSubscriptionIds><t:SubscriptionId>sub-user0001@example.org</t:SubscriptionId></m:ErrorSubscriptionIds></m:GetStreamingEventsResponseMessage>");
        body.send(response("GetStreamingEvents", &told).into_bytes()).unwrap();
        body = stream(&mut streams).await;
        body.send(opening().into_bytes()).unwrap();
        assert_eq!(post.next().await, "user0001@example.org", "{code}");
        body.send(news("user0002@example.org").into_bytes()).unwrap();
        assert_eq!(post.next().await, "user0002@example.org");
    }
    // Without names, none is any good.
    body.send(response("GetStreamingEvents", &error("GetStreamingEvents", "ErrorSubscriptionNotFound")).into_bytes()).unwrap();
    body = stream(&mut streams).await;
    body.send(opening().into_bytes()).unwrap();
    post.begin(3).await;
    let subscribes = server.operations().iter().filter(|operation| *operation == "Subscribe").count();
    assert_eq!(subscribes, 3 + codes.len() + 3);
}

#[tokio::test]
async fn mailboxes_that_another_server_keeps_share_another_connection() {
    // Every second one lives elsewhere; one cannot be reached from the first place at all.
    let (server, mut streams) = by_hand(|request| {
        let (owner, anchor) = (whose(request), request.header("x-anchormailbox").unwrap_or_default().to_owned());
        let place = |address: &str| if address[..8].ends_with(['1', '3', '5']) { "two.example.org~194" } else { "one.example.org~194" };
        if owner.starts_with("user0005") && place(&anchor) != place(&owner) {
            return ok(response("Subscribe", &error("Subscribe", "ErrorProxyRequestNotAllowed")));
        }
        let id = success("Subscribe", &format!("<m:SubscriptionId>sub-{owner}</m:SubscriptionId>"));
        let body = response("Subscribe", &id);
        let cookies = format!("Set-Cookie: exchangecookie=1; path=/\r\nSet-Cookie: X-BackEndOverrideCookie={}; path=/; secure; HttpOnly\r\n", place(&owner));
        status("200 OK", &cookies, body)
    })
    .await;
    let mut post = Post::new(patient(&server, PATIENCE), people(6));
    let bodies = [stream(&mut streams).await, stream(&mut streams).await];
    for body in &bodies {
        body.send(opening().into_bytes()).unwrap();
    }
    post.begin(6).await;
    assert_eq!(post.until(|how| how.mailboxes == 6).await.connections, 2);
    let opened: Vec<Request> = server.requests().into_iter().filter(|request| request.operation() == "GetStreamingEvents").collect();
    for (request, (anchor, place)) in opened.iter().zip([("user0000", "one"), ("user0001", "two")]) {
        assert!(request.header("x-anchormailbox").unwrap().starts_with(anchor), "{request:?}");
        assert_eq!(request.header("x-preferserveraffinity"), Some("true"));
        assert_eq!(request.header("cookie"), Some(format!("X-BackEndOverrideCookie={place}.example.org~194").as_str()));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert_eq!(request.body.matches("<t:SubscriptionId>").count(), 3);
        assert_eq!(whose(request), request.header("x-anchormailbox").unwrap(), "the connection is charged to a mailbox of the group");
    }
    let first = &server.requests()[0];
    assert_eq!((first.header("cookie"), first.header("x-preferserveraffinity")), (None, Some("true")));
}

#[tokio::test]
async fn a_mailbox_that_is_refused_costs_only_itself() {
    let (server, mut streams) = by_hand(|request| match whose(request).as_str() {
        "user0001@example.org" => ok(response("Subscribe", &error("Subscribe", "ErrorExceededSubscriptionCount"))),
        _ => subscribed(request),
    })
    .await;
    let mut post = Post::new(patient(&server, PATIENCE), people(3));
    let body = stream(&mut streams).await;
    body.send(opening().into_bytes()).unwrap();
    post.begin(2).await;
    let how = post.until(|how| how.mailboxes == 2).await;
    assert_eq!(how.reason, "It says ErrorExceededSubscriptionCount.");
    assert_eq!(server.operations().iter().filter(|operation| *operation == "Subscribe").count(), 3, "it is not asked again and again");
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it() {
    let (server, mut streams) = by_hand(|request| {
        static ASKED: Mutex<u32> = Mutex::new(0);
        let mut asked = ASKED.lock().unwrap();
        *asked += 1;
        if *asked > 1 {
            return subscribed(request);
        }
        let pause = "<t:MessageXml xmlns:t='t'><t:Value Name='BackOffMilliseconds'>71000</t:Value></t:MessageXml>";
        status("500 Internal Server Error", "", fault("ErrorServerBusy", pause))
    })
    .await;
    let mut post = Post::new(patient(&server, PATIENCE), people(1));
    let body = stream(&mut streams).await;
    body.send(opening().into_bytes()).unwrap();
    post.begin(1).await;
    assert_eq!(post.pauses(), [Duration::from_secs(71)]);
}

#[tokio::test]
async fn a_server_without_notifications_is_found_out_once() {
    for unknown in
        [fault("ErrorInvalidRequest", ""), envelope("<s:Fault><faultcode>s:Client</faultcode><faultstring>unknown operation</faultstring></s:Fault>")]
    {
        let server = Scripted::start(move |request| match request.operation() {
            "Subscribe" => ok(unknown.clone()),
            _ => open(request),
        })
        .await;
        let source = patient(&server, PATIENCE);
        for _ in 0..2 {
            let failure = Post::new(Arc::clone(&source), people(2)).failed().await;
            assert_eq!(failure.trouble, Trouble::Unsupported, "{failure}");
        }
        assert!(server.operations().len() <= 2, "{:?}", server.operations());
    }
}

#[tokio::test]
async fn a_refused_sign_in_ends_the_listening() {
    let server = Scripted::start(|request| match request.operation() {
        "Subscribe" => status("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", ""),
        _ => open(request),
    })
    .await;
    let failure = Post::new(patient(&server, PATIENCE), people(2)).failed().await;
    assert_eq!(failure.trouble, Trouble::SignIn);
    assert_eq!(server.operations(), ["Subscribe"], "a wrong password is not tried again: the account could be locked");
}
