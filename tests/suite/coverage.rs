//! Nothing of the list of losses is left out: not the docs, the references, the benches, the fuzzing, or the README.

use std::fs;
use std::path::Path;

use fused_loss::{AnyLoss, Domain, Elementwise, Entry, Loss};

use crate::support::reference::{Case, truth};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn list() -> impl Iterator<Item = Entry> {
    AnyLoss::<f32>::list()
}

/// The file of a loss, by its name.
fn file(entry: &Entry) -> String {
    read(&format!("src/loss/{}.rs", entry.name.replace('-', "_")))
}

#[test]
fn every_loss_has_a_doc_with_an_example() {
    for entry in list() {
        let file = file(&entry);
        let docs: Vec<_> = file.lines().take_while(|line| !line.starts_with("pub struct")).collect();
        let count = |start: &str| docs.iter().filter(|line| line.trim_end() == start).count();
        // A formula block, an example, and the ends of both.
        assert!(count("/// ```text") >= 1, "{}: no formula in its doc", entry.name);
        assert!(count("/// ```") >= 3, "{}: no example in its doc", entry.name);
        assert!(docs.iter().any(|line| line.contains("ULP")), "{}: no error bound in its doc", entry.name);
        assert!(docs.iter().any(|line| line.contains("NaN")), "{}: nothing on NaN in its doc", entry.name);
        let kernel = file.find("fn at<").expect("a kernel");
        assert!(
            file[..kernel].trim_end().ends_with("#[inline(always)]"),
            "{}: at is not inlined",
            entry.name
        );
    }
}

#[test]
fn every_file_of_a_loss_is_in_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/loss");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the losses")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().replace('_', "-"))
        .collect();
    let mut names: Vec<_> = list().map(|entry| format!("{}.rs", entry.name)).collect();
    files.sort();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn names_are_unique_and_both_precisions_agree() {
    let names: Vec<_> = list().map(|entry| entry.name).collect();
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{name} twice");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
    }
    for (single, double) in list().zip(AnyLoss::<f64>::list()) {
        assert_eq!((single.name, single.formula), (double.name, double.formula));
        assert_eq!(single.parameters, double.parameters);
        let file = file(&single);
        for parameter in single.parameters {
            let field = ["F", "bool", "Policy<F>"].map(|of| format!("pub {}: {of}", parameter.name));
            let part_of_policy = parameter.name == "eps";
            let found = part_of_policy || field.iter().any(|field| file.contains(field));
            assert!(found, "{}: no field", parameter.name);
            assert!(!parameter.meaning.is_empty(), "{}: no meaning", parameter.name);
        }
    }
}

#[test]
fn every_loss_has_a_reference() {
    for entry in list() {
        let found = truth(entry.name, |_| 1.0, f64::MIN_POSITIVE, 0.5, 0.25);
        assert!(found.is_some(), "{} has no reference in tests/suite/support/reference.rs", entry.name);
        let case = Case::<f64>::new(entry.name, &[]).expect("its defaults are right");
        let (loss, slope) = case.loss.at_one(0.5, 0.25);
        assert!(case.judge(0.5, 0.25)(loss, slope).passes(), "{}", entry.name);
        let domain = case.loss.target_domain();
        assert!(domain == Domain::All || domain.holds(0.25), "samples think of probabilities");
    }
}

/// Benches and the fuzz target go over the list itself, so that nothing has to be added to them.
#[test]
fn benches_and_fuzzing_iterate_the_list() {
    assert!(read("benches/losses.rs").contains("AnyLoss::<F>::list()"));
    assert!(read("fuzz/fuzz_targets/elementwise.rs").contains("AnyLoss::<F>::list()"));
    assert!(read("fuzz/fuzz_targets/elementwise.rs").contains("tests/suite/support/mod.rs"));
}

#[test]
fn every_loss_is_in_the_readme() {
    let readme = read("README.md");
    for entry in list() {
        // The type's name, of which the entry's is the kebab-case.
        let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
        let name: String = match entry.name {
            "bce" => "BinaryCrossEntropy".into(), // the one name that is short for its type's
            name => name.split('-').map(capital).collect(),
        };
        // A bar that does not end a table cell is escaped.
        let cells = [format!("`{name}`"), format!("`{}`", entry.formula)];
        let found = readme.lines().filter(|line| line.starts_with('|')).map(|line| line.replace("\\|", "|"));
        let found = found.filter(|line| cells.iter().all(|cell| line.contains(cell))).count();
        assert_eq!(found, 1, "README.md has no table line with {cells:?}");
    }
}
