//! Every function over lanes bears `#[inline(always)]`: a call that stays a call is compiled without its register's
//! instructions, and costs up to 36 times the time, in silence.
//!
//! These tests read the source; what it comes to is measured by `cargo test -p fused-loss-cli --test registers`.

use std::fs;
use std::path::{Path, PathBuf};

const ALWAYS: &str = "#[inline(always)]";
/// The same but where size is what counts: those builds have no levels to choose from.
const BUT_FOR_SIZE: &str = "#[cfg_attr(not(called), inline(always))]";

/// What an `impl` or `trait` is of, if its methods are over lanes.
const OVER_LANES: [&str; 12] = [
    "Lanes",
    "Mask<",
    "Register for",
    "LaneSum<",
    "Logic",
    "impl $mask",
    "impl $register",
    "for $register",
    "for $mask",
    "for $type",
    "Pair<",
    "Scalar<",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with its text, but for the tests beside them.
fn all_sources() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    paths.retain(|path| {
        path.components().all(|part| part.as_os_str() != "tests" && part.as_os_str() != "tests.rs")
    });
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("UTF-8"))).collect()
}

/// The source without comments and the insides of strings, in which braces and words mean nothing.
fn code_only(source: &str) -> String {
    let mut code = String::new();
    for line in source.lines() {
        let (mut quoted, mut previous) = (false, ' ');
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            if quoted && character == '\\' {
                characters.next();
                continue;
            }
            if !quoted && character == '/' && characters.peek() == Some(&'/') {
                break;
            }
            // A quote between apostrophes is a character, not the start of a string.
            if character == '"' && previous != '\'' {
                quoted = !quoted;
            }
            if !quoted {
                code.push(character);
            }
            previous = character;
        }
        code.push('\n');
    }
    code
}

/// The name of the function that this header declares.
fn function_name(header: &str) -> Option<&str> {
    let mut words = header.split_whitespace();
    words.find(|&word| word == "fn")?;
    // `fn(u64) -> u64` is a type, and has no word of its own.
    words.next().map(|name| name.split(['(', '<']).next().unwrap_or(name))
}

/// What a scan of one file has found.
#[derive(Default)]
struct Scan {
    /// Functions over lanes.
    functions: usize,
    /// Those of them that lack the attribute.
    bare: Vec<String>,
}

fn scan(source: &str) -> Scan {
    let code = code_only(source);
    let mut found = Scan::default();
    // For each open brace, whether methods inside are over lanes, and whether all this is for tests only.
    let mut around = vec![(false, false)];
    let mut nested = 0_i32;
    let mut depths = vec![];
    let mut header_from = 0;
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if nested == 0 => header_from = at + 1,
            '{' => {
                let header = &code[header_from..at];
                let &(methods, for_tests) = around.last().expect("the file itself");
                let for_tests = for_tests || header.contains("#[cfg(test)]");
                let mut inside = false;
                if let Some(name) = function_name(header) {
                    // One that names its instructions is compiled with them, inlined or not.
                    let raw = header.contains("__m") && !header.contains("#[target_feature");
                    let generic = header.contains(": Lanes") || raw;
                    // The entries into a level's instructions are the one place where inlining ends.
                    let entry = header.contains("#[inline(never)]") && name == "$name";
                    if (methods || generic) && !for_tests && !entry {
                        found.functions += 1;
                        if !header.contains(ALWAYS) && !header.contains(BUT_FOR_SIZE) {
                            found.bare.push(name.to_string());
                        }
                    }
                } else if header
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == "impl" || word == "trait")
                {
                    inside = OVER_LANES.iter().any(|of| header.contains(of));
                }
                around.push((inside, for_tests));
                depths.push(std::mem::replace(&mut nested, 0));
                header_from = at + 1;
            }
            '}' => {
                around.pop();
                nested = depths.pop().expect("as many closed as open");
                header_from = at + 1;
            }
            _ => {}
        }
    }
    assert!(depths.is_empty(), "as many open as closed");
    found
}

#[test]
fn functions_over_lanes_are_always_inlined() {
    let mut functions = 0;
    for (path, source) in all_sources() {
        let found = scan(&source);
        assert!(found.bare.is_empty(), "{}: without {ALWAYS}: {:?}", path.display(), found.bare);
        functions += found.functions;
    }
    assert!(functions > 150, "the scan has found only {functions} functions over lanes");
}

/// The scan sees it when the attribute goes missing, wherever that is.
#[test]
fn the_scan_sees_each_missing_attribute() {
    let mut seen = 0;
    for (path, source) in all_sources() {
        let of_lanes = ["lanes", "math", "loss"].iter().any(|folder| path.iter().any(|part| part == *folder));
        for (at, _) in source.match_indices(ALWAYS) {
            let line = &source[source[..at].rfind('\n').map_or(0, |line| line + 1)..at];
            if line.contains("//") {
                continue;
            }
            let without = [&source[..at], &source[at + ALWAYS.len()..]].concat();
            let missed = scan(&without).bare.is_empty();
            let below: String = source[at + ALWAYS.len()..].lines().skip(1).take(1).collect();
            assert!(!missed || !of_lanes, "{}: not missed above{below}", path.display());
            seen += usize::from(!missed);
        }
    }
    assert!(seen > 150, "only {seen} attributes are seen");
}

#[test]
fn the_scan_knows_functions_from_other_things() {
    let bare = |source: &str| scan(source).bare;
    assert_eq!(bare("fn f<V: Lanes>(x: V) -> V { x }"), ["f"]);
    assert_eq!(bare("pub fn f<F: Float, V: Lanes<Elem = F>>(x: [V; 4]) -> V { x }"), ["f"]);
    assert_eq!(bare("#[cfg_attr(not(called), inline(always))] fn f<V: Lanes>(x: V) { }"), [""; 0]);
    assert_eq!(bare("#[cfg_attr(called, inline(always))] fn f<V: Lanes>(x: V) { }"), ["f"]);
    assert_eq!(bare("unsafe fn f(x: __m256) -> __m256 { x }"), ["f"]);
    assert_eq!(bare("#[target_feature(enable = \"avx2\")] fn f(x: __m256) { }"), [""; 0]);
    assert_eq!(bare("fn f<V>(x: V)\nwhere\n    V: Lanes,\n{}"), ["f"]);
    assert_eq!(bare("impl<V: Lanes> Sum<V> { #[inline] fn f(self) { } fn g(self) { } }"), ["f", "g"]);
    assert_eq!(bare("trait Lanes { fn f(self); fn g(self) { } }"), ["g"]);
    assert_eq!(bare("impl Lanes for X { #[inline(always)] fn f(self) { } }"), [""; 0]);
    assert_eq!(bare("// fn f<V: Lanes>() {\nfn g(x: fn(u64) -> u64) { }"), [""; 0]);
    assert_eq!(bare("#[cfg(test)] mod tests { fn f<V: Lanes>() { } }"), [""; 0]);
    assert_eq!(bare("macro_rules! m { () => {$( impl Add for $type { fn add(self) { } } )*}; }"), ["add"]);
}
