//! Query text to [`Query`]. By hand, so that every error knows its column.
//!
//! ```text
//! query   := all { "or" all }
//! all     := item { ["and"] item }
//! item    := { "-" | "not" } ( "(" query ")" | field | word )
//! field   := NAME ( ":" | "=" | "<" | "<=" | ">" | ">=" ) value
//! word    := run of characters | "in quotes, \" and \\ escaped"
//! ```

use super::super::doc::confusion_name;
use super::super::pattern::normalised;
use super::suggest::nearest;
use super::vocabulary::{FIELDS, FieldInfo, Kind, find};
use super::{Comparison, Leaf, Match, Query, TextField, Value};
use crate::domain::RelationSchema;

/// Parentheses and negations inside each other; a person needs three.
const MAX_DEPTH: usize = 32;
/// Longer than anything typed; bounds the work a pasted page can cause.
const MAX_CHARS: usize = 10_000;

/// Terms that are taken out of a query before it comes here, where they stand right, and their values.
const APART: [(&str, &str); 5] = [
    ("queue", "wrong, missing, rules, duplicates, fixed, broken"),
    ("order", "suspicious, uncertain, random, document"),
    ("about", "a relation"),
    ("assigned", "the name of a curator"),
    ("disputed", "any"),
];

/// Why a query does not parse, and where.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("{message}{}", hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default())]
pub struct QueryError {
    /// 0-based, in characters.
    pub column: usize,
    pub message: String,
    /// What to type instead.
    pub hint: Option<String>,
}

/// Parses a query against the relation and type names of one workspace.
pub fn parse(text: &str, schema: &RelationSchema) -> Result<Query, QueryError> {
    let chars: Vec<char> = text.chars().take(MAX_CHARS + 1).collect();
    let mut parser = Parser {
        chars: &chars,
        at: 0,
        depth: 0,
        schema,
    };
    if chars.len() > MAX_CHARS {
        return Err(error(MAX_CHARS, "the query is too long", None));
    }
    parser.skip_spaces();
    if parser.peek().is_none() {
        return Ok(Query::All);
    }
    let query = parser.any_of()?;
    match parser.peek() {
        None => Ok(query),
        // `any_of` stops only at the end or at a parenthesis that nothing opened.
        Some(_) => Err(parser.here("`)` without `(`", None)),
    }
}

fn error(column: usize, message: impl Into<String>, hint: Option<String>) -> QueryError {
    QueryError {
        column,
        message: message.into(),
        hint,
    }
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
    schema: &'a RelationSchema,
}

/// A value as typed: quotes make special words ordinary.
struct Typed {
    text: String,
    quoted: bool,
    column: usize,
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<Query, QueryError> {
        let mut parts = vec![self.all_of()?];
        while self.keyword("or") {
            parts.push(self.all_of()?);
        }
        Ok(single(parts, Query::Or))
    }

    fn all_of(&mut self) -> Result<Query, QueryError> {
        let mut parts = vec![self.item()?];
        loop {
            let joined = self.keyword("and");
            match self.peek() {
                None | Some(')') if !joined => break,
                _ if !joined && self.at_keyword("or") => break,
                _ => parts.push(self.item()?),
            }
        }
        Ok(single(parts, Query::And))
    }

    fn item(&mut self) -> Result<Query, QueryError> {
        self.skip_spaces();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.here("too many parentheses or negations inside each other", None));
        }
        let item = self.item_within()?;
        self.depth -= 1;
        self.skip_spaces();
        Ok(item)
    }

    fn item_within(&mut self) -> Result<Query, QueryError> {
        if self.keyword("not") {
            return Ok(Query::Not(Box::new(self.item()?)));
        }
        for word in ["or", "and"] {
            if self.at_keyword(word) {
                let hint = format!("put something on both sides, or quote the word: \"{word}\"");
                return Err(self.here(format!("`{word}` joins two terms"), Some(hint)));
            }
        }
        match self.peek() {
            None => Err(self.here("something to search for is missing here", None)),
            Some(')') => Err(self.here("something to search for is missing before `)`", None)),
            Some('(') => {
                let open = self.at;
                self.at += 1;
                let inner = self.any_of()?;
                if self.peek() != Some(')') {
                    return Err(error(open, "`(` is never closed", Some("add `)`".into())));
                }
                self.at += 1;
                Ok(inner)
            }
            Some('-') => {
                self.at += 1;
                match self.peek() {
                    None => Err(self.here("what to leave out is missing after `-`", None)),
                    Some(c) if c.is_whitespace() => {
                        Err(self.here("what to leave out must follow `-` at once", None))
                    }
                    Some(_) => Ok(Query::Not(Box::new(self.item()?))),
                }
            }
            Some(_) => self.term().map(Query::Leaf),
        }
    }

    fn term(&mut self) -> Result<Leaf, QueryError> {
        let column = self.at;
        if self.peek() == Some('"') {
            let value = self.value()?;
            return words(TextField::Text, value);
        }
        let name: String = self.chars[self.at..]
            .iter()
            .take_while(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'))
            .collect();
        let mut after = self.chars.get(self.at + name.len()).copied();
        let spaces = self.spaces_before_sign(&name);
        if spaces > 0 {
            after = self.chars.get(self.at + name.len() + spaces).copied();
        }
        if name.is_empty() || !matches!(after, Some(':' | '=' | '<' | '>')) {
            let value = self.value()?;
            return words(TextField::Text, value);
        }
        let Some(field) = find(&name) else {
            if let Some((term, values)) = APART.iter().find(|(term, _)| *term == name) {
                let message = format!("`{term}` cannot stand here like this");
                let hint = format!(
                    "write `{term}:` with {values}, as a term of its own, not in brackets or behind `-` or `or`"
                );
                return Err(error(column, message, Some(hint)));
            }
            let hint = match nearest(&name, FIELDS.iter().map(|f| f.name)) {
                Some(field) => format!("did you mean `{field}`?"),
                None => format!(
                    "to search for text with a colon, quote it; fields are {}",
                    list(FIELDS.iter().map(|f| f.name))
                ),
            };
            return Err(error(
                column,
                format!("there is no field `{name}`"),
                Some(hint),
            ));
        };
        self.at += name.len() + spaces;
        let operator = self.at;
        let comparison = self.comparison();
        self.skip_spaces();
        let value = match self.peek() {
            None | Some('(' | ')') => {
                return Err(self.here(
                    format!("a value is missing after `{name}`"),
                    Some(format!("{}: {}", field.name, field.doc)),
                ));
            }
            Some(_) => self.value()?,
        };
        self.leaf(field, comparison, operator, value)
    }

    /// Spaces between the name of a number field and its sign: people write `score > 0.7`.
    fn spaces_before_sign(&self, name: &str) -> usize {
        let is_number = find(name).is_some_and(|f| matches!(f.kind, Kind::Number(_)));
        let rest = &self.chars[self.at + name.len()..];
        let spaces = rest.iter().take_while(|c| c.is_whitespace()).count();
        match rest.get(spaces) {
            Some('<' | '>' | '=') if is_number => spaces,
            _ => 0,
        }
    }

    /// `:` is `None`: it fits every field.
    fn comparison(&mut self) -> Option<Comparison> {
        if self.peek() == Some(':') {
            self.at += 1;
            return None;
        }
        let rest: String = self.chars[self.at..].iter().take(2).collect();
        let found = Comparison::ALL
            .into_iter()
            .find(|c| rest.starts_with(c.sign()));
        self.at += found.map_or(0, |c| c.sign().len());
        found
    }

    fn leaf(
        &self,
        field: &'static FieldInfo,
        comparison: Option<Comparison>,
        operator: usize,
        value: Typed,
    ) -> Result<Leaf, QueryError> {
        if let Kind::Number(number) = field.kind {
            return match value.text.parse::<f64>() {
                Ok(parsed) if parsed.is_finite() => Ok(Leaf::Number {
                    field: number,
                    comparison: comparison.unwrap_or(Comparison::Equal),
                    value: parsed,
                }),
                _ => Err(error(
                    value.column,
                    format!("`{}` is not a number", value.text),
                    Some(format!("for example `{}>0.5`", field.name)),
                )),
            };
        }
        if comparison.is_some_and(|c| c != Comparison::Equal) {
            let hint = format!("write `{}:{}`", field.name, value.text);
            let message = format!("`{}` is not a number field", field.name);
            return Err(error(operator, message, Some(hint)));
        }
        if !value.quoted
            && let Some(special) = field
                .special
                .iter()
                .find(|s| s.eq_ignore_ascii_case(&value.text))
        {
            return Ok(Leaf::Key {
                field: field.name,
                value: match *special {
                    "any" => Value::Any,
                    "none" => Value::None,
                    _ => Value::Unknown,
                },
            });
        }
        if let Kind::Words(text) = field.kind {
            return words(text, value);
        }
        if field.kind == Kind::Id {
            let hint = || Some("an id is up to 16 hexadecimal digits".into());
            return value.text.parse().map(Leaf::Id).map_err(|_| {
                error(
                    value.column,
                    format!("`{}` is not an id", value.text),
                    hint(),
                )
            });
        }
        let name = self.name(field, &value)?;
        Ok(Leaf::Key {
            field: field.name,
            value: Value::Named(name),
        })
    }

    /// Full name of a relation by its short or full name, in any case.
    fn relation(&self, typed: &str) -> Option<String> {
        let same = |name: &str| name.eq_ignore_ascii_case(typed);
        let by_any_case = || {
            let mut relations = self.schema.relations().iter();
            relations.find(|r| same(&r.short) || same(&r.name))
        };
        match self.schema.find_relation(typed) {
            Some(id) => Some(self.schema.name(id).to_owned()),
            None => by_any_case().map(|r| r.name.clone()),
        }
    }

    /// `gold>predicted`; names may hold a `>` of their own.
    fn confusion(&self, typed: &str) -> Option<String> {
        let mut cuts = typed.match_indices('>');
        cuts.find_map(|(at, _)| {
            let gold = self.relation(typed[..at].trim())?;
            let predicted = self.relation(typed[at + 1..].trim())?;
            Some(confusion_name(&gold, &predicted))
        })
    }

    /// The exact name of a value of a relation, type, choice or file field.
    fn name(&self, field: &FieldInfo, value: &Typed) -> Result<String, QueryError> {
        let typed = value.text.as_str();
        match field.kind {
            Kind::Choice(choices) => {
                let same = |name: &str| name.eq_ignore_ascii_case(typed);
                let found = choices
                    .iter()
                    .find(|(name, others)| same(name) || others.iter().any(|o| same(o)));
                found.map(|(name, _)| (*name).to_owned()).ok_or_else(|| {
                    let names = choices.iter().map(|(name, _)| *name);
                    unknown(field, value, names.chain(field.special.iter().copied()))
                })
            }
            Kind::Relation => self.relation(typed).ok_or_else(|| {
                let names = self.schema.relations().iter().map(|r| r.short.as_str());
                unknown(field, value, names.chain(field.special.iter().copied()))
            }),
            Kind::Confusion => self.confusion(typed).ok_or_else(|| {
                let hint = format!(
                    "write `{}:\"gold relation>predicted relation\"`",
                    field.name
                );
                let message = format!("`{typed}` does not name two relations of this workspace");
                error(value.column, message, Some(hint))
            }),
            Kind::EntityType => {
                let types = self.schema.entity_types();
                let exact = types.iter().find(|t| *t == typed);
                exact
                    .or_else(|| types.iter().find(|t| t.eq_ignore_ascii_case(typed)))
                    .cloned()
                    .ok_or_else(|| {
                        let names = types.iter().map(String::as_str);
                        unknown(field, value, names.chain(field.special.iter().copied()))
                    })
            }
            Kind::Pattern => {
                let words = normalised(typed);
                if words.is_empty() && !typed.is_empty() {
                    let hint =
                        Some("words are letters and digits; nothing between is \"\"".to_owned());
                    return Err(error(value.column, "no word to look for", hint));
                }
                Ok(words)
            }
            Kind::File | Kind::Entity | Kind::Words(_) | Kind::Id | Kind::Number(_) => {
                Ok(typed.to_owned())
            }
        }
    }

    /// Quoted, or up to a space, a quote or a parenthesis.
    fn value(&mut self) -> Result<Typed, QueryError> {
        let column = self.at;
        if self.peek() != Some('"') {
            let text: String = self.chars[self.at..]
                .iter()
                .take_while(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"'))
                .collect();
            self.at += text.chars().count();
            return Ok(Typed {
                text,
                quoted: false,
                column,
            });
        }
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '"' => {
                    return Ok(Typed {
                        text,
                        quoted: true,
                        column,
                    });
                }
                '\\' if matches!(self.peek(), Some('"' | '\\')) => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                c => text.push(c),
            }
        }
        let hint = Some("add `\"` at the end".into());
        Err(error(column, "a quotation is never closed", hint))
    }

    /// Takes the bare word `word` if it is next.
    fn keyword(&mut self, word: &str) -> bool {
        let found = self.at_keyword(word);
        if found {
            self.at += word.len();
            self.skip_spaces();
        }
        found
    }
    fn at_keyword(&self, word: &str) -> bool {
        let rest = &self.chars[self.at..];
        let ends = rest
            .get(word.len())
            .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | '"'));
        ends && rest.len() >= word.len()
            && rest
                .iter()
                .zip(word.chars())
                .all(|(a, b)| a.eq_ignore_ascii_case(&b))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }
    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }
    fn here(&self, message: impl Into<String>, hint: Option<String>) -> QueryError {
        error(self.at, message, hint)
    }
}

fn single(mut parts: Vec<Query>, many: impl FnOnce(Vec<Query>) -> Query) -> Query {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

fn words(field: TextField, value: Typed) -> Result<Leaf, QueryError> {
    let stem = value.text.strip_suffix('*').unwrap_or_default();
    let matching = if !value.quoted && !stem.is_empty() && stem.chars().all(char::is_alphanumeric) {
        Match::Prefix
    } else {
        Match::Whole
    };
    if !value.text.chars().any(char::is_alphanumeric) {
        let message = format!("`{}` has no letter or digit to search for", value.text);
        return Err(error(value.column, message, None));
    }
    Ok(Leaf::Words {
        field,
        text: match matching {
            Match::Prefix => stem.to_owned(),
            Match::Whole => value.text,
        },
        matching,
    })
}

fn unknown<'a>(
    field: &FieldInfo,
    value: &Typed,
    names: impl Iterator<Item = &'a str> + Clone,
) -> QueryError {
    let what = match field.kind {
        Kind::Relation => "relation".to_owned(),
        Kind::EntityType => "entity type".to_owned(),
        _ => format!("value of `{}`", field.name),
    };
    let hint = match nearest(&value.text, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are {}", list(names)),
    };
    error(
        value.column,
        format!("`{}` is no {what} here", value.text),
        Some(hint),
    )
}

/// The first dozen names.
fn list<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    const SHOWN: usize = 12;
    let more = if names.clone().count() > SHOWN {
        ", ..."
    } else {
        ""
    };
    let first: Vec<_> = names.take(SHOWN).collect();
    format!("{}{more}", first.join(", "))
}
