//! Reading and writing XML; the only module that names `quick-xml`.
//!
//! Promises:
//! * Pull parsing in bounded memory: long texts are cut or streamed, long tags are refused, nesting is limited.
//! * Tolerance where servers need it: any namespace prefix, character references that XML forbids,
//!   bare ampersands and invalid UTF-8 become readable text (U+FFFD at worst) and never stop the reader.
//! * No panic and no endless loop, whatever the bytes.
//!
//! It does not validate, expand entities of a DOCTYPE, or resolve namespaces.

mod lossy;
mod reader;
mod splitter;
mod writer;

pub(crate) use reader::{Element, XmlError, XmlReader};
pub(crate) use splitter::{SplitError, Splitter};
pub(crate) use writer::XmlWriter;
