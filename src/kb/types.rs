//! Types of entities by name: `NAME<TAB>TYPE[:count][<TAB>TYPE[:count] ..]`, gzip accepted. Counts are not used.

use super::lines::{KbError, Line, Lines, MAX_FIELD_BYTES, Problems, file_name, open};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Types of each lower-cased name, and the lines that were left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TypesByName {
    pub types: BTreeMap<String, BTreeSet<String>>,
    pub problems: Problems,
}

/// Reads a file of types; several lines of one name add up.
pub fn read_types(path: &Path) -> Result<TypesByName, KbError> {
    let file = file_name(path);
    let mut input = open(path)?;
    let mut lines = Lines::new(file.clone(), &mut input);
    let mut found = TypesByName::default();
    while let Some(line) = lines.next()? {
        let row = match line {
            Line::Bad(why) => Err(why),
            Line::Text(text) => row(text),
        };
        match row {
            Ok((name, types)) => found.types.entry(name).or_default().extend(types),
            Err(why) => found.problems.push(&file, lines.number, why),
        }
    }
    match found.problems.kept.first() {
        _ if !found.types.is_empty() => Ok(found),
        None => Err(KbError::Empty { file }),
        Some(first) => Err(KbError::NothingUsable {
            file,
            lines: lines.number,
            first: first.clone(),
        }),
    }
}

fn row(line: &str) -> Result<(String, Vec<String>), String> {
    let mut columns = line.split('\t').map(str::trim);
    let name = columns.next().unwrap_or_default();
    let types: Vec<String> = columns
        .map(|column| match column.rsplit_once(':') {
            Some((name, count)) if count.parse::<u64>().is_ok() => name,
            _ => column,
        })
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if name.is_empty() || types.is_empty() {
        return Err("expected name, tab, type; found fewer".to_owned());
    }
    if let Some(long) = types.iter().find(|t| t.len() > MAX_FIELD_BYTES) {
        return Err(format!("a type of {} bytes", long.len()));
    }
    Ok((name.to_lowercase(), types))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TypesByName, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("types.tsv");
        std::fs::write(&file, text).unwrap();
        read_types(&file).map_err(|e| e.to_string())
    }

    #[test]
    fn types_add_up_by_lower_cased_name_and_bad_lines_are_counted() {
        let found = read("Blue Hill\tLOCATION:2\tORG\nnothing\nblue hill\t/a:b\n\tX\n").unwrap();
        let types: Vec<&String> = found.types["blue hill"].iter().collect();
        assert_eq!(types, ["/a:b", "LOCATION", "ORG"]);
        assert_eq!(found.problems.count, 2);
        assert!(read("a\nb\n").unwrap_err().contains("types.tsv"));
        assert!(read("").is_err());
    }
}
