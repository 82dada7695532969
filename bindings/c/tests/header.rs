//! The header is what cbindgen makes of the source, and its functions are what the library has.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn the_header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The functions are made by macros: cbindgen reads what these expand to. The compiler prints that for its own
    // developers, so the switch for them is on here, and nowhere else.
    let room = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let expanded = Command::new(env::var("CARGO").unwrap_or("cargo".into()))
        .args(["rustc", "--quiet", "--lib", "--profile", "dev", "--target-dir"])
        .arg(room.join("expand"))
        .args(["--", "-Zunpretty=expanded"])
        .current_dir(root)
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .expect("cargo runs");
    assert!(expanded.status.success(), "{}", String::from_utf8_lossy(&expanded.stderr));
    let source = room.join("expanded.rs");
    fs::write(&source, &expanded.stdout).unwrap();

    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::Builder::new().with_config(config).with_src(&source).generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();

    let header = root.join("include/fused_loss.h");
    if env::var_os("FUSED_LOSS_UPDATE").is_some() {
        fs::write(&header, &made).unwrap();
    }
    let kept = fs::read_to_string(&header).unwrap_or_default();
    let differs = kept.lines().zip(made.lines()).position(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "include/fused_loss.h is not what cbindgen makes (line {:?}); FUSED_LOSS_UPDATE=1 cargo test writes it",
        differs.map(|line| line + 1)
    );
}
