//! Words that must not be found: a search through every byte of a storage, whatever it is packed in.

use std::fs;
use std::io::Read;
use std::path::Path;

/// Looks for words in all files below a folder: as they are, in base64, and in anything that zstd packed.
/// Returns each finding as `file: word`.
pub(crate) fn find(dir: &Path, words: &[&str]) -> Vec<String> {
    let needles: Vec<(String, Vec<Vec<u8>>)> = words.iter().map(|word| ((*word).to_owned(), forms(word.as_bytes()))).collect();
    let mut found = Vec::new();
    visit(dir, &mut |path, bytes| {
        let mut texts = vec![bytes.to_vec()];
        if path.extension().is_some_and(|extension| extension == "log") {
            texts.push(joined(bytes));
        }
        let packed: Vec<Vec<u8>> = texts.iter().flat_map(|text| unpacked(text)).collect();
        texts.extend(packed);
        for (word, forms) in &needles {
            if forms.iter().any(|form| texts.iter().any(|text| memchr::memmem::find(text, form).is_some())) {
                found.push(format!("{}: {word}", path.strip_prefix(dir).unwrap().display()));
            }
        }
    });
    found
}

/// Returns a word as it may stand in a file: as it is, as UTF-16, and in base64 wherever it may begin in a group of three.
fn forms(word: &[u8]) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let mut forms = vec![word.to_vec(), word.iter().flat_map(|byte| [*byte, 0]).collect()];
    for before in 0..3 {
        let bytes = [&b"\0\0"[..before], word].concat();
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
        // The characters at the edges also hold bits of the neighbours.
        let (skip, keep) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        forms.push(encoded.as_bytes()[skip..keep].to_vec());
    }
    forms
}

/// Unpacks whatever begins like a zstd frame, as far as that goes.
fn unpacked(bytes: &[u8]) -> Vec<Vec<u8>> {
    let begins = memchr::memmem::find_iter(bytes, &[0x28, 0xb5, 0x2f, 0xfd]);
    begins
        .filter_map(|at| {
            let (mut decoder, mut out) = (zstd::stream::read::Decoder::new(&bytes[at..]).ok()?.single_frame(), Vec::new());
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = decoder.read(&mut buffer) {
                out.extend_from_slice(&buffer[..n]);
            }
            Some(out)
        })
        .collect()
}

/// Puts together what RocksDB's log of writes cuts at every 32 KiB: a header of seven bytes stands before each piece.
fn joined(log: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    for block in log.chunks(32 << 10) {
        let mut rest = block;
        while let Some((header, tail)) = rest.split_first_chunk::<7>() {
            let len = usize::from(u16::from_le_bytes([header[4], header[5]]));
            let Some((piece, after)) = tail.split_at_checked(len).filter(|_| header[6] != 0) else { break };
            whole.extend_from_slice(piece);
            rest = after;
        }
    }
    whole
}

fn visit(dir: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else {
            look(&path, &fs::read(&path).unwrap());
        }
    }
}

#[test]
fn words_are_found_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let text = format!("{} zanzibar {}", "a ".repeat(5000), "b ".repeat(5000));
    put("raw", text.as_bytes());
    put("packed", &[b"header".as_slice(), &zstd::bulk::compress(text.as_bytes(), 3).unwrap(), b"tail"].concat());
    for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
        use base64::Engine as _;
        put(name, base64::engine::general_purpose::STANDARD.encode(format!("{}zanzibar in a line", &"xyz"[..n])).as_bytes());
    }
    put("none", b"nothing");
    let mut found = find(dir.path(), &["zanzibar", "absent"]);
    found.sort();
    assert_eq!(found, ["one: zanzibar", "packed: zanzibar", "raw: zanzibar", "three: zanzibar", "two: zanzibar"]);
}
