//! Names and aliases of entities: TSV (`id name`, `id name alias ...`, or several lines an id), or the JSON object of
//! `entity2wikidata.json` (`{id: {"label", "alternatives"}}`), told apart by their first character. Gzip accepted.

use super::lines::{KbError, Line, Lines, MAX_FIELD_BYTES, Problems, file_name, open, unpack};
use super::{Added, KnowledgeBaseBuilder};
use serde::de::{Deserializer, MapAccess, Visitor};
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

/// What to do with names of entities that no fact read so far mentions. They can carry no label and no vector, and a
/// full dump of names is far larger than the facts one works with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NameScope {
    #[default]
    EntitiesWithFacts,
    All,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamesReport {
    pub file: Arc<str>,
    /// Lines, or entries of the JSON object.
    pub lines: u64,
    /// Names and aliases that were not known before.
    pub added: u64,
    pub duplicates: u64,
    /// Lines left out because no fact mentions their entity.
    pub without_facts: u64,
    pub problems: Problems,
}

/// A JSON file is not read beyond this many bytes: a parser cannot be bounded by lines.
const MAX_JSON_BYTES: u64 = 4 << 30;

/// Adds names; the first name an entity ever gets is its name, all others are aliases. Read the triples first.
pub fn read_names(
    path: &Path,
    scope: NameScope,
    builder: &mut KnowledgeBaseBuilder,
) -> Result<NamesReport, KbError> {
    read(file_name(path), &mut open(path)?, scope, builder)
}

/// As [`read_names`], from any reader; `file` is the name for messages.
pub fn read_names_from(
    file: &str,
    input: impl Read + 'static,
    scope: NameScope,
    builder: &mut KnowledgeBaseBuilder,
) -> Result<NamesReport, KbError> {
    let mut input = unpack(input).map_err(|source| KbError::Read {
        file: file.into(),
        line: 0,
        source,
    })?;
    read(file.into(), &mut input, scope, builder)
}

fn read(
    file: Arc<str>,
    input: &mut dyn BufRead,
    scope: NameScope,
    builder: &mut KnowledgeBaseBuilder,
) -> Result<NamesReport, KbError> {
    let start = input.fill_buf().map_err(|source| KbError::Read {
        file: file.clone(),
        line: 0,
        source,
    })?;
    let is_json = start.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let mut sink = Sink {
        scope,
        builder,
        report: NamesReport {
            file: file.clone(),
            lines: 0,
            added: 0,
            duplicates: 0,
            without_facts: 0,
            problems: Problems::default(),
        },
    };
    if is_json {
        sink.read_json(input)?;
    } else {
        sink.read_lines(input)?;
    }
    let report = sink.report;
    let used = report.added + report.duplicates + report.without_facts;
    match report.problems.kept.first() {
        Some(first) if used == 0 => Err(KbError::NothingUsable {
            file,
            lines: report.lines,
            first: first.clone(),
        }),
        _ => Ok(report),
    }
}

struct Sink<'a> {
    scope: NameScope,
    builder: &'a mut KnowledgeBaseBuilder,
    report: NamesReport,
}

impl Sink<'_> {
    fn read_lines(&mut self, input: &mut dyn BufRead) -> Result<(), KbError> {
        let file = self.report.file.clone();
        let mut lines = Lines::new(file.clone(), input);
        while let Some(line) = lines.next()? {
            self.report.lines += 1;
            let problem = match line {
                Line::Bad(why) => Err(why),
                Line::Text(text) => self.row(text),
            };
            if let Err(why) = problem {
                self.report.problems.push(&file, lines.number, why);
            }
        }
        Ok(())
    }

    fn row(&mut self, line: &str) -> Result<(), String> {
        let mut columns = line.split('\t').map(str::trim);
        let id = columns.next().filter(|id| !id.is_empty());
        let id = id.ok_or("expected an entity id in column 1, found nothing")?;
        let names: Vec<&str> = columns.filter(|n| !n.is_empty()).collect();
        if names.is_empty() {
            return Err("expected id, tab, name; found no name".to_owned());
        }
        self.names(id, &names)
    }

    fn names(&mut self, id: &str, names: &[&str]) -> Result<(), String> {
        if let Some(long) = names
            .iter()
            .chain([&id])
            .find(|n| n.len() > MAX_FIELD_BYTES)
        {
            let n = long.len();
            return Err(format!(
                "a name of {n} bytes; at most {MAX_FIELD_BYTES} are taken"
            ));
        }
        if self.scope == NameScope::EntitiesWithFacts && !self.builder.has_entity(id) {
            self.report.without_facts += 1;
            return Ok(());
        }
        for name in names {
            match self.builder.add_name(id, name) {
                Added::New => self.report.added += 1,
                Added::Duplicate => self.report.duplicates += 1,
            }
        }
        Ok(())
    }

    /// A syntax error ends the reading; what came before it stays, and the error is one of the problems.
    fn read_json(&mut self, input: &mut dyn BufRead) -> Result<(), KbError> {
        let file = self.report.file.clone();
        let mut parser = serde_json::Deserializer::from_reader(input.take(MAX_JSON_BYTES));
        let outcome = parser
            .deserialize_map(Entries(self))
            .and_then(|()| parser.end());
        match outcome {
            Ok(()) => Ok(()),
            Err(e) if e.is_io() => Err(KbError::Read {
                file,
                line: e.line() as u64,
                source: e.into(),
            }),
            Err(e) => {
                let hint = "JSON is read up to here; the rest of the file is left out";
                self.report
                    .problems
                    .push(&file, e.line() as u64, format!("{e}; {hint}"));
                Ok(())
            }
        }
    }

    fn entry(&mut self, id: &str, value: &serde_json::Value) -> Result<(), String> {
        if id.is_empty() {
            return Err("an entity id is empty".to_owned());
        }
        let text = |v: &serde_json::Value| {
            v.as_str()
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
        };
        let mut names: Vec<String> = Vec::new();
        match value {
            serde_json::Value::Object(fields) => {
                names.extend(fields.get("label").and_then(text));
                for key in ["alternatives", "aliases"] {
                    if let Some(serde_json::Value::Array(list)) = fields.get(key) {
                        names.extend(list.iter().filter_map(text));
                    }
                }
            }
            serde_json::Value::Array(list) => names.extend(list.iter().filter_map(text)),
            other => names.extend(text(other)),
        }
        if names.is_empty() {
            return Err(format!(
                "{id:?}: expected a \"label\" or \"alternatives\", found neither"
            ));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.names(id, &names)
    }
}

/// Takes the entries of a JSON object one at a time.
struct Entries<'a, 'b>(&'a mut Sink<'b>);

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of entity ids and their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, value)) = map.next_entry::<String, serde_json::Value>()? {
            self.0.report.lines += 1;
            if let Err(why) = self.0.entry(&id, &value) {
                let (file, entry) = (self.0.report.file.clone(), self.0.report.lines);
                self.0.report.problems.push(&file, entry, why);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn check(text: &str, scope: NameScope, expected: &[&str]) -> NamesReport {
        let mut builder = KnowledgeBaseBuilder::default();
        builder.add_fact("/m/1", "r", "/m/2");
        let report =
            read_names_from("n", Cursor::new(text.to_owned()), scope, &mut builder).unwrap();
        let (kb, _) = builder.build();
        let shown: Vec<String> = kb
            .entities()
            .map(|e| format!("{}={}|{}", kb.id(e), kb.name(e), kb.aliases(e).join("|")))
            .collect();
        assert_eq!(shown, expected);
        report
    }

    #[test]
    fn lines_give_a_name_and_aliases() {
        let text = "/m/1\tOne\tUno\n/m/1\tUn\n/m/2\n/m/1\tOne\n/m/9\tNine\n";
        let known = check(
            text,
            NameScope::EntitiesWithFacts,
            &["/m/1=One|Uno|Un", "/m/2=/m/2|"],
        );
        assert_eq!(
            (
                known.lines,
                known.added,
                known.duplicates,
                known.without_facts
            ),
            (5, 3, 1, 1)
        );
        assert_eq!(
            known.problems.kept[0].to_string(),
            "n:3: expected id, tab, name; found no name"
        );
        check(
            text,
            NameScope::All,
            &["/m/1=One|Uno|Un", "/m/2=/m/2|", "/m/9=Nine|"],
        );
    }

    #[test]
    fn a_json_object_is_told_by_its_first_character() {
        let text = r#" {"/m/1": {"label": "One", "alternatives": ["Uno", 3]}, "/m/2": {"wikidata_id": "Q2"}}"#;
        let report = check(
            text,
            NameScope::EntitiesWithFacts,
            &["/m/1=One|Uno", "/m/2=/m/2|"],
        );
        assert_eq!(
            (report.lines, report.added, report.problems.count),
            (2, 2, 1)
        );
        assert!(
            report.problems.kept[0]
                .to_string()
                .starts_with("n:2: \"/m/2\": expected")
        );
    }

    #[test]
    fn a_cut_json_file_keeps_what_came_before() {
        let text = "{\"/m/1\": {\"label\": \"One\"},\n\"/m/2\": {\"lab";
        let report = check(
            text,
            NameScope::EntitiesWithFacts,
            &["/m/1=One|", "/m/2=/m/2|"],
        );
        assert_eq!(report.problems.kept[0].line, 2);
        let mut builder = KnowledgeBaseBuilder::default();
        let error = read_names_from("n", Cursor::new("{oops"), NameScope::All, &mut builder);
        assert!(error.unwrap_err().to_string().contains("could be used"));
    }
}
