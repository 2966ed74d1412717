use super::*;
use crate::domain::RelationSchema;
use proptest::prelude::*;

fn schema() -> RelationSchema {
    let mut schema = RelationSchema::from_names([
        "/people/person/place_lived",
        "/people/person/place_of_birth",
        "/location/contains",
        "none",
        "odd (name) \"x\"",
    ]);
    for kind in ["person", "location", "Work of Art"] {
        schema.intern_type(kind).unwrap();
    }
    schema
}

#[test]
fn every_form_parses_to_its_tree() {
    let check = |text: &str, expected: &str| {
        let query = parse(text, &schema());
        let shown = query.as_ref().map(ToString::to_string);
        assert_eq!(shown.as_deref(), Ok(expected), "{text}");
    };
    check("", "");
    check("  \t ", "");
    check("born", "born");
    check("born \"new york\"", "born \"new york\"");
    check("GOLD:Place_Lived", "gold:/people/person/place_lived");
    check(
        "gold:/people/person/place_lived",
        "gold:/people/person/place_lived",
    );
    check("gold:none -gold:any", "gold:none -gold:any");
    check("gold:\"none\"", "gold:\"none\"");
    check(
        "rel:\"odd (name) \\\"x\\\"\"",
        "rel:\"odd (name) \\\"x\\\"\"",
    );
    check(
        "pred:unknown fp:contains",
        "pred:unknown fp:/location/contains",
    );
    check("outcome:FP verdict:reject", "outcome:fp verdict:rejected");
    check(
        "score>.7 tokens<=60 ngold:2",
        "score>0.7 tokens<=60 ngold=2",
    );
    check("goldscore < 0.2", "goldscore<0.2");
    check("between:\", Was  born in\"", "between:\"was born in\"");
    check("between-back:of BETWEEN:any", "between-back:of between:any");
    check("between:\"\"", "between:\"\"");
    check(
        "head-is:/m/0Z tail-is:\"New York\" HEAD-IS:none",
        "head-is:/m/0Z tail-is:\"New York\" head-is:\"none\"",
    );
    check("a b or c", "a b or c");
    check("a (b or c)", "a (b or c)");
    check("a and b and (c and d)", "a b (c d)");
    check("((a))", "a");
    check("not -a", "-(-a)");
    check("-(a b) -\"c d\"", "-(a b) -\"c d\"");
    check("colleg* head:obam*", "colleg* head:obam*");
    check("10:30 AT&T orchid", "\"10:30\" \"AT&T\" orchid");
    check("type:\"work of art\"", "type:\"Work of Art\"");
    check(
        "id:00ff state:todo split:dev",
        "id:00000000000000ff state:todo split:dev",
    );
    check("file:a-b.json note:any", "file:a-b.json note:any");
    check("(a)or(b)", "a or b");
    let full = "confused:\"/people/person/place_of_birth>/location/contains\"";
    check("confused:\"place_of_birth > CONTAINS\"", full);
    check(full, full);
    check("confusion:any", "confused:any");
}

#[test]
fn errors_name_the_column_and_what_to_type_instead() {
    let check = |text: &str, column: usize, expected: &str| {
        let error = parse(text, &schema()).unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.column, column, "{text}: {shown}");
        assert!(shown.contains(expected), "{text}: {shown}");
    };
    check(
        "born gld:contains",
        5,
        "no field `gld`; did you mean `gold`?",
    );
    check("gold:place_livde", 5, "did you mean `place_lived`?");
    check("x (assigned:Ada)", 3, "not in brackets or behind `-`");
    check("-queue:wrong", 1, "write `queue:` with wrong, missing");
    check("queue:wrongly", 0, "as a term of its own");
    check("é gold:birth", 7, "did you mean `place_of_birth`?");
    check("gold:zzz", 5, "there are place_lived, place_of_birth");
    check("state:dnoe", 6, "did you mean `done`?");
    check("type:person2", 5, "did you mean `person`?");
    check("pred:", 5, "a value is missing");
    check("a (b or c", 2, "never closed");
    check("a) b", 1, "without `(`");
    check("()", 1, "missing before `)`");
    check("a \"b c", 2, "never closed");
    check("or b", 0, "joins two terms");
    check("a or", 4, "missing");
    check("a and", 5, "missing");
    check("a -", 3, "after `-`");
    check("a - b", 3, "at once");
    check("score>high", 6, "not a number");
    check("score>inf", 6, "not a number");
    check(
        "gold>contains",
        4,
        "not a number field; write `gold:contains`",
    );
    check("confused:\"contains>nowhere\"", 9, "two relations");
    check("id:xyz", 3, "hexadecimal");
    check("http://x.org", 0, "quote it");
    check("a ...", 2, "no letter or digit");
    check(&"(".repeat(100), 32, "inside each other");
    check(&"-".repeat(100), 32, "inside each other");
    check(&"a ".repeat(6000), 10_000, "too long");
}

/// The examples are the lines of the fenced blocks marked `query` and the first column of its tables in backticks.
#[test]
fn every_example_in_the_manual_parses() {
    let mut schema = RelationSchema::from_names([
        "/people/person/place_lived",
        "/people/person/place_of_birth",
        "/location/location/contains",
    ]);
    schema.intern_type("PERSON").unwrap();
    let manual = include_str!("../../../docs/query.md");
    let (mut inside, mut n) = (false, 0);
    for line in manual.lines() {
        match line {
            "```query" => inside = true,
            "```" => inside = false,
            _ if inside => {
                let query = parse(line, &schema).map_err(|e| e.to_string());
                assert!(query.is_ok(), "{line}: {query:?}");
                n += 1;
            }
            _ => {}
        }
    }
    assert!(n > 20, "only {n} examples found");
    for field in FIELDS {
        assert!(
            manual.contains(&format!("| `{}` |", field.name)),
            "docs/query.md lacks `{}`",
            field.name
        );
    }
}

fn any_leaf() -> impl Strategy<Value = Leaf> {
    let text = prop_oneof![
        "[a-zé0-9]{1,6}",
        "[a-z][ \"\\\\():<>=*-]{0,3}[a-z]",
        Just("or".to_owned()),
        Just("-x".to_owned()),
        Just("gold:any".to_owned()),
        Just("x*".to_owned()),
    ];
    let field = prop_oneof![
        Just(TextField::Text),
        Just(TextField::Head),
        Just(TextField::Tail),
        Just(TextField::Note)
    ];
    let relation = (0..schema().n_relations())
        .prop_map(|r| Value::Named(schema().relations()[r].name.clone()));
    prop_oneof![
        (field.clone(), text).prop_map(|(field, text)| Leaf::Words {
            field,
            text,
            matching: Match::Whole
        }),
        (field, "[a-zé0-9]{1,5}").prop_map(|(field, text)| Leaf::Words {
            field,
            text,
            matching: Match::Prefix
        }),
        (
            prop_oneof![
                Just("gold"),
                Just("pred"),
                Just("fp"),
                Just("wrong-relation")
            ],
            prop_oneof![relation, Just(Value::Any)]
        )
            .prop_map(|(field, value)| Leaf::Key { field, value }),
        "[ -~é]{1,9}".prop_map(|name| Leaf::Key {
            field: "file",
            value: Value::Named(name)
        }),
        any::<u64>().prop_map(|id| Leaf::Id(SentenceId(id))),
        (0..NumberField::ALL.len(), 0..5usize, -1e6..1e6f64).prop_map(|(f, c, value)| {
            Leaf::Number {
                field: NumberField::ALL[f],
                comparison: Comparison::ALL[c],
                value,
            }
        }),
    ]
}

fn any_query() -> impl Strategy<Value = Query> {
    any_leaf()
        .prop_map(Query::Leaf)
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Query::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Query::Or),
                inner.prop_map(|q| Query::Not(Box::new(q))),
            ]
        })
}

proptest! {
    #[test]
    fn what_is_shown_parses_back(query in any_query()) {
        let text = query.to_string();
        prop_assert_eq!(parse(&text, &schema()), Ok(query), "{}", text);
    }

    #[test]
    fn nothing_typed_panics(text in "[ a-z\"():<>=*\\\\\\-é]{0,40}|\\PC{0,40}") {
        if let Err(error) = parse(&text, &schema()) {
            prop_assert!(error.column <= text.chars().count());
        }
    }
}
