//! All end-to-end tests, as one binary.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod all {
    mod backup;
    mod bad_input;
    mod crash;
    mod damage;
    mod foreign;
    mod hostile;
    mod reader;
    mod real_mail;
    mod systemd;
    mod tidy;
}
