//! All end-to-end tests, as one binary.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod all {
    mod access;
    mod associated;
    mod backup;
    mod bad_input;
    mod canary;
    mod contract;
    mod copy;
    mod counts;
    mod crash;
    mod damage;
    mod dead;
    mod erase;
    mod exit_codes;
    mod expiry;
    mod explained;
    mod fidelity;
    mod filters;
    mod finding;
    mod foreign;
    mod hostile;
    mod installed;
    mod ledger;
    mod letters;
    mod looks;
    mod manual;
    mod metrics;
    mod openapi;
    mod other_servers;
    mod parts;
    mod reader;
    mod real_mail;
    mod repair;
    mod retention;
    mod schedule;
    mod sealed;
    mod shells;
    mod socket;
    mod space;
    mod suspicious;
    mod systemd;
    mod tidy;
    mod trouble;
    mod watch;
}
