//! All end-to-end tests, as one binary.

mod all {
    mod backup;
    mod bad_input;
    mod crash;
    mod damage;
    mod foreign;
    mod hostile;
    mod real_mail;
    mod systemd;
    mod tidy;
}
