//! A sentence as a blob: text first, so that a list row needs only the first bytes; then numbers of 7 bits a byte.
//! About 1.2 times the text for a news sentence of 40 tokens.

use super::bytes::{Cursor, Malformed, Writer};
use super::names::{Names, Translation};
use crate::domain::{
    ByteSpan, Entity, EntityTypeId, GoldSource, GoldTriple, RelationId, Sentence, SentenceId,
    Split, TokenSpan, Triple,
};
use std::sync::Arc;

const VERSION: u64 = 1;

/// `file` is the file's number. The sentence has passed [`Sentence::check`].
pub(super) fn encode(sentence: &Sentence, file: u32, numbers: &Translation) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(
        sentence.text.len() + 2 * sentence.tokens.len() + 64,
    ));
    out.number(VERSION);
    out.text(&sentence.text);
    optional_text(&mut out, sentence.native_id.as_deref());
    out.number(u64::from(file));
    out.number(u64::from(sentence.line));
    out.length(sentence.tokens.len());
    let mut previous = 0;
    for token in &sentence.tokens {
        out.length(token.start() - previous);
        out.length(token.len());
        previous = token.end();
    }
    out.length(sentence.entities.len());
    for entity in &sentence.entities {
        span(&mut out, entity.span);
        out.optional(entity.kind.map(|k| numbers.entity_type(k).into()));
        optional_text(&mut out, entity.link.as_deref());
    }
    out.length(sentence.gold.len());
    for gold in &sentence.gold {
        triple(&mut out, gold.triple, numbers);
        out.number(match gold.source {
            GoldSource::Distant => 0,
            GoldSource::Human => 1,
            GoldSource::Imported => 2,
        });
        out.number(u64::from(gold.line));
    }
    out.0
}

/// The text alone; `bytes` may end anywhere, the text then ends there too.
pub(super) fn decode_text(bytes: &[u8]) -> Result<String, Malformed> {
    let mut bytes = Cursor(bytes);
    version(&mut bytes)?;
    let length = bytes.small::<usize>()?.min(bytes.0.len());
    let cut = &bytes.0[..length];
    match std::str::from_utf8(cut) {
        Ok(text) => Ok(text.to_owned()),
        // Cut within a character: no error length.
        Err(e) if e.error_len().is_none() => {
            Ok(String::from_utf8_lossy(&cut[..e.valid_up_to()]).into_owned())
        }
        Err(_) => Err("a text is not UTF-8"),
    }
}

pub(super) fn decode(
    id: SentenceId,
    split: Split,
    bytes: &[u8],
    names: &Names,
) -> Result<Sentence, Malformed> {
    let mut bytes = Cursor(bytes);
    version(&mut bytes)?;
    let text = bytes.text()?.to_owned();
    let native_id = optional_text_of(&mut bytes)?.map(str::to_owned);
    let file = names
        .files
        .get(&bytes.small::<u32>()?)
        .ok_or("a file has no name")?
        .clone();
    let line = bytes.small()?;
    let tokens = decode_tokens(&mut bytes, &text)?;
    let n_entities = bytes.count()?;
    let mut entities = Vec::with_capacity(n_entities);
    for _ in 0..n_entities {
        entities.push(Entity {
            span: span_of(&mut bytes, tokens.len())?,
            kind: type_of(&mut bytes, names)?,
            link: optional_text_of(&mut bytes)?.map(Arc::from),
        });
    }
    let n_gold = bytes.count()?;
    let mut gold = Vec::with_capacity(n_gold);
    for _ in 0..n_gold {
        gold.push(GoldTriple {
            triple: triple_of(&mut bytes, tokens.len(), names)?,
            source: match bytes.byte()? {
                0 => GoldSource::Distant,
                1 => GoldSource::Human,
                2 => GoldSource::Imported,
                _ => return Err("a gold label has no known source"),
            },
            line: bytes.small()?,
        });
    }
    bytes.end()?;
    Ok(Sentence {
        id,
        native_id,
        text,
        tokens,
        entities,
        gold,
        split,
        file,
        line,
    })
}

fn version(bytes: &mut Cursor) -> Result<(), Malformed> {
    match bytes.number()? {
        VERSION => Ok(()),
        _ => Err("a record has an unknown version"),
    }
}

fn decode_tokens(bytes: &mut Cursor, text: &str) -> Result<Vec<ByteSpan>, Malformed> {
    let n_tokens = bytes.count()?;
    let mut tokens = Vec::with_capacity(n_tokens);
    let mut previous = 0usize;
    for _ in 0..n_tokens {
        let start = previous.saturating_add(bytes.small()?);
        let end = start.saturating_add(bytes.small()?);
        let token = ByteSpan::new(start, end)
            .filter(|token| text.get(token.range()).is_some())
            .ok_or("a token is outside its text")?;
        tokens.push(token);
        previous = end;
    }
    Ok(tokens)
}

fn optional_text(out: &mut Writer, text: Option<&str>) {
    out.number(text.is_some().into());
    if let Some(text) = text {
        out.text(text);
    }
}
fn optional_text_of<'a>(bytes: &mut Cursor<'a>) -> Result<Option<&'a str>, Malformed> {
    match bytes.byte()? {
        0 => Ok(None),
        _ => bytes.text().map(Some),
    }
}

pub(super) fn span(out: &mut Writer, span: TokenSpan) {
    out.length(span.start());
    out.length(span.len());
}
pub(super) fn span_of(bytes: &mut Cursor, n_tokens: usize) -> Result<TokenSpan, Malformed> {
    let start: usize = bytes.small()?;
    let end = start.saturating_add(bytes.small()?);
    TokenSpan::new(start, end)
        .filter(|span| span.end() <= n_tokens)
        .ok_or("a span is outside its sentence")
}

pub(super) fn triple(out: &mut Writer, triple: Triple, numbers: &Translation) {
    span(out, triple.head);
    out.number(numbers.relation(triple.relation).into());
    span(out, triple.tail);
}
pub(super) fn triple_of(
    bytes: &mut Cursor,
    n_tokens: usize,
    names: &Names,
) -> Result<Triple, Malformed> {
    Ok(Triple {
        head: span_of(bytes, n_tokens)?,
        relation: relation_of(bytes, names)?,
        tail: span_of(bytes, n_tokens)?,
    })
}

pub(super) fn relation_of(bytes: &mut Cursor, names: &Names) -> Result<RelationId, Malformed> {
    let number: u16 = bytes.small()?;
    if usize::from(number) < names.relations.len() {
        Ok(RelationId(number))
    } else {
        Err("a relation has no name")
    }
}
pub(super) fn type_of(
    bytes: &mut Cursor,
    names: &Names,
) -> Result<Option<EntityTypeId>, Malformed> {
    let number = bytes.optional::<u16>()?;
    if number.is_some_and(|n| usize::from(n) >= names.types.len()) {
        return Err("an entity type has no name");
    }
    Ok(number.map(EntityTypeId))
}
