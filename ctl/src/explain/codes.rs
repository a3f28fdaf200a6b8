//! The codes, each with its cause and what to do.
//!
//! A test of the whole workspace holds this list against the sources: a code that is made anywhere is explained here.

/// What a code, or several of one cause, mean.
#[derive(Debug)]
pub(crate) struct Explanation {
    /// The codes, as they are spelt.
    pub(crate) codes: &'static [&'static str],
    /// Where they come up.
    pub(crate) seen: Seen,
    /// Why.
    pub(crate) cause: &'static str,
    /// What to do.
    pub(crate) remedy: &'static str,
}

/// Where a code comes up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    /// The daemon refuses or fails, and the command with it.
    Request,
    /// The daemon refuses or fails, or a job does.
    Both,
    /// A job as a whole, or one of its mailboxes or folders.
    Job,
    /// Exchange says it of an item, a folder or a mailbox.
    Exchange,
    /// It is found out on the way to the server or back.
    Way,
    /// `c2bctl` itself.
    Command,
    /// An alert is of this kind.
    Alert,
}

impl Seen {
    /// Returns it in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Both => "request, job",
            Self::Job => "job",
            Self::Exchange => "from Exchange",
            Self::Way => "to the server",
            Self::Command => "c2bctl",
            Self::Alert => "alert",
        }
    }
}

const fn of(codes: &'static [&'static str], seen: Seen, cause: &'static str, remedy: &'static str) -> Explanation {
    Explanation { codes, seen, cause, remedy }
}

/// What else Exchange may say.
pub(crate) const OTHER_OF_EXCHANGE: Explanation = of(
    &[],
    Seen::Exchange,
    "Exchange refused what was asked of it, with a code that c2b does not treat specially",
    "read the message beside the code; look the code up in Microsoft's list of EWS response codes (ResponseCodeType); the next cycle tries again",
);

const HTTP_BUSY: Explanation = of(
    &[],
    Seen::Way,
    "the server, or a proxy before it, answered that it is busy or out of order",
    "nothing while it passes: c2b waits and tries again; if it stays, look at the server and at proxies before it",
);

const HTTP_SIGN_IN: Explanation = of(
    &[],
    Seen::Way,
    "the server did not accept the sign-in, or this way to sign in",
    "see `c2bctl connection check NAME`; give the right password with `c2bctl connection edit NAME --password-file FILE`, or another --sign-in",
);

const HTTP_OTHER: Explanation = of(
    &[],
    Seen::Way,
    "the server answered with an HTTP status that is not one of EWS: another program may answer at this URL",
    "check the connection's URL with `c2bctl connection check NAME`: Exchange answers at https://HOST/EWS/Exchange.asmx",
);

/// Returns what an HTTP status of the server means.
pub(crate) fn http(status: u16) -> &'static Explanation {
    match status {
        401 | 403 | 407 => &HTTP_SIGN_IN,
        408 | 429 | 500..=599 => &HTTP_BUSY,
        _ => &HTTP_OTHER,
    }
}

/// All of them.
pub(crate) const ALL: &[Explanation] = &[
    of(
        &["invalid"],
        Seen::Both,
        "the request is not understood, or a value in it is not acceptable",
        "the message names the value; see the command's --help, or `c2bctl api schema` for programs",
    ),
    of(
        &["forbidden"],
        Seen::Both,
        "of a request: the caller's role does not allow it; of a job: the server does not let the connection's account open the mailbox",
        "`c2bctl access show` shows your role, and an administrator gives roles in /etc/c2b/access.toml; for a mailbox, give the account ApplicationImpersonation or full access, and try with `c2bctl connection check NAME`",
    ),
    of(
        &["not-found"],
        Seen::Both,
        "of a request: there is no connection, storage, job or mailbox of this name; of an item: it went away while it was fetched",
        "list the names with `c2bctl job list`, `storage list` or `connection list`; of items nothing: the next cycle sees that they are gone",
    ),
    of(
        &["exists"],
        Seen::Request,
        "there is one of this name, or at this path, already",
        "choose another name, or change the one that is there with the verb edit",
    ),
    of(
        &["state"],
        Seen::Both,
        "it cannot be done now: it runs, or does not run, or is used by something else",
        "the message says what is in the way; stop that, or wait until it is done, and try again",
    ),
    of(
        &["locked"],
        Seen::Both,
        "a sealed storage cannot be opened by this host's key, or a connection's password was not given in this login session",
        "`c2bctl storage unlock NAME` with a password or the recovery key; `c2bctl connection unlock NAME` with the connection's password",
    ),
    of(
        &["config"],
        Seen::Request,
        "a definition file is wrong",
        "the message names file and line; `c2bctl config check` lists all that is wrong, then `systemctl reload c2bd`",
    ),
    of(
        &["auth", "sign-in"],
        Seen::Both,
        "the mail server refused user and password, secret or certificate, or the account is locked or expired",
        "see `c2bctl connection check NAME`, then give the right one with `c2bctl connection edit NAME --password-file FILE`",
    ),
    of(
        &["server"],
        Seen::Request,
        "the mail server cannot be reached, or does not answer as one",
        "see `c2bctl connection check NAME`: it tells apart name, network, certificate, URL and sign-in",
    ),
    of(
        &["storage"],
        Seen::Both,
        "a storage cannot be used: its folder is missing or not writable, its format is newer, or something in it is damaged",
        "see `c2bctl storage show NAME` and whether its disk is mounted; `c2bctl storage check NAME` finds damage, `storage rebuild` makes the index anew",
    ),
    of(
        &["low-space"],
        Seen::Both,
        "the storage's file system is full, or has less free space than the storage's reserve",
        "make room, or give space back with `c2bctl storage free NAME`; what was committed is safe, and backups go on by themselves",
    ),
    of(&["too-long"], Seen::Request, "the request's body is longer than 1 MiB", "say it in several requests, for instance fewer jobs in one file"),
    of(&["too-slow"], Seen::Request, "the request did not come whole within 10 seconds", "send it at once, with the number of bytes that content-length says"),
    of(
        &["busy"],
        Seen::Both,
        "of a request: as many callers as the daemon takes are there; of a job: the mail server was busy",
        "try again in a moment; see whether a program opens connections to the socket and does not close them (`ss -xp`); jobs wait and try again by themselves",
    ),
    of(
        &["internal"],
        Seen::Both,
        "trouble of the daemon itself: its state folder, the system, or a defect",
        "see what happened with `journalctl -u c2bd -n 50`, and whether /var/lib/c2b can be written to",
    ),
    of(
        &["unreachable"],
        Seen::Both,
        "of c2bctl: the daemon does not answer at its socket; of a job: the mail server does not answer",
        "`systemctl status c2bd` for the daemon; for the server `c2bctl connection check NAME`, host name, port, network and firewall",
    ),
    of(&["declined"], Seen::Command, "the question was answered with no, so nothing was done", "give --yes when no question is wanted"),
    of(
        &["interrupted"],
        Seen::Command,
        "Ctrl-C was pressed: a job runs on, other work stopped where it can go on later",
        "follow a job with `c2bctl job watch NAME`, or stop it with `c2bctl job stop NAME`",
    ),
    of(
        &["mount"],
        Seen::Command,
        "a storage could not be mounted, or taken away again",
        "the message says why; see `c2bctl mount --help`, and whether FUSE is installed (`apt install fuse3`)",
    ),
    of(
        &["failed"],
        Seen::Command,
        "c2bctl could not do its own part: a file, a terminal or another program failed it",
        "the message names it; see whether the file is there and can be read or written",
    ),
    of(
        &["answer"],
        Seen::Both,
        "an answer is not understood: of c2bctl, daemon and command line are of different versions; of a job, the server's answer is no EWS or was cut",
        "bring c2bd and c2bctl to one version (`c2bctl status` shows the daemon's); for a server, see whether a proxy changes answers; the next cycle tries again",
    ),
    of(
        &["certificate", "TLS"],
        Seen::Way,
        "the server's certificate is not trusted, has expired, or is for another name; or there is no TLS at this port",
        "give the issuer's certificate with `c2bctl connection edit NAME --ca-file FILE`, renew the server's certificate, or correct the URL",
    ),
    of(
        &["wrong-url", "URL", "no SOAP"],
        Seen::Way,
        "something answers at the connection's URL, and it is not EWS",
        "check the URL: Exchange answers at https://HOST/EWS/Exchange.asmx; `c2bctl connection check NAME` tries it",
    ),
    of(
        &["no-such-mailbox"],
        Seen::Job,
        "the server knows no mailbox of this address",
        "check the address; if the mailbox is gone, take it out of the job; what was backed up of it stays",
    ),
    of(
        &["cursor-invalid", "sync", "cursor", "listing"],
        Seen::Job,
        "the server does not accept the position of the last cycle any more, for instance after the mailbox was moved",
        "nothing: the folder is compared as a whole, and only what differs is fetched",
    ),
    of(
        &["corrupt", "no content"],
        Seen::Job,
        "the server cannot give an item as it should be: it is damaged there",
        "see which with `c2bctl job failures NAME`; open it in Outlook, repair the mailbox (New-MailboxRepairRequest), or acknowledge the failure",
    ),
    of(
        &["unsupported", "property list", "no notifications"],
        Seen::Job,
        "the server does not know an operation, or the source cannot do it",
        "see with `c2bctl connection check NAME` what the server's version covers; c2b does without where it can",
    ),
    of(
        &["throttled"],
        Seen::Job,
        "the server asks for fewer requests",
        "nothing: c2b waits as long as it is asked to and goes on with other mailboxes; to be faster, raise the account's throttling policy on the server",
    ),
    of(
        &["malformed", "no answer", "NoAnswer", "NoAdvance", "base64", "Truncated Data", "short listing"],
        Seen::Job,
        "the server's answer was cut short, repeats itself, or leaves out what was asked for",
        "nothing at first: it is tried again; if it stays, see whether a proxy or load balancer cuts answers",
    ),
    of(
        &["local", "temporary file", "file", "parser"],
        Seen::Job,
        "this host failed: a temporary file, a file of addresses, memory",
        "look at the free space of /var/lib/c2b and at `journalctl -u c2bd -n 50`",
    ),
    of(
        &["refused", "request", "attachment", "address-list", "group-size", "group-member", "mailbox-file"],
        Seen::Job,
        "what was asked cannot be done as it is: the server says no for good, or a list of mailboxes is too long or not understood",
        "read the message beside the code; for lists of mailboxes see `c2bctl mailbox list CONNECTION`; an item can be acknowledged with `c2bctl job failures NAME --acknowledge`",
    ),
    of(
        &["directory", "LDAP", "searchable-mailboxes"],
        Seen::Job,
        "the directory, or the server's search for mailboxes, did not answer",
        "see `c2bctl connection check NAME`; a job whose list of mailboxes cannot be had changes nothing and tries again",
    ),
    of(
        &["connect", "DNS", "time-out"],
        Seen::Way,
        "the server's name is not known, nobody answers there, or not in time",
        "check host name, port, network and firewall from this host; `c2bctl connection check NAME` tries it",
    ),
    of(
        &["token", "assertion", "refresh token", "expired_token", "Kerberos"],
        Seen::Way,
        "no token or ticket could be had to sign in with: from the token service, or from Kerberos",
        "see `c2bctl connection check NAME`; check tenant, application id and when its secret expires; sign in anew with `c2bctl connection sign-in NAME`, or renew the keytab",
    ),
    of(
        &["SOAP fault", "error without code"],
        Seen::Exchange,
        "the server refused a request without a code that tells why",
        "read the message beside it; look at the server's own log; the next cycle tries again",
    ),
    of(
        &["gone"],
        Seen::Job,
        "a mailbox that the job names is not on the server's list any more",
        "nothing is deleted here; take it out of the job if it is gone for good",
    ),
    of(
        &["not-covered"],
        Seen::Job,
        "a part of a mailbox that one would expect cannot be had: the archive, recoverable items, a public folder",
        "`c2bctl job coverage NAME` says why; give the account the right, or leave the part out of the job",
    ),
    of(
        &["public-folders"],
        Seen::Job,
        "the job's public folders cannot be reached",
        "see `c2bctl connection public-folders NAME`; the account needs a right on each folder",
    ),
    of(
        &["other-organisation"],
        Seen::Job,
        "the storage holds public folders of another organisation: two do not go into one storage",
        "give the job another storage with `c2bctl job edit NAME --storage OTHER`",
    ),
    of(
        &["selection", "selection-empty"],
        Seen::Job,
        "the job's mailboxes cannot be listed, or there are none; nothing counts as deleted",
        "see `c2bctl mailbox list CONNECTION` and the job's --mailbox or --all-except",
    ),
    of(
        &["selection-shrank"],
        Seen::Job,
        "more than a fifth of the job's mailboxes are gone from the list at once, which is taken for a mistake; nothing counts as deleted",
        "see `c2bctl mailbox list CONNECTION`; if they are gone for good, name the mailboxes anew with `c2bctl job edit NAME`",
    ),
    of(
        &["ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorExceededFindCountLimit", "ErrorTooManyObjectsOpened"],
        Seen::Exchange,
        "the server's throttling policy asks for fewer requests",
        "nothing: c2b waits and tries again; the time is shown as throttled; to be faster, raise the account's throttling policy",
    ),
    of(
        &[
            "ErrorInternalServerError",
            "ErrorInternalServerTransientError",
            "ErrorMailboxStoreUnavailable",
            "ErrorMailboxMoveInProgress",
            "ErrorMailboxFailover",
            "ErrorADUnavailable",
            "ErrorADOperation",
            "ErrorInsufficientResources",
            "ErrorNotEnoughMemory",
            "ErrorConnectionFailed",
            "ErrorTimeoutExpired",
            "ErrorBatchProcessingStopped",
            "ErrorProxyRequestProcessingFailed",
            "ErrorProxyCallFailed",
            "ErrorClientDisconnected",
        ],
        Seen::Exchange,
        "the server has trouble of its own, or moves the mailbox or its database at the moment",
        "nothing while it passes: it is tried again; if one item always fails so, the item is damaged on the server",
    ),
    of(
        &["ErrorInvalidSyncStateData"],
        Seen::Exchange,
        "the server does not accept the position of the last cycle any more",
        "nothing: the folder is compared as a whole, and only what differs is fetched",
    ),
    of(
        &["ErrorItemNotFound", "ErrorFolderNotFound", "ErrorSyncFolderNotFound", "ErrorParentFolderNotFound", "ErrorInvalidAttachmentId"],
        Seen::Exchange,
        "the item, folder or attachment went away while it was fetched",
        "nothing: the next cycle sees that it is gone",
    ),
    of(
        &[
            "ErrorItemCorrupt",
            "ErrorCorruptData",
            "ErrorContentConversionFailed",
            "ErrorMimeContentConversionFailed",
            "ErrorUnsupportedMimeConversion",
            "ErrorMimeContentInvalid",
            "ErrorMimeContentInvalidBase64String",
            "ErrorPropertyValidationFailure",
            "ErrorItemPropertyRequestFailed",
            "ErrorPropertyRequestFailed",
            "ErrorInvalidIdTooLong",
        ],
        Seen::Exchange,
        "the item is damaged on the server, or the server cannot convert it",
        "find it with `c2bctl job failures NAME`; open it in Outlook, repair the mailbox (New-MailboxRepairRequest), or acknowledge the failure",
    ),
    of(
        &["ErrorVirusDetected", "ErrorVirusMessageDeleted"],
        Seen::Exchange,
        "a virus scanner on the server keeps the item back",
        "let the scanner decide on the server, then acknowledge the failure with `c2bctl job failures NAME --acknowledge`",
    ),
    of(
        &[
            "ErrorAccessDenied",
            "ErrorImpersonateUserDenied",
            "ErrorImpersonationDenied",
            "ErrorImpersonationFailed",
            "ErrorUserNotAllowedByPolicy",
            "ErrorNotDelegate",
            "ErrorCreateItemAccessDenied",
            "ErrorAccessModeSpecified",
            "ErrorProxyRequestNotAllowed",
        ],
        Seen::Exchange,
        "the connection's account may not open this mailbox or folder",
        "give the account the role ApplicationImpersonation, or full access to the mailbox, and try with `c2bctl connection check NAME --mailbox ADDRESS`",
    ),
    of(
        &["ErrorAccountDisabled", "ErrorPasswordExpired", "ErrorPasswordChangeRequired"],
        Seen::Exchange,
        "the connection's account is disabled, or its password has expired",
        "set the account right on the server, then give the password with `c2bctl connection edit NAME --password-file FILE`",
    ),
    of(
        &[
            "ErrorNonExistentMailbox",
            "ErrorNonPrimarySmtpAddress",
            "ErrorInvalidSmtpAddress",
            "ErrorMailboxHoldNotFound",
            "ErrorInvalidUserPrincipalName",
            "ErrorMailRecipientNotFound",
            "ErrorNameResolutionNoMailbox",
            "ErrorNameResolutionNoResults",
        ],
        Seen::Exchange,
        "the server knows no mailbox of this address, or it is not its primary address",
        "check the address with `c2bctl mailbox list CONNECTION`, and give the job the primary one",
    ),
    of(
        &[
            "ErrorInvalidRequest",
            "ErrorSchemaValidation",
            "ErrorInvalidServerVersion",
            "ErrorIncorrectSchemaVersion",
            "ErrorInvalidOperation",
            "ErrorNotSupported",
            "ErrorOperationNotSupported",
            "ErrorUnsupportedOperation",
            "ErrorInvalidPropertyRequest",
            "ErrorUnsupportedPropertyDefinition",
            "ErrorUnsupportedPathForQuery",
            "ErrorArchiveMailboxNotEnabled",
        ],
        Seen::Exchange,
        "this server, or this mailbox, does not know what was asked for",
        "see with `c2bctl connection check NAME` what the server's version covers; c2b does without where it can",
    ),
    of(&["failure"], Seen::Alert, "a job's cycles fail", "see `c2bctl job show NAME`: it says since when and why"),
    of(&["warnings"], Seen::Alert, "a job's last cycle left some things out", "see `c2bctl job show NAME` and `c2bctl job failures NAME`"),
    of(
        &["silence"],
        Seen::Alert,
        "no cycle of a job has ended well for too long",
        "see `c2bctl job show NAME`: whether it runs, waits, or is not started any more",
    ),
    of(
        &["expiry"],
        Seen::Alert,
        "a certificate or an application's secret expires soon, or has expired",
        "renew it where it was made, and give the new one with `c2bctl connection edit NAME`",
    ),
    of(
        &["suspicious"],
        Seen::Alert,
        "a fifth of a mailbox or more was deleted or rewritten in one cycle, as by an attack",
        "look at the mailbox; every earlier state is in the storage (`c2bctl mount`); then `c2bctl storage retention thaw NAME`",
    ),
    of(
        &["configuration"],
        Seen::Alert,
        "a definition file cannot be understood, or lacks a part; what was in force before stays so",
        "`c2bctl config check` names file and line; then `systemctl reload c2bd`",
    ),
    of(&["test"], Seen::Alert, "somebody tried with `c2bctl alert test` whether alerts arrive", "nothing: it arrived, and no trouble is meant"),
];
