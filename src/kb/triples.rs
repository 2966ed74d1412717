//! Facts as tab-separated columns, in either order: `head relation tail` (FB15k-237, UMLS) or `relation head tail`
//! (nations, kinship). The order is told, or found from the values.

use super::lines::{KbError, Line, Lines, MAX_FIELD_BYTES, Problems, file_name, open, unpack};
use super::{Added, KnowledgeBaseBuilder};
use std::collections::HashSet;
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

/// What the caller knows of the columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ColumnOrder {
    #[default]
    Auto,
    Told(Columns),
}

impl ColumnOrder {
    /// `auto`, `hrt` or `rht`: what a person types.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(ColumnOrder::Auto),
            "hrt" => Some(ColumnOrder::Told(Columns::HeadRelationTail)),
            "rht" => Some(ColumnOrder::Told(Columns::RelationHeadTail)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Columns {
    HeadRelationTail,
    RelationHeadTail,
}

impl Columns {
    pub fn name(self) -> &'static str {
        match self {
            Columns::HeadRelationTail => "head relation tail",
            Columns::RelationHeadTail => "relation head tail",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Confidence {
    /// The values do not tell; the commoner order was taken.
    Guess,
    Likely,
    Sure,
    /// By the caller or by a header line.
    Told,
}

/// How the columns were read and why; `reason` is one clause for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderDecision {
    pub columns: Columns,
    pub confidence: Confidence,
    pub reason: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TriplesReport {
    pub file: Arc<str>,
    pub order: OrderDecision,
    /// Non-empty lines, a header included.
    pub lines: u64,
    /// Facts that were not in the base before.
    pub added: u64,
    /// Facts that were.
    pub duplicates: u64,
    pub problems: Problems,
}

/// Lines kept back to find the column order, and the bytes they may take.
const SAMPLE_LINES: usize = 10_000;
const SAMPLE_BYTES: usize = 16 << 20;

/// Adds the facts of a TSV file, gzip or not. A bad line is a problem with its number, not a failure; a file that ends
/// within its gzip stream, or has no usable line, is.
pub fn read_triples(
    path: &Path,
    order: ColumnOrder,
    builder: &mut KnowledgeBaseBuilder,
) -> Result<TriplesReport, KbError> {
    read(file_name(path), &mut open(path)?, order, builder)
}

/// As [`read_triples`], from any reader; `file` is the name for messages.
pub fn read_triples_from(
    file: &str,
    input: impl Read + 'static,
    order: ColumnOrder,
    builder: &mut KnowledgeBaseBuilder,
) -> Result<TriplesReport, KbError> {
    let mut input = unpack(input).map_err(|source| KbError::Read {
        file: file.into(),
        line: 0,
        source,
    })?;
    read(file.into(), &mut input, order, builder)
}

fn read(
    file: Arc<str>,
    input: &mut dyn BufRead,
    order: ColumnOrder,
    builder: &mut KnowledgeBaseBuilder,
) -> Result<TriplesReport, KbError> {
    let mut lines = Lines::new(file.clone(), input);
    let mut report = TriplesReport {
        file: file.clone(),
        order: match order {
            ColumnOrder::Told(columns) => told(columns, "as told"),
            ColumnOrder::Auto => told(Columns::HeadRelationTail, ""),
        },
        lines: 0,
        added: 0,
        duplicates: 0,
        problems: Problems::default(),
    };
    let mut sample = Some(Vec::new()).filter(|_| order == ColumnOrder::Auto);
    let mut sample_bytes = 0;
    while let Some(line) = lines.next()? {
        report.lines += 1;
        let columns = match line {
            Line::Text(text) => three_columns(text),
            Line::Bad(why) => Err(why),
        };
        let columns = match columns {
            Ok(columns) => columns,
            Err(why) => {
                report.problems.push(&file, lines.number, why);
                continue;
            }
        };
        if report.lines == 1
            && let Some(order) = header(columns)
        {
            if sample.take().is_some() {
                report.order = told(order, "the header line says so");
            }
            continue;
        }
        let Some(kept) = &mut sample else {
            add(columns, builder, &mut report);
            continue;
        };
        sample_bytes += columns.iter().map(|c| c.len()).sum::<usize>();
        kept.push(columns.map(str::to_owned));
        if kept.len() == SAMPLE_LINES || sample_bytes > SAMPLE_BYTES {
            drain(&mut sample, builder, &mut report);
        }
    }
    drain(&mut sample, builder, &mut report);
    if report.added + report.duplicates == 0 {
        return Err(match report.problems.kept.first() {
            Some(first) => KbError::NothingUsable {
                file,
                lines: report.lines,
                first: first.clone(),
            },
            None => KbError::Empty { file },
        });
    }
    Ok(report)
}

fn told(columns: Columns, reason: &str) -> OrderDecision {
    OrderDecision {
        columns,
        confidence: Confidence::Told,
        reason: reason.to_owned(),
    }
}

/// Decides the order from the lines kept back, and adds them.
fn drain(
    sample: &mut Option<Vec<[String; 3]>>,
    builder: &mut KnowledgeBaseBuilder,
    report: &mut TriplesReport,
) {
    if let Some(kept) = sample.take() {
        report.order = decide(&kept);
        for row in &kept {
            add([&row[0], &row[1], &row[2]], builder, report);
        }
    }
}

fn add(columns: [&str; 3], builder: &mut KnowledgeBaseBuilder, report: &mut TriplesReport) {
    let [a, b, tail] = columns;
    let (head, relation) = match report.order.columns {
        Columns::HeadRelationTail => (a, b),
        Columns::RelationHeadTail => (b, a),
    };
    match builder.add_fact(head, relation, tail) {
        Added::New => report.added += 1,
        Added::Duplicate => report.duplicates += 1,
    }
}

fn three_columns(line: &str) -> Result<[&str; 3], String> {
    let columns: Vec<&str> = line
        .trim_end_matches('\t')
        .split('\t')
        .map(str::trim)
        .collect();
    let &[a, b, c] = columns.as_slice() else {
        let hint = if columns.len() == 1 && line.split_whitespace().count() >= 3 {
            "; columns must be separated by tabs, not spaces"
        } else {
            ""
        };
        return Err(format!(
            "expected 3 tab-separated columns, found {}{hint}",
            columns.len()
        ));
    };
    match [a, b, c]
        .iter()
        .enumerate()
        .find(|(_, s)| s.is_empty() || s.len() > MAX_FIELD_BYTES)
    {
        Some((i, &"")) => Err(format!("column {} is empty", i + 1)),
        Some((i, _)) => Err(format!(
            "column {} has more than {MAX_FIELD_BYTES} bytes",
            i + 1
        )),
        None => Ok([a, b, c]),
    }
}

/// The order that a header line names, if the line is one.
fn header(columns: [&str; 3]) -> Option<Columns> {
    let lower = columns.map(str::to_lowercase);
    let kind = |s: &str| match s {
        "head" | "h" | "subject" | "s" | "subj" => Some('h'),
        "relation" | "r" | "predicate" | "p" | "rel" => Some('r'),
        "tail" | "t" | "object" | "o" | "obj" => Some('t'),
        _ => None,
    };
    match [kind(&lower[0])?, kind(&lower[1])?, kind(&lower[2])?] {
        ['h', 'r', 't'] => Some(Columns::HeadRelationTail),
        ['r', 'h', 't'] => Some(Columns::RelationHeadTail),
        _ => None,
    }
}

/// Two signs. Heads and tails come from one set of entities, so the column that shares values with the third is the
/// head (this alone is right for `nations`, which has fewer entities than relations). Where they share none (people to
/// places), the relation is the column with far fewer distinct values.
fn decide(rows: &[[String; 3]]) -> OrderDecision {
    let distinct = |i: usize| rows.iter().map(|r| r[i].as_str()).collect::<HashSet<_>>();
    let [first, second, third] = [distinct(0), distinct(1), distinct(2)];
    let shared = |a: &HashSet<&str>| {
        let n = a.intersection(&third).count();
        n as f64 / a.len().min(third.len()).max(1) as f64
    };
    let (with_first, with_second) = (shared(&first), shared(&second));
    let percent = |x: f64| format!("{:.0} %", 100.0 * x);
    let (columns, confidence, reason);
    if (with_first - with_second).abs() >= 0.1 {
        columns = if with_first > with_second {
            Columns::HeadRelationTail
        } else {
            Columns::RelationHeadTail
        };
        let clear = with_first.max(with_second) >= 0.3 && with_first.min(with_second) <= 0.05;
        confidence = if clear {
            Confidence::Sure
        } else {
            Confidence::Likely
        };
        reason = format!(
            "column 3 shares {} of its values with column 1 and {} with column 2, in the first {} lines",
            percent(with_first),
            percent(with_second),
            rows.len()
        );
    } else {
        let (n_first, n_second) = (first.len(), second.len());
        columns = if n_first * 2 <= n_second {
            Columns::RelationHeadTail
        } else {
            Columns::HeadRelationTail
        };
        let clear = n_first.max(n_second) >= 2 * n_first.min(n_second);
        confidence = if clear {
            Confidence::Likely
        } else {
            Confidence::Guess
        };
        reason = format!(
            "column 1 has {n_first} distinct values and column 2 has {n_second}, in the first {} lines",
            rows.len()
        );
    }
    OrderDecision {
        columns,
        confidence,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read_text(
        text: impl Into<String>,
        order: ColumnOrder,
    ) -> Result<(TriplesReport, KnowledgeBaseBuilder), KbError> {
        let mut builder = KnowledgeBaseBuilder::default();
        let report = read_triples_from("t.tsv", Cursor::new(text.into()), order, &mut builder)?;
        Ok((report, builder))
    }

    #[test]
    fn the_column_order_is_found_from_the_values() {
        let check = |text: String, columns, confidence| {
            let (report, builder) = read_text(text, ColumnOrder::Auto).unwrap();
            let order = &report.order;
            assert_eq!(
                (order.columns, order.confidence),
                (columns, confidence),
                "{order:?}"
            );
            let (kb, _) = builder.build();
            assert!(
                kb.relations().iter().all(|r| r.starts_with('r')),
                "{:?}",
                kb.relations()
            );
        };
        use Columns::*;
        let many = |f: &dyn Fn(usize) -> String| (0..60).map(f).collect::<String>();
        let graph = |i: usize| {
            (
                format!("e{}", i % 17),
                format!("r{}", i % 5),
                format!("e{}", i * 7 % 17),
            )
        };
        check(
            many(&|i| {
                let (h, r, t) = graph(i);
                format!("{h}\t{r}\t{t}\n")
            }),
            HeadRelationTail,
            Confidence::Sure,
        );
        check(
            many(&|i| {
                let (h, r, t) = graph(i);
                format!("{r}\t{h}\t{t}\n")
            }),
            RelationHeadTail,
            Confidence::Sure,
        );
        // More relations than entities, as in `nations`.
        check(
            many(&|i| format!("r{i}\te{}\te{}\n", i % 5, i % 4)),
            RelationHeadTail,
            Confidence::Sure,
        );
        // People to places: nothing shared.
        check(
            many(&|i| format!("p{i}\tr{}\tc{}\n", i % 3, i % 9)),
            HeadRelationTail,
            Confidence::Likely,
        );
        check(
            many(&|i| format!("r{}\tp{i}\tc{}\n", i % 3, i % 9)),
            RelationHeadTail,
            Confidence::Likely,
        );
        check("a\tr\tb\n".into(), HeadRelationTail, Confidence::Guess);
        check(
            "Relation\tHead\tTail\nr1\ta\tb\n".into(),
            RelationHeadTail,
            Confidence::Told,
        );
    }

    #[test]
    fn what_the_caller_says_wins() {
        let told = ColumnOrder::from_name("rht").unwrap();
        let (report, builder) = read_text("x\ty\tz\n", told).unwrap();
        assert_eq!(ColumnOrder::from_name("tail first"), None);
        assert_eq!(report.order.confidence, Confidence::Told);
        assert_eq!(builder.build().0.relations(), ["x"]);
    }

    #[test]
    fn bad_lines_are_listed_and_duplicates_counted() {
        let text = "a\tr\tb\na r b\na\tr\tb\t\n\na\t\tb\na\tr\tb\tc\n";
        let (report, builder) = read_text(text, ColumnOrder::Auto).unwrap();
        assert_eq!((report.lines, report.added, report.duplicates), (5, 1, 1));
        let problems: Vec<String> = report.problems.kept.iter().map(|p| p.to_string()).collect();
        assert_eq!(
            problems,
            [
                "t.tsv:2: expected 3 tab-separated columns, found 1; columns must be separated by tabs, not spaces",
                "t.tsv:5: column 2 is empty",
                "t.tsv:6: expected 3 tab-separated columns, found 4",
            ]
        );
        assert_eq!(builder.n_facts(), 1);
    }

    #[test]
    fn a_file_without_facts_is_an_error_that_says_why() {
        let error = |text: &str| read_text(text, ColumnOrder::Auto).unwrap_err().to_string();
        assert!(error("").contains("empty"));
        assert!(error("{\"a\": 1}\n").contains("t.tsv:1: expected 3"));
    }
}
