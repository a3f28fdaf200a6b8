//! Gives the program its name: mount(8) wants `mount.c2b`, which Cargo refuses as a crate's name.
//!
//! Cargo builds `mount-c2b`; a link `mount.c2b` is put beside it in the target folder.

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // PROFILE_DIR/build/PACKAGE-HASH/out
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let profile = out.ancestors().nth(3).ok_or("OUT_DIR is not below the profile's folder")?;
    match symlink("mount-c2b", profile.join("mount.c2b")) {
        Err(err) if err.kind() != ErrorKind::AlreadyExists => Err(err.into()),
        _ => Ok(()),
    }
}
