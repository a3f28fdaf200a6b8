//! Runs what fuzzing runs over the seeds that are kept.

use super::*;
use crate::format::pack::FrameKind;
use crate::format::time_of;
use crate::pack::frame::decode_frame;
use crate::pack::reader::PackReader;
use crate::seal::fuzzing::{Files, MACHINE, STORAGE};
use crate::seal::{KeyFile, Keys, NewKeys};
use crate::store::DirStore;
use crate::{ProbeKind, Sealing, Unlock, Writer, probe};
use c2b_mailbox::{Address, ChangeKey, Content, Fidelity, Folder, FolderId, Format, Item, ItemId, ItemMeta, Readable};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// The name of a folder of seeds, and what runs over it.
type Target<'a> = (&'a str, &'a dyn Fn(&[u8]));

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A storage with one block that recipes may refer to; as `fuzz/fuzz_targets/recipe.rs` makes it.
fn archive() -> (TempDir, Writer, MailboxKey) {
    let place = tempfile::tempdir().unwrap();
    let now = time_of(1_700_000_000_000_000);
    let (mut writer, _) = Writer::create(&place.path().join("storage"), now, Sealing::None).unwrap();
    let mailbox = writer.mailbox(&Address::parse("a@example.org").unwrap()).unwrap();
    let folder = Folder { id: FolderId::new("F"), parent: None, name: "F".to_owned(), class: "IPF.Note".to_owned(), role: None };
    let folder = writer.put_folder(mailbox, &folder).unwrap();
    let bytes: Vec<u8> = (0..8192u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
    let mut meta = ItemMeta::new(ItemId::new("I"), "IPM.Note");
    meta.change_key = Some(ChangeKey::new("1"));
    let readable = Some(Readable { format: Format::Txt, rendered: false, content: Content::from_bytes(&bytes).unwrap() });
    writer.put_item(mailbox, folder, Item { meta, readable, export: None, fidelity: Fidelity::Mime }).unwrap();
    writer.commit(now).unwrap();
    (place, writer, mailbox)
}

#[test]
fn seeds_break_no_promise() {
    let (_place, writer, mailbox) = archive();
    let contents = writer.contents();
    let recipe = |input: &[u8]| recipe(&contents, mailbox, input);
    let targets: [Target<'_>; 7] =
        [("pack", &pack), ("records", &records), ("recipe", &recipe), ("cut", &cut), ("keys", &keys), ("quoted", &quoted), ("base64", &base64)];
    let mut folders: Vec<_> = fs::read_dir(root().join("fuzz/seeds")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let mut names = targets.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(folders, names, "a folder of seeds that nothing runs, or a target without seeds");
    for (name, target) in targets {
        for entry in fs::read_dir(root().join("fuzz/seeds").join(name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            target(&seed);
            // A step in each direction: cut off, and with another mode.
            target(&seed[..seed.len() / 2]);
            for mode in 0..16 {
                target(&[&[mode], seed.get(1..).unwrap_or_default()].concat());
            }
        }
    }
}

/// Writes the seeds anew, from the example archive and made-up mails.
#[test]
#[ignore = "writes into the repository: for a new format version"]
fn make_seeds() {
    let mut seeds: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let with = |mode: u8, bytes: &[u8]| [&[mode], bytes].concat();
    for version in ["v2", "v2-sealed"] {
        let dir = root().join("tests/data/archive").join(version);
        let store = DirStore::new(&dir);
        let ProbeKind::Storage(info) = probe(&dir).unwrap().kind else { unreachable!("an example is a storage") };
        let keys = Keys::unsealed(info.uuid);
        for entry in crate::store::Store::list(&store, "packs/").unwrap() {
            let bytes = fs::read(dir.join(&entry.name)).unwrap();
            if bytes.len() < 4000 {
                seeds.entry("pack").or_default().extend([with(0, &bytes), with(3, &bytes), with(15, &[&bytes[..], &bytes].concat())]);
            }
            if info.sealed {
                continue;
            }
            let mut reader = PackReader::open(&store, &entry.name, entry.bytes, info.uuid).unwrap();
            for frame in reader.frames().to_vec().iter().filter(|frame| frame.header.kind == FrameKind::Records) {
                let stored = reader.raw(frame).unwrap().unwrap();
                let raw = decode_frame(&frame.header, stored, &keys, None, None).unwrap();
                seeds.entry("records").or_default().push(raw.clone());
                for record in decode_records(&raw).unwrap().into_iter().flatten() {
                    if let Record::Recipe(recipe) = record {
                        seeds.entry("recipe").or_default().push(with(1, &minicbor::to_vec(&recipe).unwrap()));
                    }
                }
            }
        }
    }
    let noise: Vec<u8> = (0..3000u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
    let base64 = ::base64::Engine::encode(&::base64::engine::general_purpose::STANDARD, &noise);
    let lines =
        |line: usize, newline: &str| base64.as_bytes().chunks(line).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join(newline);
    let quoted = "caf=C3=A9 =\r\nau lait=20\r\n=3D b\r\n".repeat(40);
    let part = |coding: &str, body: &str| format!("--b\r\nContent-Transfer-Encoding: {coding}\r\nContent-Type: text/plain\r\n\r\n{body}\r\n");
    let inner = format!("Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\n{}\r\n--c--\r\n", "text ".repeat(150));
    let attached = format!("--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}");
    let parts = [part("quoted-printable", &quoted), part("base64", &lines(76, "\r\n")), attached, part("8bit", &"Gr\u{fc}\u{df}e\r\n".repeat(90))].concat();
    let message = format!("Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\n\r\npreamble\r\n{parts}--b--\r\nepilogue\r\n");
    let value =
        [&0x3701_0102u32.to_le_bytes()[..], &3000u32.to_le_bytes(), &noise, &0x1000_001fu32.to_le_bytes(), &600u32.to_le_bytes(), &noise[..600]].concat();
    let stream: Vec<u8> =
        value.chunks(700).flat_map(|piece| [&2u32.to_le_bytes()[..], &u32::try_from(piece.len()).unwrap().to_le_bytes(), piece].concat()).collect();
    seeds.insert("cut", vec![with(0, message.as_bytes()), with(1, &stream), with(2, &noise)]);
    seeds.insert("quoted", vec![quoted.clone().into_bytes(), quoted.replace("\r\n", "\n").to_lowercase().into_bytes(), noise.clone()]);
    let unpadded = base64.trim_end_matches('=').to_owned();
    seeds.insert(
        "base64",
        [lines(76, "\r\n"), lines(57, " \n"), lines(64, "\n"), unpadded, "QUJDREVG\nQUJD\nQUI=\n-- \nfooter".to_owned()].map(String::into_bytes).to_vec(),
    );
    let (files, machine, now) = (Files::default(), Zeroizing::new(MACHINE), time_of(1_700_000_000_000_000));
    let params = crate::Argon2Params { memory_kib: 8, passes: 1, lanes: 1 };
    let password = Zeroizing::new("one".to_owned());
    let new = NewKeys { password: Some(("first", &password, params)), machine: Some(("host", &machine)) };
    let (mut file, keys, _) = KeyFile::create(STORAGE, &new, now).unwrap();
    keys.ensure_mailbox(1);
    keys.ensure_mailbox(2);
    file.save(&files).unwrap();
    let first = files.0.borrow()["keys/a"].clone();
    file.rotate(&files, &Unlock::Password(password), Some(&machine), now).unwrap();
    keys.destroy_mailbox(2, now);
    file.save(&files).unwrap();
    let second = files.0.borrow()["keys/a"].clone();
    seeds.insert("keys", vec![with(0, &first), with(7, &first), with(2, &second), with(5, &second)]);
    for (name, seeds) in seeds {
        let dir: PathBuf = root().join("fuzz/seeds").join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        for seed in seeds {
            fs::write(dir.join(&blake3::hash(&seed).to_hex()[..16]), seed).unwrap();
        }
    }
}
