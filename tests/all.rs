//! All end-to-end tests, as one binary.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod all {
    mod backup;
    mod bad_input;
    mod copy;
    mod counts;
    mod crash;
    mod damage;
    mod erase;
    mod finding;
    mod foreign;
    mod hostile;
    mod letters;
    mod reader;
    mod real_mail;
    mod repair;
    mod retention;
    mod sealed;
    mod space;
    mod systemd;
    mod tidy;
}
