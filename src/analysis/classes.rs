//! Overlap classes of sentences: Normal, entity pair overlap (EPO), single entity overlap (SEO).
//!
//! From Zeng et al. 2018, with the details that the published counts need (specs: rin 8, kernel_head 8): pairs are
//! ordered, and an exact duplicate of a triple makes a sentence EPO.

use crate::domain::{TokenSpan, Triple};
use std::collections::HashSet;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SentenceClass {
    /// No entity occurs twice.
    Normal,
    /// An ordered pair occurs twice.
    EntityPairOverlap,
    /// Two different ordered pairs share an entity.
    SingleEntityOverlap,
}

impl SentenceClass {
    pub const ALL: [SentenceClass; 3] = [
        SentenceClass::Normal,
        SentenceClass::EntityPairOverlap,
        SentenceClass::SingleEntityOverlap,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SentenceClass::Normal => "Normal",
            SentenceClass::EntityPairOverlap => "EPO",
            SentenceClass::SingleEntityOverlap => "SEO",
        }
    }
}

/// The classes of one sentence: Normal alone, or EPO, SEO or both; none without triples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SentenceClasses {
    pub normal: bool,
    pub epo: bool,
    pub seo: bool,
}

impl SentenceClasses {
    pub fn iter(self) -> impl Iterator<Item = SentenceClass> {
        let holds = [self.normal, self.epo, self.seo];
        let classes = SentenceClass::ALL.into_iter().zip(holds);
        classes.filter(|(_, holds)| *holds).map(|(class, _)| class)
    }
}

/// Classes of a sentence with these gold triples; give duplicates as they stand in the corpus. An entity is its span.
pub fn classes(triples: &[Triple]) -> SentenceClasses {
    if triples.is_empty() {
        return SentenceClasses::default();
    }
    let pairs: HashSet<(TokenSpan, TokenSpan)> = triples.iter().map(|t| (t.head, t.tail)).collect();
    let entities: HashSet<TokenSpan> = pairs.iter().flat_map(|&(h, t)| [h, t]).collect();
    if entities.len() == 2 * triples.len() {
        return SentenceClasses {
            normal: true,
            ..SentenceClasses::default()
        };
    }
    SentenceClasses {
        normal: false,
        epo: pairs.len() != triples.len(),
        seo: entities.len() != 2 * pairs.len(),
    }
}

/// 0 to 5, where 5 is "5 or more"; duplicates count.
pub fn number_bucket(triples: &[Triple]) -> usize {
    triples.len().min(5)
}

#[cfg(test)]
mod tests {
    use super::super::score::tests::golden;
    use super::*;

    #[test]
    fn classes_and_buckets_equal_the_golden_ones() {
        let (golden, mut names) = golden("metrics_triples");
        let sentences = golden["in"]["sentences"].as_array().unwrap();
        for (i, sentence) in sentences.iter().enumerate() {
            // Here a triple is head, tail, relation.
            let triples = names.triples(sentence, [0, 2, 1]);
            let found: Vec<&str> = classes(&triples).iter().map(SentenceClass::name).collect();
            let expected: Vec<&str> = golden["out"]["classes"][i]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c.as_str().unwrap())
                .collect();
            assert_eq!(found, expected, "sentence {i}");
            assert_eq!(
                number_bucket(&triples) as u64,
                golden["out"]["count_bucket"][i].as_u64().unwrap()
            );
        }
        assert_eq!(classes(&[]), SentenceClasses::default());
    }

    #[test]
    fn duplicates_make_epo_and_self_loops_seo() {
        let triple = |h, t| Triple {
            head: TokenSpan::new(h, h + 1).unwrap(),
            relation: crate::domain::RelationId(0),
            tail: TokenSpan::new(t, t + 1).unwrap(),
        };
        let names = |triples: &[Triple]| {
            classes(triples)
                .iter()
                .map(SentenceClass::name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&[triple(0, 1), triple(0, 1)]), ["EPO"]);
        assert_eq!(names(&[triple(0, 0)]), ["SEO"]);
    }
}
