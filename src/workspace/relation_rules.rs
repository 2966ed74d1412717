//! The rules between relations that a workspace keeps, rules that its labels suggest, and what they find.
//!
//! Rules come from a TOML file (`redress rules FILE`) or from proposals that a curator accepts; they lie in the workspace by the relations' names. They list
//! triples (`queue:rules`) and change none.

use crate::analysis::Sample;
use crate::analysis::rules::{Breach, Facts, Rule, check, propose};
use crate::domain::{EntityTypeId, RelationId, RelationSchema, Triple, Verdict};
use crate::store::Reader;
use crate::workspace::noise::finding::Finding;
use crate::workspace::noise::pairs::pairs;
use crate::workspace::noise::queue::Candidate;
use crate::workspace::pass::each_view;
use crate::workspace::{Tell, Workspace, stored_rule};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// The setting that holds them.
const SETTING: &str = "relation rules";

/// A rule by names, as in a rules file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedRule {
    /// symmetric, antisymmetric, implies, implies-reversed, inverse, head-types, tail-types.
    pub kind: String,
    pub relation: String,
    /// The relation that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
}

/// A rules file: `[[rule]]` tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default)]
    rule: Vec<NamedRule>,
}

/// What curators decided of rules.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RuleBook {
    pub accepted: Vec<NamedRule>,
    pub refused: Vec<NamedRule>,
}

impl RuleBook {
    pub fn read(reader: &Reader) -> Result<Self> {
        match reader.setting(SETTING)? {
            Some(text) => serde_json::from_str(&text).context("the workspace's rules"),
            None => Ok(Self::default()),
        }
    }

    /// Keeps the rule, or refuses it for good; `None` forgets what was decided.
    pub fn decide(&mut self, rule: &NamedRule, keep: Option<bool>) {
        self.accepted.retain(|r| r != rule);
        self.refused.retain(|r| r != rule);
        match keep {
            Some(true) => self.accepted.push(rule.clone()),
            Some(false) => self.refused.push(rule.clone()),
            None => {}
        }
    }

    /// The accepted rules, each with its place among them.
    fn resolved(&self, schema: &RelationSchema) -> Result<Vec<(usize, Rule)>> {
        let mut rules = Vec::new();
        for (n, named) in self.accepted.iter().enumerate() {
            rules.extend(named.resolve(schema)?.into_iter().map(|rule| (n, rule)));
        }
        Ok(rules)
    }
}

/// Reads a rules file against the names of a workspace; all of it or nothing.
pub fn parse_rules(text: &str, schema: &RelationSchema) -> Result<Vec<NamedRule>> {
    let file: RulesFile = toml::from_str(text)?;
    for (n, rule) in file.rule.iter().enumerate() {
        rule.resolve(schema)
            .with_context(|| format!("rule {} ({} of {})", n + 1, rule.kind, rule.relation))?;
    }
    Ok(file.rule)
}

impl NamedRule {
    fn resolve(&self, schema: &RelationSchema) -> Result<Vec<Rule>> {
        let find = |name: &str| {
            schema
                .find_relation(name)
                .with_context(|| format!("no relation {name} in this workspace"))
        };
        let relation = find(&self.relation)?;
        let other = || {
            let name = self
                .other
                .as_deref()
                .context("expected `other`, a relation")?;
            find(name)
        };
        let types = || -> Result<Vec<EntityTypeId>> {
            let names = self.types.iter().flatten();
            let found = names.map(|name| {
                schema
                    .entity_type(name)
                    .with_context(|| format!("no entity type {name} in this workspace"))
            });
            let found = found.collect::<Result<Vec<_>>>()?;
            if found.is_empty() {
                bail!("expected `types`, a list of entity types");
            }
            Ok(found)
        };
        Ok(match self.kind.as_str() {
            "symmetric" => vec![Rule::Symmetric(relation)],
            "antisymmetric" => vec![Rule::Antisymmetric(relation)],
            "implies" => vec![Rule::Implies(relation, other()?)],
            "implies-reversed" => vec![Rule::ImpliesReversed(relation, other()?)],
            "inverse" => {
                let other = other()?;
                vec![
                    Rule::ImpliesReversed(relation, other),
                    Rule::ImpliesReversed(other, relation),
                ]
            }
            "head-types" => vec![Rule::HeadTypes(relation, types()?)],
            "tail-types" => vec![Rule::TailTypes(relation, types()?)],
            kind => bail!(
                "there is no kind of rule {kind}; expected symmetric, antisymmetric, implies, implies-reversed, inverse, \
                 head-types or tail-types"
            ),
        })
    }

    fn of(rule: &Rule, schema: &RelationSchema) -> Self {
        let name = |r: &RelationId| schema.name(*r).to_owned();
        let types = |types: &[EntityTypeId]| {
            Some(
                types
                    .iter()
                    .map(|t| schema.type_name(*t).to_owned())
                    .collect(),
            )
        };
        let (kind, other, types) = match rule {
            Rule::Symmetric(_) => ("symmetric", None, None),
            Rule::Antisymmetric(_) => ("antisymmetric", None, None),
            Rule::Implies(_, other) => ("implies", Some(name(other)), None),
            Rule::ImpliesReversed(_, other) => ("implies-reversed", Some(name(other)), None),
            Rule::HeadTypes(_, kept) => ("head-types", None, types(kept)),
            Rule::TailTypes(_, kept) => ("tail-types", None, types(kept)),
        };
        Self {
            kind: kind.to_owned(),
            relation: name(&rule.relation()),
            other,
            types,
        }
    }

    /// `founders(a, b) → company(b, a)`.
    pub fn in_words(&self) -> String {
        let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let relation = short(&self.relation);
        let other = short(self.other.as_deref().unwrap_or("?"));
        let types = self.types.as_deref().unwrap_or(&[]).join(" or ");
        match self.kind.as_str() {
            "symmetric" => format!("{relation}(a, b) → {relation}(b, a)"),
            "antisymmetric" => format!("{relation}(a, b) → not {relation}(b, a)"),
            "implies" => format!("{relation}(a, b) → {other}(a, b)"),
            "implies-reversed" => format!("{relation}(a, b) → {other}(b, a)"),
            "inverse" => format!("{relation}(a, b) ↔ {other}(b, a)"),
            "head-types" => format!("{relation}(a, b) → a is {types}"),
            _ => format!("{relation}(a, b) → b is {types}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleState {
    Accepted,
    Refused,
    Proposed,
}

/// A rule with what is known of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KnownRule {
    pub rule: NamedRule,
    pub words: String,
    pub state: RuleState,
    /// Facts of the corpus that it is about, and those that keep it; `None` for a rule from a file that the corpus does not suggest.
    pub corpus: Option<Sample>,
    /// The same of verdicts on both labels of a pair of mentions.
    pub verdicts: Option<Sample>,
}

impl KnownRule {
    /// `48 of 60 facts, 19 of 20 verdicts`.
    pub fn support(&self) -> String {
        let part = |sample: Option<Sample>, what: &str| {
            let sample = sample.filter(|s| s.judged > 0)?;
            Some(format!("{} of {} {what}", sample.hits, sample.judged))
        };
        let counted = if self.rule.types.is_some() {
            "labels"
        } else {
            "facts"
        };
        let parts = [part(self.corpus, counted), part(self.verdicts, "verdicts")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// [`known_rules`] of the workspace in `dir`.
pub fn rules_of(dir: &Path, tell: Tell) -> Result<Option<Vec<KnownRule>>> {
    known_rules(&Reader::open(dir)?, tell)
}

/// Accepted rules, then what the corpus suggests, then refused ones; `None` when stopped. One pass over the sentences; `tell` hears of them.
pub fn known_rules(reader: &Reader, tell: Tell) -> Result<Option<Vec<KnownRule>>> {
    let book = RuleBook::read(reader)?;
    let schema = reader.schema()?;
    let Some(facts) = facts(reader, tell)? else {
        return Ok(None);
    };
    let mut proposed: Vec<KnownRule> = propose(&facts)
        .into_iter()
        .map(|p| {
            let rule = NamedRule::of(&p.rule, &schema);
            KnownRule {
                words: rule.in_words(),
                rule,
                state: RuleState::Proposed,
                corpus: Some(p.corpus),
                verdicts: Some(p.verdicts),
            }
        })
        .collect();
    let mut take = |rules: &[NamedRule], state: RuleState| -> Vec<KnownRule> {
        let known = rules.iter().map(|rule| {
            let at = proposed.iter().position(|p| p.rule == *rule);
            let known = at.map(|at| proposed.remove(at));
            let known = known.unwrap_or_else(|| KnownRule {
                words: rule.in_words(),
                rule: rule.clone(),
                state,
                corpus: None,
                verdicts: None,
            });
            KnownRule { state, ..known }
        });
        known.collect()
    };
    let mut all = take(&book.accepted, RuleState::Accepted);
    let refused = take(&book.refused, RuleState::Refused);
    all.extend(proposed);
    all.extend(refused);
    Ok(Some(all))
}

fn facts(reader: &Reader, tell: Tell) -> Result<Option<Facts>> {
    let mut facts = Facts::default();
    let whole = each_view(reader, &stored_rule(reader)?, tell, |_, view| {
        for pair in pairs(&view.annotation) {
            let [head, tail] = [pair.head, pair.tail].map(|s| number(&view.entity_key(s)));
            let kind = |span| view.annotation.entity(span).and_then(|e| e.kind);
            for relation in &pair.standing {
                facts.add((head, tail), *relation, [kind(pair.head), kind(pair.tail)]);
            }
        }
        let judged = view.annotation.triples.iter();
        let judged = judged.filter_map(|t| match t.verdict? {
            Verdict::Accept => Some((t.triple, true)),
            Verdict::Reject => Some((t.triple, false)),
            Verdict::Unsure => None,
        });
        let judged: Vec<(Triple, bool)> = judged.collect();
        for (a, _) in judged.iter().filter(|(_, right)| *right) {
            for (b, right) in judged.iter().filter(|(b, _)| b != a) {
                let reversed = (b.head, b.tail) == (a.tail, a.head);
                if reversed || (b.head, b.tail) == (a.head, a.tail) {
                    facts.judge(a.relation, b.relation, reversed, *right);
                }
            }
        }
        Ok(())
    })?;
    Ok(whole.then_some(facts))
}

/// A number for a name: the pairs of a million sentences by name would take their weight in memory.
fn number(name: &str) -> u64 {
    let digest = Sha256::digest(name.as_bytes());
    let bytes = digest.iter().take(8);
    bytes.fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// What the accepted rules find and nobody has judged: first what follows from labels that curators accepted, then in the corpus's order.
/// `None` when stopped.
pub fn findings(reader: &Reader, tell: Tell) -> Result<Option<Vec<Finding>>> {
    let schema = reader.schema()?;
    let book = RuleBook::read(reader)?;
    let (places, rules): (Vec<usize>, Vec<Rule>) = book.resolved(&schema)?.into_iter().unzip();
    let mut found: [Vec<Finding>; 2] = Default::default();
    if rules.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let whole = each_view(reader, &stored_rule(reader)?, tell, |idx, view| {
        let labels: BTreeSet<Triple> = view.annotation.standing().map(|t| t.triple).collect();
        let type_of = |span| view.annotation.entity(span).and_then(|e| e.kind);
        for broken in check(&rules, &labels, &type_of) {
            let verdict = |t: Triple| view.annotation.find(t).and_then(|t| t.verdict);
            if verdict(broken.triple).is_some() {
                continue;
            }
            let rule = book.accepted[places[broken.rule]].in_words();
            let (sure, why) = match broken.breach {
                Breach::Missing { from } => {
                    let sure = verdict(from) == Some(Verdict::Accept);
                    let of = if sure {
                        "accepted"
                    } else {
                        "not judged itself"
                    };
                    let short = schema.short(from.relation);
                    (sure, format!("{rule}: asked for by {short}, {of}"))
                }
                Breach::BothWays => (false, format!("{rule}: labelled both ways round")),
                Breach::HeadType => (false, format!("{rule}: the head is of another type")),
                Breach::TailType => (false, format!("{rule}: the tail is of another type")),
            };
            found[usize::from(!sure)].push(Finding {
                candidate: Candidate {
                    idx,
                    id: view.sentence.id,
                    triple: broken.triple,
                },
                why,
            });
        }
        Ok(())
    })?;
    let [sure, others] = found;
    Ok(whole.then(|| sure.into_iter().chain(others).collect()))
}

impl Workspace {
    pub fn set_rule_book(&mut self, book: &RuleBook) -> Result<()> {
        let text = serde_json::to_string(book)?;
        Ok(self.store.set_setting(SETTING, &text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rules_file_is_read_whole_or_refused() {
        let mut schema = RelationSchema::from_names(["/b/founders", "/p/company", "/p/spouse"]);
        schema.intern_type("PERSON").unwrap();
        let text = "[[rule]]\nkind = \"symmetric\"\nrelation = \"spouse\"\n\
                    [[rule]]\nkind = \"inverse\"\nrelation = \"founders\"\nother = \"/p/company\"\n\
                    [[rule]]\nkind = \"head-types\"\nrelation = \"company\"\ntypes = [\"PERSON\"]\n";
        let rules = parse_rules(text, &schema).unwrap();
        let words: Vec<String> = rules.iter().map(NamedRule::in_words).collect();
        assert_eq!(
            words,
            [
                "spouse(a, b) → spouse(b, a)",
                "founders(a, b) ↔ company(b, a)",
                "company(a, b) → a is PERSON"
            ]
        );
        let (r, s) = (RelationId(0), RelationId(1));
        let inverse = [Rule::ImpliesReversed(r, s), Rule::ImpliesReversed(s, r)];
        assert_eq!(rules[1].resolve(&schema).unwrap(), inverse);
        let refused = |text: &str, why: &str| {
            let error = parse_rules(text, &schema).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        };
        refused(
            "[[rule]]\nkind = \"symmetric\"\nrelation = \"x\"",
            "rule 1 (symmetric of x): no relation x",
        );
        refused(
            "[[rule]]\nkind = \"odd\"\nrelation = \"spouse\"",
            "no kind of rule odd",
        );
        refused(
            "[[rule]]\nkind = \"implies\"\nrelation = \"spouse\"",
            "expected `other`",
        );
        refused(
            "[[rule]]\nkind = \"tail-types\"\nrelation = \"spouse\"",
            "expected `types`",
        );
        refused(
            "[[rule]]\nkind = \"symmetric\"\nrelation = \"spouse\"\nx = 1",
            "unknown field",
        );
    }

    #[test]
    fn a_decision_takes_the_place_of_the_one_before() {
        let rule = NamedRule {
            kind: "symmetric".into(),
            relation: "spouse".into(),
            other: None,
            types: None,
        };
        let mut book = RuleBook::default();
        for (keep, accepted, refused) in [
            (Some(true), 1, 0),
            (Some(false), 0, 1),
            (Some(false), 0, 1),
            (None, 0, 0),
        ] {
            book.decide(&rule, keep);
            assert_eq!(
                (book.accepted.len(), book.refused.len()),
                (accepted, refused),
                "{keep:?}"
            );
        }
    }
}
