use super::*;
use crate::domain::{TokenSpan, Verdict};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::{Cursor, Write};

/// Everything that a file holds: sentences, and problems as (kind, line, record).
struct Read {
    schema: RelationSchema,
    sentences: Vec<Imported>,
    problems: Vec<Problem>,
    summary: Summary,
    format: Format,
}

fn read_named(name: &str, bytes: &[u8]) -> Result<Read, CorpusError> {
    let mut reader = CorpusReader::from_reader(name, Cursor::new(bytes.to_vec()), None, None)?;
    let mut schema = RelationSchema::default();
    let (mut sentences, mut problems) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next(&mut schema) {
        match item {
            Item::Sentence(s) => sentences.push(*s),
            Item::Problem(p) => problems.push(p),
        }
    }
    for imported in &sentences {
        assert_eq!(imported.sentence.check(), Ok(()));
    }
    Ok(Read {
        schema,
        sentences,
        problems,
        summary: reader.summary().clone(),
        format: reader.format(),
    })
}

fn read(text: &str) -> Read {
    read_named("train.json", text.as_bytes()).unwrap()
}

impl Read {
    /// Triples of every sentence as `head|relation|tail`, in the text's words with token positions.
    fn triples(&self) -> Vec<String> {
        let mut out = Vec::new();
        for Imported { sentence, .. } in &self.sentences {
            for gold in &sentence.gold {
                let side = |s: TokenSpan| format!("{}@{}", sentence.surface(s), s.start());
                out.push(format!(
                    "{}|{}|{}",
                    side(gold.triple.head),
                    self.schema.name(gold.triple.relation),
                    side(gold.triple.tail)
                ));
            }
        }
        out
    }
    fn entities(&self) -> Vec<String> {
        let mut out = Vec::new();
        for Imported { sentence, .. } in &self.sentences {
            for entity in &sentence.entities {
                let kind = entity.kind.map_or("-", |k| self.schema.type_name(k));
                out.push(format!(
                    "{}@{}:{kind}",
                    sentence.surface(entity.span),
                    entity.span.start()
                ));
            }
        }
        out
    }
    fn kinds(&self) -> Vec<(&'static str, u32)> {
        self.problems
            .iter()
            .map(|p| (p.kind.name(), p.line))
            .collect()
    }
}

#[test]
fn casrel_mentions_become_spans_or_problems() {
    let check = |text: &str, triples: &str, expected: &[&str], problems: &[(&str, u32)]| {
        let line = format!(r#"{{"text": "{text}", "triple_list": {triples}}}"#);
        let got = read(&line);
        assert_eq!(got.format, Format::CasRel);
        assert_eq!(got.triples(), expected, "{line}");
        assert_eq!(got.kinds(), problems, "{line}");
    };
    check(
        "Ada lives in New York .",
        r#"[["Ada", "live", "New York"]]"#,
        &["Ada@0|live|New York@3"],
        &[],
    );
    check(
        "A Haitian in Haiti met Bo .",
        r#"[["Bo", "r", "Haiti"], ["Haiti", "q", "Bo"]]"#,
        &["Bo@5|r|Haiti@3", "Haiti@3|q|Bo@5"],
        &[],
    );
    check(
        "Paris , Paris and Bo and Ci .",
        r#"[["Bo", "r", "Paris"], ["Paris", "r", "Ci"]]"#,
        &["Bo@4|r|Paris@0", "Paris@0|r|Ci@6"],
        &[("ambiguous", 1)],
    );
    check(
        "Bo was in Medellin .",
        r#"[["Bo", "r", "Medellín"], ["Bo", "r", "Oslo"], ["Oslo", "r", "Bo"]]"#,
        &["Bo@0|r|Medellin@3"],
        &[("normalised", 1), ("mention-missing", 1)],
    );
    check(
        "Bacon of Bo .",
        r#"[["Bacon", "in", "Bacon"]]"#,
        &["Bacon@0|in|Bacon@0"],
        &[],
    );
    check(
        "Bo of Ci .",
        r#"[["Bo", "r", "Ci"], ["Bo", "r", "Ci"]]"#,
        &["Bo@0|r|Ci@2"],
        &[],
    );
    check(
        "Bo of Ci .",
        r#"[["Bo", "r"], ["Bo", "", "Ci"]]"#,
        &[],
        &[("wrong-shape", 1), ("wrong-shape", 1)],
    );
    check(
        "Bo of Ci .",
        r#"[["Bo", 3, "Ci"]]"#,
        &[],
        &[("wrong-shape", 1)],
    );
    check("Bo .", "[]", &[], &[]);
    check("", "[]", &[], &[("empty-text", 1)]);
}

#[test]
fn a_missing_mention_drops_its_triple_but_not_the_other_entity() {
    let got = read(r#"{"text": "Bo is here .", "triple_list": [["Bo", "r", "Oslo"]]}"#);
    assert_eq!(
        (got.triples(), got.entities()),
        (vec![], vec!["Bo@0:-".to_owned()])
    );
    let problem = got.problems.first().unwrap();
    assert!(problem.found.contains("Oslo") && !problem.hint().is_empty());
    assert_eq!(got.summary.lost(), 1);
}

#[test]
fn result_files_are_read_for_their_gold_side() {
    let text = r#"{
    "text": "Bo in Ci .",
    "triple_list_gold": [{"subject": "Bo", "relation": "in", "object": "Ci"}],
    "triple_list_pred": [],
    "lack": []
}
{
    "text": "Di in Eo .",
    "triple_list_gold": [{"subject": "Di", "relation": "in", "object": "Eo"}],
    "triple_list_pred": []
}"#;
    let got = read(text);
    assert_eq!(got.triples(), ["Bo@0|in|Ci@2", "Di@0|in|Eo@2"]);
    let lines: Vec<u32> = got.sentences.iter().map(|s| s.sentence.line).collect();
    assert_eq!(lines, [1, 7]);
    assert_eq!(got.summary.ignored_fields.get("triple_list_pred"), Some(&2));
}

#[test]
fn copyre_mentions_are_typed_and_none_is_counted() {
    let got = read(concat!(
        r#"{"sentText": "Bo of Oslo met\r\n Ci in Oslo .\r\n", "articleId": "/m/x/12.xml", "sentId": "3", "#,
        r#""entityMentions": [{"start": 0, "label": "PERSON", "text": "Bo"}, {"start": 1, "label": "LOCATION", "text": "Oslo"}, "#,
        r#"{"start": 2, "label": "LOCATION", "text": "Oslo"}, {"start": 3, "label": "PERSON", "text": "Oslo"}], "#,
        r#""relationMentions": [{"em1Text": "Bo", "em2Text": "Oslo", "label": "live"}, {"em1Text": "Ci", "em2Text": "Oslo", "label": "None"}, "#,
        r#"{"em1Text": "Ci", "em2Text": "Oslo", "label": "live"}]}"#
    ));
    assert_eq!(got.format, Format::Mentions);
    assert_eq!(got.triples(), ["Bo@0|live|Oslo@2", "Ci@4|live|Oslo@2"]);
    assert_eq!(
        got.entities(),
        [
            "Bo@0:PERSON",
            "Oslo@2:LOCATION",
            "Ci@4:-",
            "Oslo@6:LOCATION"
        ]
    );
    assert_eq!(got.kinds(), [("ambiguous", 1), ("entity-conflict", 1)]);
    assert_eq!(
        (got.summary.none_labels, got.summary.duplicate_entities),
        (1, 1)
    );
    assert_eq!(
        got.sentences[0].sentence.native_id.as_deref(),
        Some("12.xml#3")
    );
}

#[test]
fn spert_takes_entities_or_tags() {
    let check = |fields: &str, entities: &[&str], triples: &[&str], problems: &[(&str, u32)]| {
        let text = format!(r#"[{{"tokens": ["Bo", "of", "New", "York"], {fields}}}]"#);
        let got = read(&text);
        assert_eq!(got.entities(), entities, "{fields}");
        assert_eq!(got.triples(), triples, "{fields}");
        assert_eq!(got.kinds(), problems, "{fields}");
    };
    let relations = r#""relations": [{"type": "in", "head": 0, "tail": 1}], "orig_id": 12"#;
    let person = r#"{"type": "P", "start": 0, "end": 1}"#;
    check(
        &format!(r#""entities": [{person}, {{"type": "L", "start": 2, "end": 4}}], {relations}"#),
        &["Bo@0:P", "New York@2:L"],
        &["Bo@0|in|New York@2"],
        &[],
    );
    check(
        &format!(r#""entities": [{person}, {{"type": "L", "start": 2, "end": 5}}], {relations}"#),
        &["Bo@0:P"],
        &[],
        &[("span-out-of-range", 1), ("no-such-entity", 1)],
    );
    check(
        &format!(r#""entities": [{person}, {{"type": "Q", "start": 0, "end": 1}}], {relations}"#),
        &["Bo@0:P"],
        &["Bo@0|in|Bo@0"],
        &[("entity-conflict", 1)],
    );
    for tags in [
        r#"["U-P", "O", "B-L", "L-L"]"#,
        r#"["B-P", "O", "B-L", "I-L"]"#,
        r#"["S-P", "O", "B-L", "E-L"]"#,
    ] {
        check(
            &format!(r#""tags": {tags}, {relations}"#),
            &["Bo@0:P", "New York@2:L"],
            &["Bo@0|in|New York@2"],
            &[],
        );
    }
    check(
        &format!(r#""tags": ["U-P", "O", "B-L", "I-M"], {relations}"#),
        &["Bo@0:P", "New@2:L", "York@3:M"],
        &["Bo@0|in|New@2"],
        &[("tag-sequence", 1)],
    );
    check(r#""tags": ["O"]"#, &[], &[], &[("wrong-shape", 1)]);
    check(
        r#""tags": ["O", "O", "O", "X-Y"]"#,
        &[],
        &[],
        &[("wrong-shape", 1)],
    );
    check(
        r#""entities": [{"type": "P", "start": -1, "end": 1}]"#,
        &[],
        &[],
        &[("wrong-shape", 1)],
    );
}

#[test]
fn symmetric_relations_come_from_a_types_file_beside() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = dir.path().join("x_train.json");
    std::fs::write(&corpus, r#"[{"tokens": ["a"], "entities": []}]"#).unwrap();
    std::fs::write(
        dir.path().join("x_types.json"),
        r#"{"entities": {"P": {}}, "relations": {"sib": {"symmetric": true}, "in": {"symmetric": false}}}"#,
    )
    .unwrap();
    let mut schema = RelationSchema::default();
    let mut reader = CorpusReader::open(&corpus, None, None).unwrap();
    while reader.next(&mut schema).is_some() {}
    let symmetric: Vec<_> = schema
        .relations()
        .iter()
        .map(|r| (r.name.as_str(), r.symmetric))
        .collect();
    assert_eq!(symmetric, [("sib", true)]);
    assert_eq!(reader.bytes_read(), reader.total_bytes().unwrap());
}

#[test]
fn broken_records_cost_themselves_only_and_name_their_line() {
    let good = r#"{"text": "Bo in Ci .", "triple_list": [["Bo", "in", "Ci"]]}"#;
    let check = |bad: &[u8], problems: &[(&str, u32)]| {
        let lines = [good.as_bytes(), bad, good.as_bytes(), b""].join(&b'\n');
        let got = read_named("x.jsonl", &lines).unwrap();
        let context = String::from_utf8_lossy(bad).into_owned();
        assert_eq!(got.sentences.len(), 2, "{context}");
        assert_eq!(got.kinds(), problems, "{context}");
    };
    check(br#"{"text": "Bo", "triple_li"#, &[("bad-json", 2)]);
    check(br#"{"text": "Bo"} trailing"#, &[("bad-json", 2)]);
    check(br#"{"text": 3, "triple_list": []}"#, &[("wrong-shape", 2)]);
    check(br#"{"text": "Bo"}"#, &[("wrong-shape", 2)]);
    check(br#"{"triple_list": []}"#, &[("wrong-shape", 2)]);
    check(
        br#"{"text": "a", "text": "b", "triple_list": []}"#,
        &[("wrong-shape", 2)],
    );
    check(
        b"{\"text\": \"Bogot\xe1\", \"triple_list\": []}",
        &[("not-utf8", 2)],
    );
    check(
        b"{\"text\": \"\\ud800\", \"triple_list\": []}",
        &[("bad-json", 2)],
    );
    check(b"\"text\"", &[("wrong-shape", 2)]);
    check(b"\x00\x1b[2J", &[("bad-json", 2)]);
    check(&[b'['; 5000], &[("bad-json", 2)]);
    check(&[b'{'; 5000], &[("bad-json", 2)]);
    check(b" \r", &[]);
}

#[test]
fn cut_files_are_reported_wherever_they_are_cut() {
    let whole = r#"[{"text": "Bo in Ci .", "triple_list": [["Bo", "in", "Ci"]]}, {"text": "Di .", "triple_list": []}]"#;
    let first = whole.find("}, ").unwrap() + 1;
    for cut in first..whole.len() {
        let got = read_named("x.json", &whole.as_bytes()[..cut]).unwrap();
        let n = if cut < whole.len() - 1 { 1 } else { 2 };
        assert_eq!(got.sentences.len(), n, "cut at {cut}");
        assert_eq!(got.kinds(), [("cut-file", 1)], "cut at {cut}");
    }
}

#[test]
fn what_cannot_be_read_at_all_is_one_clear_error() {
    let check = |bytes: &[u8], parts: &[&str]| {
        let error = read_named("x\u{1b}.json", bytes).err().unwrap().to_string();
        for part in parts.iter().chain(&["x\\u{1b}.json"]) {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    };
    check(b"", &["no records"]);
    check(b" \n", &["no records"]);
    check(b"[]", &["no records"]);
    check(
        b"{\"token\": [], \"h\": {}, \"t\": {}, \"relation\": \"x\"}",
        &["OpenNRE", "token, h, t"],
    );
    check(b"[{\"0\": \"a\"}]", &["relation names"]);
    check(b"hello\nworld", &["no JSON object"]);
    check(b"\xff\xfeh\0", &["UTF-16LE", "iconv"]);
    let missing = CorpusReader::open(Path::new("/no/such/file"), None, None)
        .err()
        .unwrap();
    assert!(matches!(missing, CorpusError::Io { .. }));
    let folder = CorpusReader::open(Path::new("/"), None, None)
        .err()
        .unwrap();
    assert!(matches!(folder, CorpusError::Folder(_)));
}

#[test]
fn a_broken_first_line_does_not_hide_the_format() {
    let text = "{\"text\": \n{\"text\": \"Bo .\", \"triple_list\": []}\n";
    let got = read(text);
    assert_eq!(
        (got.sentences.len(), got.kinds()),
        (1, vec![("bad-json", 1)])
    );
}

#[test]
fn gzip_is_read_and_a_cut_one_reported() {
    let line = "{\"text\": \"Bo in Ci .\", \"triple_list\": [[\"Bo\", \"in\", \"Ci\"]]}\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for n in 0..20_000 {
        writeln!(encoder, "{}", line.trim().replace("Ci", &format!("C{n}"))).unwrap();
    }
    let bytes = encoder.finish().unwrap();
    let got = read_named("x.gz", &bytes).unwrap();
    assert_eq!((got.sentences.len(), got.problems.len()), (20_000, 0));
    let got = read_named("x.gz", &bytes[..bytes.len() / 2]).unwrap();
    assert!(got.sentences.len() > 1000 && got.sentences.len() < 20_000);
    assert_eq!(got.kinds().last().unwrap().0, "cut-file");
}

#[test]
fn long_records_are_read_up_to_the_limits() {
    let record = |n_tokens: usize, token: &str| {
        let text = vec![token; n_tokens].join(" ");
        format!("{{\"text\": \"{text} Bo\", \"triple_list\": [[\"Bo\", \"r\", \"Bo\"]]}}")
    };
    let check = |line: String, sentences: usize, problem: Option<&str>| {
        let got = read(&format!("{line}\n{{\"text\": \"x\", \"triple_list\": []}}"));
        assert_eq!(got.sentences.len(), sentences + 1, "{} bytes", line.len());
        assert_eq!(
            got.kinds().first().map(|k| k.0),
            problem,
            "{} bytes",
            line.len()
        );
    };
    check(record(10_000, "w"), 1, None);
    check(record(10_000, &"w".repeat(100)), 1, None);
    check(
        record(super::super::MAX_TOKENS + 1, "w"),
        0,
        Some("sentence-too-long"),
    );
    check(
        record(1, &"w".repeat(MAX_RECORD_BYTES)),
        0,
        Some("record-too-long"),
    );
    let many = vec![r#"["x","r","x"]"#; super::super::MAX_TRIPLES + 1].join(",");
    check(
        format!("{{\"text\": \"x\", \"triple_list\": [{many}]}}"),
        0,
        Some("sentence-too-long"),
    );
}

#[test]
fn the_same_file_gives_the_same_ids_and_equal_texts_differ() {
    let text =
        "{\"text\": \"a b\", \"triple_list\": []}\n{\"text\": \"a  b\", \"triple_list\": []}\n";
    let ids = |r: &Read| {
        r.sentences
            .iter()
            .map(|s| s.sentence.id)
            .collect::<Vec<_>>()
    };
    let (one, two) = (read(text), read(text));
    assert_eq!(ids(&one), ids(&two));
    assert_ne!(ids(&one)[0], ids(&one)[1]);
    assert_eq!(one.summary.repeated_sentences, 1);
}

#[test]
fn the_split_is_in_the_name_unless_told() {
    let check = |name: &str, expected: Split| assert_eq!(split_of_name(name), expected, "{name}");
    check("train.json", Split::Train);
    check("nyt_dev.json", Split::Dev);
    check("valid.jsonl.gz", Split::Dev);
    check("Validation-2.json", Split::Dev);
    check("test_triples.json", Split::Test);
    check("test3.json", Split::Test);
    check("latest.json", Split::Train);
    check("device.json", Split::Train);
    let line = &b"{\"text\": \"a\", \"triple_list\": []}"[..];
    let mut reader = CorpusReader::from_reader("dev.json", line, None, Some(Split::Test)).unwrap();
    let Some(Item::Sentence(s)) = reader.next(&mut RelationSchema::default()) else {
        panic!("a sentence")
    };
    assert_eq!(s.sentence.split, Split::Test);
}

#[test]
fn styles_are_told_apart() {
    let check = |records: &[(&str, &str)], expected: AnnotationStyle| {
        let lines: Vec<String> = records
            .iter()
            .cycle()
            .take(40)
            .map(|(text, mention)| {
                format!(r#"{{"text": "{text}", "triple_list": [["{mention}", "r", "Bo"]]}}"#)
            })
            .collect();
        assert_eq!(
            read(&lines.join("\n")).summary.style(),
            expected,
            "{records:?}"
        );
    };
    use super::super::AnnotationStyle;
    check(&[("Bo in New York", "York")], AnnotationStyle::LastWord);
    check(
        &[("Bo in New York", "New York")],
        AnnotationStyle::WholeSpan,
    );
    check(&[("Bo in Paris", "Paris")], AnnotationStyle::WholeSpan);
    assert_eq!(
        read(r#"{"text": "a", "triple_list": []}"#).summary.style(),
        AnnotationStyle::Unknown
    );
}

/// A line of the program's own export with these relations; entities 0 Bo, 1 Ci, and 2 `here`, only an argument.
fn export_line(relations: &str, rest: &str) -> String {
    format!(
        r#"{{"schema": "redress/1", "id": "00000000000000ff", "native_id": "n", "split": "dev", "text": "Bo met\tCi here.", "tokens": ["Bo", "met", "Ci", "here", "."], "entities": [{{"id": 0, "start": 0, "end": 1, "type": "P", "link": "Q1"}}, {{"id": 1, "start": 2, "end": 3, "type": null}}, {{"id": 2, "start": 3, "end": 4, "argument_only": true}}], "relations": [{relations}]{rest}}}"#
    )
}

#[test]
fn the_own_export_gives_labels_and_decisions_back() {
    let relation = |name: &str, head: u32, tail: u32, decision: &str, origin: &str, tags: &str| {
        format!(
            r#"{{"id": 0, "head": {head}, "tail": {tail}, "type": "{name}", "decision": "{decision}", "origin": "{origin}", "tags": [{tags}]}}"#
        )
    };
    let relations = [
        relation("a", 0, 1, "unjudged", "gold", ""),
        relation("b", 0, 1, "rejected", "kb", "\"not_expressed\""),
        relation("c", 0, 2, "rejected", "human", ""),
        relation("d", 1, 0, "accepted", "curator", ""),
        relation("e", 1, 0, "unsure", "model", ""),
        relation("f", 1, 0, "unjudged", "model", ""),
    ];
    let got = read(&export_line(
        &relations.join(","),
        r#", "note": "look", "done": true, "provenance": {}"#,
    ));
    assert_eq!(got.format, Format::Redress);
    assert_eq!(got.kinds(), []);
    assert_eq!(got.summary.unjudged_predictions, 1);
    let Imported { sentence, edits } = &got.sentences[0];
    assert_eq!(
        (sentence.id.0, sentence.native_id.as_deref(), sentence.split),
        (255, Some("n"), Split::Dev)
    );
    assert_eq!(sentence.gold.len(), 3);
    let mut annotation = crate::domain::Annotation::from_gold(sentence);
    for edit in edits {
        annotation = annotation.apply(edit).unwrap();
    }
    let state: Vec<_> = annotation
        .triples
        .iter()
        .map(|t| (got.schema.name(t.triple.relation), t.verdict, t.tags.len()))
        .collect();
    let expected = [
        ("a", None, 0),
        ("b", Some(Verdict::Reject), 1),
        ("c", Some(Verdict::Reject), 0),
        ("d", Some(Verdict::Accept), 0),
        ("e", Some(Verdict::Unsure), 0),
    ];
    assert_eq!(state, expected);
    assert_eq!((annotation.note.as_str(), annotation.done), ("look", true));
    assert_eq!(annotation.entities.len(), 2);
    assert_eq!(annotation.entities[0].link.as_deref(), Some("Q1"));
}

#[test]
fn broken_exports_are_reported() {
    let check = |line: String, expected: &[&str]| {
        let got = read(&line);
        let kinds: Vec<_> = got.problems.iter().map(|p| p.kind.name()).collect();
        assert_eq!(kinds, expected, "{line}");
    };
    let relation = |head: u32, decision: &str, origin: &str| {
        format!(
            r#"{{"head": {head}, "tail": 1, "type": "r", "decision": "{decision}", "origin": "{origin}"}}"#
        )
    };
    check(export_line(&relation(0, "accepted", "gold"), ""), &[]);
    check(
        export_line(&relation(9, "accepted", "gold"), ""),
        &["no-such-entity"],
    );
    check(
        export_line(&relation(0, "maybe", "gold"), ""),
        &["unknown-word"],
    );
    check(
        export_line(&relation(0, "accepted", "elsewhere"), ""),
        &["unknown-word"],
    );
    check(
        export_line(&relation(1, "accepted", "curator"), ""),
        &["not-restored"],
    );
    check(
        export_line("", "").replace("redress/1", "redress/2"),
        &["newer-version"],
    );
    check(
        export_line("", "").replace("redress/1", "other/1"),
        &["unknown-word"],
    );
    check(
        export_line("", "").replace("\"met\", ", "\"mat\", "),
        &["tokens-misaligned"],
    );
    check(
        export_line("", "").replace("\"met\", ", ""),
        &["tokens-misaligned"],
    );
    check(
        export_line("", "").replace("\"dev\"", "\"half\""),
        &["unknown-word"],
    );
    check(export_line("", "").replace("00ff", "xx"), &["wrong-shape"]);
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), format in 0usize..4) {
        let format = Format::ALL[format];
        if let Ok(mut reader) = CorpusReader::from_reader("x", Cursor::new(bytes), Some(format), None) {
            let mut schema = RelationSchema::default();
            while reader.next(&mut schema).is_some() {}
        }
    }

    #[test]
    fn damaged_records_never_panic(cut in 0usize..400, at in 0usize..400, byte in any::<u8>(), which in 0usize..4) {
        let whole = [
            r#"{"text": "Bo in Ci .", "triple_list": [["Bo", "in", "Ci"], ["Ci", "r", "Bö"]]}"#.to_owned(),
            r#"{"sentText": "Bo in Ci", "entityMentions": [{"label": "P", "text": "Bo"}], "relationMentions": [{"em1Text": "Bo", "em2Text": "Ci", "label": "r"}]}"#.to_owned(),
            r#"{"tokens": ["Bo", "in"], "entities": [{"type": "P", "start": 0, "end": 1}], "relations": [{"type": "r", "head": 0, "tail": 0}]}"#.to_owned(),
            export_line(r#"{"head": 0, "tail": 1, "type": "r", "decision": "rejected", "origin": "gold"}"#, ""),
        ];
        let mut bytes = whole[which].clone().into_bytes();
        let n = bytes.len();
        bytes[at % n] = byte;
        bytes.truncate(n - cut.saturating_sub(200) % n);
        let format = Format::ALL[which];
        if let Ok(mut reader) = CorpusReader::from_reader("x", Cursor::new(bytes), Some(format), None) {
            let mut schema = RelationSchema::default();
            while let Some(item) = reader.next(&mut schema) {
                if let Item::Sentence(s) = item {
                    prop_assert_eq!(s.sentence.check(), Ok(()));
                }
            }
        }
    }
}
