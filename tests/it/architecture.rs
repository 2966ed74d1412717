//! Imports point down only: each folder of `src` may use the folders that the table allows, and no library it should not know.

use std::fs;
use std::path::{Path, PathBuf};

/// (folder, folders it may import besides itself).
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("corpus", &["domain"]),
    ("kb", &["domain"]),
    ("model", &["domain"]),
    ("analysis", &["domain"]),
    ("export", &["domain"]),
    ("store", &["domain"]),
    ("index", &["corpus", "domain"]),
    ("train", &["model", "kb", "corpus", "domain"]),
    ("jobs", &[]),
    ("config", &[]),
    (
        "workspace",
        &[
            "domain", "corpus", "kb", "index", "model", "train", "analysis", "store", "export",
            "jobs", "config",
        ],
    ),
    (
        "tui",
        &["workspace", "analysis", "domain", "jobs", "config"],
    ),
    ("cli", &["workspace", "tui", "config"]),
];

/// (folder, libraries it must not name).
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "serde",
            "candle_core",
            "candle_nn",
            "ratatui",
            "rusqlite",
            "tantivy",
            "std::fs",
            "std::io",
        ],
    ),
    ("tui", &["candle_core", "candle_nn", "tantivy", "rusqlite"]),
    (
        "analysis",
        &["candle_core", "rusqlite", "tantivy", "std::fs"],
    ),
];

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Every identifier that follows `crate::` in a line, also inside `use crate::{a::b, c}`.
fn crate_folders(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split(", ").collect(),
            None => vec![rest],
        };
        for name in names {
            let word: String = name
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            found.push(word);
        }
    }
    found
}

/// Tests may read golden files and write temporary ones.
fn is_test(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with("tests.rs") || file.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn folders_import_only_what_the_table_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut offences = Vec::new();
    let mut n_files = 0;
    for (folder, allowed) in ALLOWED {
        let mut files = Vec::new();
        rust_files(&src.join(folder), &mut files);
        n_files += files.len();
        let forbidden = FORBIDDEN
            .iter()
            .find(|(f, _)| f == folder)
            .map_or(&[][..], |(_, l)| *l);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for (i, line) in text
                .lines()
                .enumerate()
                .filter(|(_, l)| !l.trim_start().starts_with("//"))
            {
                let place = || {
                    format!(
                        "{}:{}: {}",
                        file.strip_prefix(&src).unwrap().display(),
                        i + 1,
                        line.trim()
                    )
                };
                for target in crate_folders(line) {
                    let known = ALLOWED.iter().any(|(f, _)| *f == target);
                    if known && target != *folder && !allowed.contains(&target.as_str()) {
                        offences.push(place());
                    }
                }
                if !is_test(&file)
                    && forbidden
                        .iter()
                        .any(|lib| line.contains(&format!("{lib}::")))
                {
                    offences.push(place());
                }
            }
        }
    }
    assert!(
        n_files >= ALLOWED.len(),
        "the table and the tree have parted"
    );
    assert!(
        offences.is_empty(),
        "imports that point up:\n{}",
        offences.join("\n")
    );
}

#[test]
fn every_folder_is_in_the_table() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src)
        .unwrap()
        .map(Result::unwrap)
        .filter(|e| e.path().is_dir())
    {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            ALLOWED.iter().any(|(f, _)| *f == name),
            "src/{name} is missing from the import table"
        );
    }
}

#[test]
fn the_scanner_sees_braced_and_plain_imports() {
    assert_eq!(
        crate_folders("use crate::{domain::Split, store};"),
        ["domain", "store"]
    );
    assert_eq!(
        crate_folders("let x = crate::index::Query::parse(s);"),
        ["index"]
    );
}
