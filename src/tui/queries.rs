//! The query text (docs/query.md) behind what a key or a click filters by.

/// Labels that are probably wrong.
pub const WRONG: &str = "queue:wrong";
/// Relations that are probably missing.
pub const MISSING: &str = "queue:missing";

/// Labels that kept rules ask about.
pub const RULES: &str = "queue:rules";
/// Labels on which duplicates disagree.
pub const DUPLICATES: &str = "queue:duplicates";

/// What the current run decides rightly and the one compared with did not; of one relation, or of all.
pub fn fixed(relation: Option<&str>) -> String {
    format!("queue:fixed{}", about(relation))
}

/// What the current run decides wrongly and the one compared with did not.
pub fn broken(relation: Option<&str>) -> String {
    format!("queue:broken{}", about(relation))
}

fn about(relation: Option<&str>) -> String {
    relation.map_or_else(String::new, |name| format!(" about:{}", quoted(name)))
}

/// The sentence of a dispute, with the disputed triples marked.
pub fn disputed(id: crate::domain::SentenceId) -> String {
    format!("disputed:any id:{id}")
}

/// Sentences with this relation, labelled or predicted.
pub fn by_relation(name: &str) -> String {
    format!("rel:{}", quoted(name))
}

/// Sentences in which the model predicts this relation and no label that stands agrees.
pub fn false_positives(name: &str) -> String {
    format!("fp:{}", quoted(name))
}

/// Sentences with a label of this relation that the model does not predict.
pub fn false_negatives(name: &str) -> String {
    format!("fn:{}", quoted(name))
}

/// Sentences with a label of one relation whose pair is predicted under the other.
pub fn confused(gold: &str, predicted: &str) -> String {
    format!("confused:{}", quoted(&format!("{gold}>{predicted}")))
}

/// Sentences with a label of this relation that has a counterpart of the same relation, exact or not.
pub fn met(name: &str) -> String {
    let name = quoted(name);
    format!("correct:{name} or reversed:{name} or boundary:{name} or wrong-type:{name}")
}

/// Sentences with a label of this relation without counterpart.
pub fn missed(name: &str) -> String {
    format!("missed:{}", quoted(name))
}

/// Sentences with a prediction of this relation without counterpart.
pub fn spurious(name: &str) -> String {
    format!("spurious:{}", quoted(name))
}

/// Sentences in which some triple fared so.
pub fn outcome(name: &str) -> String {
    format!("outcome:{name}")
}

/// Sentences with a triple that is flagged so.
pub fn tag(name: &str) -> String {
    format!("tag:{name}")
}

/// Sentences that say this fact, labelled or predicted, of these two entities: links, or whole names where there are none.
pub fn by_fact(relation: &str, head: &str, tail: &str) -> String {
    let entities = format!("head-is:{} tail-is:{}", quoted(head), quoted(tail));
    format!("{} {entities}", by_relation(relation))
}

/// Sentences with a label of this relation, standing or not, of which `pattern` (a term) holds.
pub fn by_pattern(relation: &str, stands: bool, pattern: &str) -> String {
    let field = if stands { "gold" } else { "rel" };
    format!("{field}:{} {pattern}", quoted(relation))
}

/// `query` with `term` added, or taken out where it stands already.
pub fn toggled(query: &str, term: &str) -> String {
    let query = query.trim();
    let without = match query.find(term) {
        Some(at) if is_whole(query, at, term.len()) => {
            format!(
                "{} {}",
                query[..at].trim_end(),
                query[at + term.len()..].trim_start()
            )
        }
        _ => format!("{query} {term}"),
    };
    without.trim().to_owned()
}

/// Whether `query` holds `term` as a term of its own.
pub fn holds(query: &str, term: &str) -> bool {
    query
        .match_indices(term)
        .any(|(at, _)| is_whole(query, at, term.len()))
}

fn is_whole(query: &str, at: usize, len: usize) -> bool {
    let before = query[..at].chars().next_back();
    let after = query[at + len..].chars().next();
    before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace)
}

fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_goes_in_and_out_of_a_query() {
        let check = |query: &str, term: &str, expected: &str| {
            assert_eq!(toggled(query, term), expected, "{query:?} {term:?}");
        };
        check("", "rel:contains", "rel:contains");
        check("state:todo", "rel:contains", "state:todo rel:contains");
        check(
            "state:todo rel:contains born",
            "rel:contains",
            "state:todo born",
        );
        check(
            "rel:contains_x",
            "rel:contains",
            "rel:contains_x rel:contains",
        );
        assert_eq!(false_positives("place_lived"), "fp:place_lived");
        assert_eq!(confused("born_in", "lived"), "confused:\"born_in>lived\"");
        assert_eq!(
            by_fact("born_in", "ana ruiz", "/m/0c_d"),
            "rel:born_in head-is:\"ana ruiz\" tail-is:/m/0c_d"
        );
        assert_eq!(by_relation("lives \"in\""), r#"rel:"lives \"in\"""#);
        assert!(holds("a rel:x b", "rel:x") && !holds("a rel:xy", "rel:x"));
    }
}
