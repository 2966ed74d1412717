//! Which entities stand together in a sentence, how often, and the edge weights that follow. Pure counting.
//!
//! Source: Kuang et al. 2019 (paper body unseen); the weight formula is a reconstruction (specs: imr 2), so it is a setting.
//! Each unordered pair counts once a sentence, pairs of an entity with itself never. Who leaves the test sentences out is
//! the caller.

use super::MutualError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Entities looked at in one sentence: a list of hundreds of names is no evidence of closeness.
const MAX_ENTITIES: usize = 30;

/// What an edge weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeWeight {
    /// log(count) / log(largest count): 1 for the commonest pair, 0 for a pair seen once, which makes no edge. Where no
    /// pair was seen twice all weigh 1.
    LogNorm,
    /// log(1 + count): a pair seen once keeps its edge.
    Log1p,
    /// The count itself.
    Count,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphConfig {
    pub weight: EdgeWeight,
    /// Pairs seen less often make no edge.
    pub threshold: u32,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            weight: EdgeWeight::Log1p,
            threshold: 1,
        }
    }
}

impl GraphConfig {
    pub fn check(&self) -> Result<(), MutualError> {
        if self.threshold == 0 {
            return Err(MutualError::Config {
                what: "graph.threshold",
                found: "0".to_owned(),
                expected: "at least 1",
            });
        }
        Ok(())
    }
}

/// An entity by the key that tells it from others, and a name to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vertex {
    pub key: Box<str>,
    pub name: Box<str>,
}

/// Starts the key of an entity that is known by its name only.
const NAMED: &str = "name:";

impl Vertex {
    /// By its link to the knowledge base when there is one, else by its lower-cased name: namesakes without a link are one.
    pub fn of(link: Option<&str>, surface: &str) -> Self {
        let name = one_line(surface);
        let key = match link {
            Some(id) => one_line(id),
            None => format!("{NAMED}{}", name.to_lowercase()),
        };
        Self {
            key: key.into(),
            name: name.into(),
        }
    }
}

/// Runs of spaces, tabs and line ends as one space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sentences counted so far.
#[derive(Clone, Debug, Default)]
pub struct CoOccurrence {
    numbers: HashMap<Box<str>, u32>,
    vertices: Vec<Vertex>,
    /// Smaller number first.
    pairs: HashMap<(u32, u32), u32>,
    /// Of the above, what each part of the sentences has.
    parts: Vec<HashMap<(u32, u32), u32>>,
    pub sentences: u64,
    /// Sentences of more entities than are looked at.
    pub cut: u64,
}

impl CoOccurrence {
    /// Sentences may belong to one of `n` parts, each of which a graph can leave out.
    pub fn in_parts(n: usize) -> Self {
        Self {
            parts: vec![HashMap::new(); n],
            ..Self::default()
        }
    }

    /// Counts the pairs of one sentence, which is of part `part`; an entity named twice is one.
    pub fn add(&mut self, entities: &[Vertex], part: Option<usize>) {
        self.sentences += 1;
        let mut here = BTreeSet::new();
        for entity in entities {
            if here.len() == MAX_ENTITIES {
                self.cut += 1;
                break;
            }
            let next = self.vertices.len() as u32;
            let number = *self.numbers.entry(entity.key.clone()).or_insert(next);
            if number == next {
                self.vertices.push(entity.clone());
            }
            here.insert(number);
        }
        let here: Vec<u32> = here.into_iter().collect();
        for (i, a) in here.iter().enumerate() {
            for b in &here[i + 1..] {
                *self.pairs.entry((*a, *b)).or_default() += 1;
                if let Some(own) = part.and_then(|p| self.parts.get_mut(p)) {
                    *own.entry((*a, *b)).or_default() += 1;
                }
            }
        }
    }

    pub fn n_entities(&self) -> usize {
        self.vertices.len()
    }
    pub fn n_pairs(&self) -> usize {
        self.pairs.len()
    }

    /// The graph under `config`: entities without an edge are left out.
    pub fn weigh(&self, config: &GraphConfig) -> Result<ProximityGraph, MutualError> {
        config.check()?;
        let edges = self.edges(config, None);
        Ok(self.between(&ends(&edges), edges))
    }

    /// The same without each part in turn. The vertices are the whole graph's in the same order, so some may be without an edge.
    pub fn weigh_without_parts(
        &self,
        config: &GraphConfig,
    ) -> Result<impl Iterator<Item = ProximityGraph>, MutualError> {
        config.check()?;
        let vertices = ends(&self.edges(config, None));
        let parts = self.parts.iter();
        Ok(parts.map(move |part| self.between(&vertices, self.edges(config, Some(part)))))
    }

    /// Entities that stand beside another in some sentence of a part.
    pub fn of_part(&self, part: usize) -> impl Iterator<Item = &Vertex> {
        let pairs = self.parts.get(part).into_iter().flatten();
        let ends: BTreeSet<u32> = pairs.flat_map(|((a, b), _)| [*a, *b]).collect();
        ends.into_iter().map(|n| &self.vertices[n as usize])
    }

    /// Entities by their numbers, and the edges that have both ends among them.
    fn between(&self, entities: &BTreeSet<u32>, edges: Vec<Edge>) -> ProximityGraph {
        let mut rows: Vec<Option<u32>> = vec![None; self.vertices.len()];
        for (row, number) in (0u32..).zip(entities) {
            rows[*number as usize] = Some(row);
        }
        let vertex = |number: &u32| self.vertices[*number as usize].clone();
        let edges = edges.into_iter().filter_map(|edge| {
            Some(Edge {
                a: rows[edge.a as usize]?,
                b: rows[edge.b as usize]?,
                weight: edge.weight,
            })
        });
        ProximityGraph {
            vertices: entities.iter().map(vertex).collect(),
            edges: edges.collect(),
        }
    }

    /// Between entities by their numbers, sorted: the order of a hash map must not reach a result.
    fn edges(&self, config: &GraphConfig, without: Option<&HashMap<(u32, u32), u32>>) -> Vec<Edge> {
        let left_out = |pair| without.and_then(|w| w.get(pair)).copied().unwrap_or(0);
        let counts = self.pairs.iter().map(|(p, n)| (*p, n - left_out(p)));
        let sorted: BTreeMap<(u32, u32), u32> = counts.filter(|(_, n)| *n > 0).collect();
        let largest = sorted.values().copied().max().unwrap_or(0);
        let weighed = sorted.into_iter().map(|((a, b), count)| {
            let weight = edge_weight(config.weight, count, largest);
            (count >= config.threshold && weight > 0.0).then_some(Edge { a, b, weight })
        });
        weighed.flatten().collect()
    }
}

fn ends(edges: &[Edge]) -> BTreeSet<u32> {
    edges.iter().flat_map(|e| [e.a, e.b]).collect()
}

fn edge_weight(rule: EdgeWeight, count: u32, largest: u32) -> f32 {
    let count = f64::from(count);
    let weight = match rule {
        EdgeWeight::LogNorm if largest <= 1 => 1.0,
        EdgeWeight::LogNorm => count.ln() / f64::from(largest).ln(),
        EdgeWeight::Log1p => count.ln_1p(),
        EdgeWeight::Count => count,
    };
    weight as f32
}

/// One undirected edge between two rows of [`ProximityGraph::vertices`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Edge {
    pub a: u32,
    pub b: u32,
    /// Above 0.
    pub weight: f32,
}

/// Edges are sorted and distinct.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ProximityGraph {
    pub vertices: Vec<Vertex>,
    pub edges: Vec<Edge>,
}

impl ProximityGraph {
    /// Sum of the weights over both ends of both directions of every edge (LINE's degree).
    pub fn degrees(&self) -> Vec<f64> {
        let mut degrees = vec![0.0; self.vertices.len()];
        for edge in &self.edges {
            for end in [edge.a, edge.b] {
                degrees[end as usize] += 2.0 * f64::from(edge.weight);
            }
        }
        degrees
    }

    /// Which vertices have an edge.
    pub fn joined(&self) -> Vec<bool> {
        let mut joined = vec![false; self.vertices.len()];
        for end in self.edges.iter().flat_map(|e| [e.a, e.b]) {
            joined[end as usize] = true;
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::Golden;
    use std::collections::BTreeMap;

    fn vertex(name: &str) -> Vertex {
        Vertex {
            key: name.into(),
            name: name.into(),
        }
    }
    fn sentence(names: &str) -> Vec<Vertex> {
        names.split_whitespace().map(vertex).collect()
    }

    /// The golden graph: each pair as often as its `co` says.
    fn golden_counts(golden: &Golden) -> CoOccurrence {
        let mut counts = CoOccurrence::default();
        let co: BTreeMap<String, u32> = golden.parse("/in/co");
        for (pair, n) in co {
            let ends: Vec<Vertex> = pair.split('-').map(vertex).collect();
            (0..n).for_each(|_| counts.add(&ends, None));
        }
        counts
    }

    #[test]
    fn golden_weights_with_and_without_threshold() {
        let golden = Golden::load("line_graph");
        let counts = golden_counts(&golden);
        for (threshold, expected) in [(1, "/out/w"), (10, "/out/w_threshold_10")] {
            let config = GraphConfig {
                weight: EdgeWeight::LogNorm,
                threshold,
            };
            let graph = counts.weigh(&config).unwrap();
            let name = |v: u32| &graph.vertices[v as usize].name;
            let found: BTreeMap<String, f64> = graph
                .edges
                .iter()
                .map(|e| (format!("{}-{}", name(e.a), name(e.b)), f64::from(e.weight)))
                .collect();
            let expected: BTreeMap<String, f64> = golden.parse(expected);
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>()
            );
            for (pair, weight) in expected {
                assert!((found[&pair] - weight).abs() < 1e-6, "{pair}");
            }
        }
        let config = GraphConfig {
            weight: EdgeWeight::LogNorm,
            threshold: 1,
        };
        let degrees = counts.weigh(&config).unwrap().degrees();
        let expected: Vec<f64> = golden.parse("/out/degree/data");
        for (found, expected) in degrees.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_pair_counts_once_a_sentence_and_never_with_itself() {
        let mut counts = CoOccurrence::default();
        for text in ["a b a b", "b a", "a a", "c", "a c"] {
            counts.add(&sentence(text), None);
        }
        let weights = |weight, threshold| {
            let graph = counts.weigh(&GraphConfig { weight, threshold }).unwrap();
            let names: Vec<String> = graph.vertices.iter().map(|v| v.name.to_string()).collect();
            let edges: Vec<_> = graph.edges.iter().map(|e| (e.a, e.b, e.weight)).collect();
            (names.join(" "), edges)
        };
        assert_eq!(
            weights(EdgeWeight::Count, 1),
            ("a b c".to_owned(), vec![(0, 1, 2.0), (0, 2, 1.0)])
        );
        // Seen once: weight 0 under log_norm, so no edge, and c is left without any.
        assert_eq!(
            weights(EdgeWeight::LogNorm, 1),
            ("a b".to_owned(), vec![(0, 1, 1.0)])
        );
        assert_eq!(weights(EdgeWeight::Count, 3).1, vec![]);
        assert!(
            counts
                .weigh(&GraphConfig {
                    threshold: 0,
                    ..GraphConfig::default()
                })
                .is_err()
        );
    }

    #[test]
    fn a_graph_without_a_part_has_the_same_vertices_and_the_other_sentences() {
        let sentences = [
            ("a b", Some(0)),
            ("a b", Some(1)),
            ("b c", Some(1)),
            ("c d", None),
            ("e", Some(0)),
        ];
        let mut counts = CoOccurrence::in_parts(2);
        for (text, part) in sentences {
            counts.add(&sentence(text), part);
        }
        let config = GraphConfig {
            weight: EdgeWeight::Count,
            threshold: 1,
        };
        let whole = counts.weigh(&config).unwrap();
        let graphs = counts.weigh_without_parts(&config).unwrap();
        for (part, graph) in graphs.enumerate() {
            let mut others = CoOccurrence::default();
            for (text, _) in sentences.iter().filter(|(_, p)| *p != Some(part)) {
                others.add(&sentence(text), None);
            }
            let expected = others.weigh(&config).unwrap();
            let named = |g: &ProximityGraph| -> Vec<String> {
                let name = |v: u32| g.vertices[v as usize].name.clone();
                let edges = g.edges.iter();
                edges
                    .map(|e| format!("{}{}{}", name(e.a), name(e.b), e.weight))
                    .collect()
            };
            assert_eq!(graph.vertices, whole.vertices);
            assert_eq!(named(&graph), named(&expected));
            let joined = graph.joined().iter().filter(|j| **j).count();
            assert_eq!(joined, expected.vertices.len());
            let own: Vec<&str> = counts.of_part(part).map(|v| &*v.name).collect();
            assert_eq!(own, [&["a", "b"][..], &["a", "b", "c"]][part]);
        }
    }

    #[test]
    fn a_link_tells_namesakes_apart_and_a_name_does_not() {
        let key = |link, surface| Vertex::of(link, surface).key.to_string();
        assert_eq!(key(Some("/m/02_286"), "New York"), "/m/02_286");
        assert_eq!(key(None, "New \n York"), "name:new york");
        assert_eq!(&*Vertex::of(None, "New\tYork").name, "New York");
    }

    #[test]
    fn without_a_repeated_pair_all_weigh_one() {
        let mut counts = CoOccurrence::default();
        counts.add(&sentence("a b"), None);
        counts.add(&sentence("b c"), None);
        let config = GraphConfig {
            weight: EdgeWeight::LogNorm,
            threshold: 1,
        };
        let graph = counts.weigh(&config).unwrap();
        assert!(graph.edges.iter().all(|e| e.weight == 1.0) && graph.edges.len() == 2);
    }
}
