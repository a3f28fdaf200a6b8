//! `c2bctl explain CODE`: what a code means, why it comes up, and what to do; needs no daemon.

pub(crate) mod codes;

use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::output::{Output, Paint};
use crate::table::Table;
use clap::Args;
use codes::{ALL, Explanation};
use serde::Serialize;

const EXAMPLES: &str = "\
Codes are in the lists of failures and problems, in errors with --json, and in logs. Those that begin with
Error are Exchange's own. Capital letters do not count. Without a code, all are listed.

Examples:
  c2bctl explain
  c2bctl explain sign-in
  c2bctl explain ErrorItemCorrupt
  c2bctl --json job failures nightly | jq -r '.[].code' | sort -u | xargs -n 1 c2bctl explain";

/// How far apart a code may be from the one that is meant: a typing mistake, and one more in eight letters.
const LETTERS_PER_MISTAKE: usize = 8;

/// Explain a code: its cause, and what to do
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The code
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

#[derive(Serialize)]
struct Explained<'a> {
    code: &'a str,
    seen: &'a str,
    cause: &'a str,
    remedy: &'a str,
}

/// Does what the arguments say.
pub(crate) fn run(args: &ExplainArgs, output: &Output) -> Result<Exit, Error> {
    let Some(code) = &args.code else { return list(output) };
    let (code, found) = look_up(code.trim()).ok_or_else(|| unknown(code))?;
    if output.is_json() {
        output.value(&explained(&code, found))?;
    }
    let mut facts = Facts::default();
    facts.add("seen", found.seen.words());
    facts.add("cause", found.cause);
    facts.add("what to do", found.remedy);
    output.line(&output.paint(Paint::Strong, &code))?;
    facts.show(output)?;
    Ok(Exit::OK)
}

fn list(output: &Output) -> Result<Exit, Error> {
    let each = || ALL.iter().flat_map(|explanation| explanation.codes.iter().map(move |code| (*code, explanation)));
    if output.is_json() {
        output.value(&each().map(|(code, explanation)| explained(code, explanation)).collect::<Vec<_>>())?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["CODE", "SEEN", "CAUSE"]);
    for (code, explanation) in each() {
        table.row(vec![code.into(), explanation.seen.words().into(), explanation.cause.into()]);
    }
    output.table(&table)?;
    Ok(Exit::OK)
}

fn explained<'a>(code: &'a str, found: &'a Explanation) -> Explained<'a> {
    Explained { code, seen: found.seen.words(), cause: found.cause, remedy: found.remedy }
}

/// Returns a code as it is spelt, and its explanation.
fn look_up(code: &str) -> Option<(String, &'static Explanation)> {
    let of = |code: &str| ALL.iter().find_map(|found| Some((found.codes.iter().find(|known| known.eq_ignore_ascii_case(code))?, found)));
    if let Some((spelt, found)) = of(code) {
        return Some(((*spelt).to_owned(), found));
    }
    // Servers have more words than anybody can list.
    let digits = code.get(..5).filter(|http| http.eq_ignore_ascii_case("HTTP ")).and_then(|_| code.get(5..));
    if let Some(status) = digits.and_then(|digits| digits.parse::<u16>().ok()) {
        return Some((format!("HTTP {status}"), codes::http(status)));
    }
    let is_exchange = code.len() > 5 && code.starts_with("Error") && code.chars().all(|letter| letter.is_ascii_alphanumeric()) && nearest(code).is_none();
    is_exchange.then(|| (code.to_owned(), &codes::OTHER_OF_EXCHANGE))
}

fn nearest(code: &str) -> Option<&'static str> {
    let code = code.to_lowercase();
    let known = ALL.iter().flat_map(|explanation| explanation.codes.iter().copied());
    let mistakes = known.map(|known| (strsim::osa_distance(&code, &known.to_lowercase()), known));
    mistakes.min_by_key(|(mistakes, _)| *mistakes).filter(|(mistakes, _)| *mistakes <= 1 + code.chars().count() / LETTERS_PER_MISTAKE).map(|(_, known)| known)
}

fn unknown(code: &str) -> Error {
    let hint = nearest(code).map_or_else(|| "`c2bctl explain` lists all".to_owned(), |near| format!("did you mean `{near}`? `c2bctl explain` lists all"));
    Error::usage(format!("there is no code {code:?}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_code_is_found_however_it_is_spelt() {
        assert_eq!(look_up("SIGN-IN").unwrap().0, "sign-in");
        assert_eq!(look_up("erroritemcorrupt").unwrap().0, "ErrorItemCorrupt");
        assert_eq!(look_up("http 503").unwrap().0, "HTTP 503");
        assert_eq!(look_up("ErrorThatNobodyHasSeenYet").unwrap().1.cause, codes::OTHER_OF_EXCHANGE.cause);
        assert!(look_up("ErrorItemCorupt").is_none() && look_up("sing-in").is_none() && look_up("").is_none());
        assert_eq!(nearest("ErrorItemCorupt"), Some("ErrorItemCorrupt"));
    }

    #[test]
    fn each_code_is_explained_once_and_says_what_to_do() {
        let all: Vec<&str> = ALL.iter().flat_map(|explanation| explanation.codes.iter().copied()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for explanation in ALL {
            assert!(explanation.cause.len() > 15 && explanation.remedy.len() > 15 && !explanation.remedy.ends_with('.'), "{:?}", explanation.codes);
        }
    }

    #[test]
    fn every_code_of_the_socket_is_explained() {
        for code in c2b_api::ErrorCode::ALL {
            assert!(look_up(code.word()).is_some(), "{}", code.word());
        }
    }
}
