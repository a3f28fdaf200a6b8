//! Writes a request: elements with the fixed prefixes `s`, `m` and `t`, everything escaped.

use crate::body::{Body, SharedContent};
use quick_xml::escape::escape;

/// A document in the making.
#[derive(Default)]
pub(crate) struct XmlWriter {
    text: String,
    /// What came before a content, with it.
    body: Body,
}

impl XmlWriter {
    /// Starts a document with its declaration.
    pub(crate) fn document() -> Self {
        Self { text: "<?xml version=\"1.0\" encoding=\"utf-8\"?>".to_owned(), body: Body::default() }
    }

    /// Writes an element that holds what `inside` writes.
    pub(crate) fn element(&mut self, name: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Self)) {
        self.tag(name, attributes, ">");
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Writes an empty element.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, "/>");
    }

    /// Writes an element that holds a text.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.tag(name, &[], ">");
        self.text.push_str(&escape(legal(text).as_str()));
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Writes an element that holds a content as base64.
    pub(crate) fn base64(&mut self, name: &str, content: SharedContent) {
        self.element(name, &[], |xml| {
            xml.body.push_text(std::mem::take(&mut xml.text));
            xml.body.push_base64(content);
        });
    }

    /// Returns the document.
    pub(crate) fn finish(mut self) -> Body {
        self.body.push_text(self.text);
        self.body
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) {
        self.text.push('<');
        self.text.push_str(name);
        for (key, value) in attributes {
            self.text.push(' ');
            self.text.push_str(key);
            self.text.push_str("=\"");
            self.text.push_str(&escape(legal(value).as_str()));
            self.text.push('"');
        }
        self.text.push_str(end);
    }
}

/// Leaves out what no XML document may hold.
fn legal(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_are_escaped() {
        let mut xml = XmlWriter::default();
        xml.element("a", &[("k", "<\"&\u{b}'>")], |xml| {
            xml.text("b", "1 < 2 & 3\u{0}");
            xml.empty("c", &[]);
        });
        assert_eq!(xml.finish().as_text().unwrap(), "<a k=\"&lt;&quot;&amp;&apos;&gt;\"><b>1 &lt; 2 &amp; 3</b><c/></a>");
    }
}
