//! Plain text out of bodies.

use super::Body;

/// Returns the body as plain text with `\n` line ends and without control characters.
pub(super) fn text_of(body: Option<&Body>) -> String {
    match body {
        Some(body) if body.html => clean(&text_of_html(&body.text)),
        Some(body) => clean(&body.text),
        None => String::new(),
    }
}

/// Returns the text with `\n` line ends and without control characters.
pub(super) fn clean(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    lines.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect::<String>().trim_end().to_owned()
}

/// Leaves the tags out, ends lines where blocks end, and resolves what HTML escapes most.
fn text_of_html(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        push_words(&mut text, &rest[..start]);
        let behind = &rest[start + 1..];
        let Some(end) = behind.find('>') else { break };
        let tag = behind[..end].to_ascii_lowercase();
        rest = &behind[end + 1..];
        let name = tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        if !tag.starts_with('/') && matches!(name, "head" | "style" | "script" | "title") {
            let closing = format!("</{name}");
            let lower = rest.to_ascii_lowercase();
            rest = lower.find(&closing).map_or("", |at| &rest[at..]);
        } else if name == "br" || (tag.starts_with('/') && matches!(name, "p" | "div" | "tr" | "li" | "h1" | "h2" | "h3")) {
            text.push('\n');
        }
    }
    if !rest.contains('<') {
        push_words(&mut text, rest);
    }
    text.trim().to_owned()
}

/// Adds text whose white space counts once.
fn push_words(text: &mut String, words: &str) {
    let words = words.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
    for c in words.chars() {
        if !c.is_whitespace() {
            text.push(c);
        } else if !text.ends_with(char::is_whitespace) {
            text.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_readable_text() {
        let html = "<html><head><style>p {x}</style></head><body><p>Dear  Bob,</p>\r\n<p>1 &lt; 2 &amp;&nbsp;3<br/>end</p></body></html>";
        assert_eq!(text_of(Some(&Body { html: true, text: html.to_owned() })), "Dear Bob,\n1 < 2 & 3\nend");
        assert_eq!(text_of(Some(&Body { html: true, text: "a <b".to_owned() })), "a");
    }
}
