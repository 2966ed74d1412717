//! THE table of query fields: the parser, the hints and docs/query.md follow it.

/// Text that is searched by words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextField {
    Text,
    Head,
    Tail,
    Note,
}

impl TextField {
    pub fn name(self) -> &'static str {
        match self {
            TextField::Text => "text",
            TextField::Head => "head",
            TextField::Tail => "tail",
            TextField::Note => "note",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberField {
    Score,
    GoldScore,
    Disagreements,
    Tokens,
    Distance,
    NGold,
    NPred,
}

impl NumberField {
    /// In the order of their discriminants.
    pub const ALL: [NumberField; 7] = [
        NumberField::Score,
        NumberField::GoldScore,
        NumberField::Disagreements,
        NumberField::Tokens,
        NumberField::Distance,
        NumberField::NGold,
        NumberField::NPred,
    ];
    pub fn name(self) -> &'static str {
        match self {
            NumberField::Score => "score",
            NumberField::GoldScore => "goldscore",
            NumberField::Disagreements => "disagreements",
            NumberField::Tokens => "tokens",
            NumberField::Distance => "distance",
            NumberField::NGold => "ngold",
            NumberField::NPred => "npred",
        }
    }
}

/// What may stand after the colon.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Words(TextField),
    /// A relation, by short or full name.
    Relation,
    /// Two of them, `gold>predicted`.
    Confusion,
    EntityType,
    /// One of these; each with its other spellings.
    Choice(&'static [(&'static str, &'static [&'static str])]),
    /// The words between head and tail, all of them.
    Pattern,
    /// An entity, by its link, or its whole name where it has none.
    Entity,
    /// Any name, taken as it is.
    File,
    Id,
    Number(NumberField),
}

#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    /// Words with a meaning of their own: `any`, `none`, `unknown`.
    pub special: &'static [&'static str],
    pub doc: &'static str,
}

/// Never bare as a value or a word.
pub(super) const RESERVED: [&str; 6] = ["or", "and", "not", "any", "none", "unknown"];

const fn field(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    special: &'static [&'static str],
    doc: &'static str,
) -> FieldInfo {
    FieldInfo {
        name,
        aliases,
        kind,
        special,
        doc,
    }
}

const ANY: &[&str] = &["any"];
const ANY_NONE: &[&str] = &["any", "none"];

pub const FIELDS: &[FieldInfo] = &[
    field(
        "text",
        &[],
        Kind::Words(TextField::Text),
        &[],
        "words of the sentence; the same as no field",
    ),
    field(
        "head",
        &[],
        Kind::Words(TextField::Head),
        &[],
        "words of a head, gold or predicted",
    ),
    field(
        "tail",
        &[],
        Kind::Words(TextField::Tail),
        &[],
        "words of a tail, gold or predicted",
    ),
    field(
        "head-is",
        &[],
        Kind::Entity,
        &[],
        "a head, gold or predicted, is this entity: its link, or its whole name where it has none",
    ),
    field(
        "tail-is",
        &[],
        Kind::Entity,
        &[],
        "a tail, gold or predicted, is this entity",
    ),
    field(
        "note",
        &[],
        Kind::Words(TextField::Note),
        ANY_NONE,
        "words of the curator's note",
    ),
    field(
        "gold",
        &["label"],
        Kind::Relation,
        ANY_NONE,
        "a label of this relation stands",
    ),
    field(
        "pred",
        &["predicted"],
        Kind::Relation,
        &["any", "none", "unknown"],
        "the model predicts this relation; unknown: not predicted yet",
    ),
    field(
        "rel",
        &["relation"],
        Kind::Relation,
        ANY,
        "gold or predicted",
    ),
    field(
        "fp",
        &[],
        Kind::Relation,
        ANY,
        "predicted, and no such label stands",
    ),
    field(
        "fn",
        &[],
        Kind::Relation,
        ANY,
        "a label stands and was not predicted",
    ),
    field(
        "correct",
        &[],
        Kind::Relation,
        ANY,
        "gold and predicted alike",
    ),
    field(
        "wrong-relation",
        &[],
        Kind::Relation,
        ANY,
        "the right pair under another relation",
    ),
    field(
        "confused",
        &["confusion"],
        Kind::Confusion,
        ANY,
        "label of one relation, predicted as the other: \"gold>predicted\"",
    ),
    field(
        "reversed",
        &[],
        Kind::Relation,
        ANY,
        "head and tail exchanged",
    ),
    field(
        "boundary",
        &[],
        Kind::Relation,
        ANY,
        "right relation, a span overlaps but differs",
    ),
    field(
        "wrong-type",
        &[],
        Kind::Relation,
        ANY,
        "right but for an entity type",
    ),
    field(
        "missed",
        &[],
        Kind::Relation,
        ANY,
        "gold without counterpart",
    ),
    field(
        "spurious",
        &[],
        Kind::Relation,
        ANY,
        "predicted without counterpart",
    ),
    field(
        "accepted",
        &[],
        Kind::Relation,
        ANY,
        "a curator accepted this relation",
    ),
    field(
        "rejected",
        &[],
        Kind::Relation,
        ANY,
        "a curator rejected this relation",
    ),
    field(
        "unsure",
        &[],
        Kind::Relation,
        ANY,
        "a curator was unsure of this relation",
    ),
    field(
        "outcome",
        &[],
        Kind::Choice(OUTCOMES),
        &["any", "unknown"],
        "how some triple fared; unknown: not predicted yet",
    ),
    field(
        "verdict",
        &[],
        Kind::Choice(VERDICTS),
        ANY_NONE,
        "some triple has this verdict",
    ),
    field(
        "tag",
        &[],
        Kind::Choice(TAGS),
        ANY_NONE,
        "some triple has this error tag",
    ),
    field(
        "type",
        &["entity"],
        Kind::EntityType,
        ANY_NONE,
        "an entity of this type",
    ),
    field(
        "overlap",
        &[],
        Kind::Choice(OVERLAPS),
        &[],
        "how the labels that stand share entities",
    ),
    field(
        "linked",
        &[],
        Kind::Choice(LINKED),
        &[],
        "heads and tails of labels are in the knowledge base",
    ),
    field(
        "state",
        &["is"],
        Kind::Choice(STATES),
        &[],
        "how far the review has come",
    ),
    field(
        "split",
        &[],
        Kind::Choice(SPLITS),
        &[],
        "part of the corpus",
    ),
    field(
        "between",
        &[],
        Kind::Pattern,
        ANY,
        "exactly these words stand between a head and its tail, the head first",
    ),
    field(
        "between-back",
        &[],
        Kind::Pattern,
        ANY,
        "the same, the tail first",
    ),
    field("file", &[], Kind::File, &[], "name of the input file"),
    field(
        "id",
        &[],
        Kind::Id,
        &[],
        "the sentence with this id, 16 hexadecimal digits",
    ),
    field(
        "score",
        &[],
        Kind::Number(NumberField::Score),
        &[],
        "highest score of a predicted triple, 0 to 1",
    ),
    field(
        "goldscore",
        &[],
        Kind::Number(NumberField::GoldScore),
        &[],
        "lowest score that the model gives a label that stands",
    ),
    field(
        "disagreements",
        &["disagree"],
        Kind::Number(NumberField::Disagreements),
        &[],
        "triples that are gold or predicted but not both",
    ),
    field(
        "tokens",
        &[],
        Kind::Number(NumberField::Tokens),
        &[],
        "length of the sentence",
    ),
    field(
        "distance",
        &["gap"],
        Kind::Number(NumberField::Distance),
        &[],
        "most words between head and tail of a label that stands",
    ),
    field(
        "ngold",
        &[],
        Kind::Number(NumberField::NGold),
        &[],
        "labels that stand",
    ),
    field(
        "npred",
        &[],
        Kind::Number(NumberField::NPred),
        &[],
        "predicted triples",
    ),
];

const OUTCOMES: &[(&str, &[&str])] = &[
    ("correct", &["tp"]),
    ("wrong-relation", &["wrong_relation"]),
    ("reversed", &[]),
    ("boundary", &[]),
    ("wrong-type", &["wrong_type"]),
    ("missed", &[]),
    ("spurious", &[]),
    ("fp", &["false-positive"]),
    ("fn", &["false-negative"]),
];
const VERDICTS: &[(&str, &[&str])] = &[
    ("accepted", &["accept"]),
    ("rejected", &["reject"]),
    ("unsure", &[]),
];
const TAGS: &[(&str, &[&str])] = &[
    ("not_expressed", &[]),
    ("kb_incomplete", &[]),
    ("wrong_span", &[]),
    ("wrong_type", &[]),
    ("reversed", &[]),
    ("duplicate", &[]),
    ("guideline_gap", &[]),
];
const OVERLAPS: &[(&str, &[&str])] = &[("normal", &[]), ("epo", &[]), ("seo", &[])];
const LINKED: &[(&str, &[&str])] = &[("all", &[]), ("some", &[]), ("no", &[])];
const STATES: &[(&str, &[&str])] = &[("todo", &[]), ("started", &[]), ("done", &[])];
const SPLITS: &[(&str, &[&str])] = &[("train", &[]), ("dev", &[]), ("test", &[])];

/// By name or alias; case does not matter.
pub(super) fn find(name: &str) -> Option<&'static FieldInfo> {
    FIELDS.iter().find(|field| {
        field.name.eq_ignore_ascii_case(name)
            || field.aliases.iter().any(|a| a.eq_ignore_ascii_case(name))
    })
}
